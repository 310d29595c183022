"""Level `integration`: from prompt to answer, through preprocessing, rendering and network."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlops_runtime.testing.verdict import fail
from mlopsgen.contract.files import MODEL

if TYPE_CHECKING:
    from mlops_runtime.models import Loaded
    from mlops_runtime.testing.answers import Classifier, Generator

pytestmark = pytest.mark.integration

LATENCY = 0.5
"""Seconds; the 95th percentile where `benchmark.latency_p95.max` sets none."""

REQUESTS = 20
"""Requests timed, one after another."""

SCORED, COUNTED = 2_000, 20_000
"""Most records of the validation part that are scored, and of the training part that are counted."""

SAME = 0.02
"""Differences of log-probabilities or of shares that rounding in a batch may make."""


@pytest.fixture(scope="module")
def prompts(spec: Mapping[str, Any], records: list[dict[str, Any]]) -> list[str]:
    """What validation records ask."""
    from mlops_runtime.data.columns import asked

    return [asked(record, spec["data"]["columns"]) or "" for record in records]


@pytest.fixture(scope="module")
def answering(loaded: Loaded, request: pytest.FixtureRequest) -> Generator | Classifier:
    """`generate`, or `classify` where the model classifies."""
    found: Generator | Classifier = request.getfixturevalue("classify" if loaded.rendering.labels else "generate")
    return found


def test_prompts_are_answered(loaded: Loaded, answering: Any, prompts: list[str]) -> None:
    """Prompts of the validation part get an answer: some text, or a share for each class."""
    answers = [answering(prompt) for prompt in prompts]
    if not loaded.rendering.labels:
        if not any(answer.strip() for answer in answers):
            fail("answers", expected="text", found=f"{len(answers)} empty ones", at=[MODEL])
        return
    for answer in answers:
        if list(answer) != loaded.rendering.labels or not math.isclose(sum(answer.values()), 1, abs_tol=1e-3):
            fail("classes", expected=f"shares of {', '.join(loaded.rendering.labels)} that add up to 1", found=answer)


def test_batches_equal_single_requests(loaded: Loaded, answering: Any, prompts: list[str]) -> None:
    """A prompt gets the same answer in a batch as by itself; ties of two tokens may fall either way."""
    if loaded.rendering.labels:
        for number, (prompt, found) in enumerate(zip(prompts, answering(prompts), strict=True), 1):
            alone = answering(prompt)
            if any(abs(alone[label] - found[label]) > SAME for label in alone):
                fail("shares in a batch", expected=alone, found=found, at=[f"validation record {number}"])
        return
    for number, (prompt, found) in enumerate(zip(prompts, answering.tokens(prompts), strict=True), 1):
        (alone,) = answering.tokens([prompt])
        if alone != found and not _tied(loaded, answering.prompt(prompt), alone, found):
            expected, text = (repr(loaded.tokenizer.decode(ids)) for ids in (alone, found))
            fail("answer in a batch", expected=expected, found=text, at=[f"validation record {number}"])


def _tied(loaded: Loaded, prompt: list[int], one: list[int], other: list[int]) -> bool:
    """Whether two answers part at tokens that are equally likely."""
    import torch

    place = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if place is None:
        return False
    ids = torch.tensor([[*prompt, *one[:place]]], device=loaded.model.device)
    with torch.inference_mode():
        last = loaded.model(input_ids=ids).logits[0, -1].float()
    return abs(float(last[one[place]] - last[other[place]])) < SAME


def test_latency(answering: Any, prompts: list[str], spec: Mapping[str, Any]) -> None:
    """The 95th percentile of the latency keeps `evaluation.benchmark.latency_p95`, or else half a second."""
    limit = (spec.get("benchmark", {}).get("latency_p95") or {}).get("max", LATENCY)
    answering(prompts[0])
    taken = []
    for number in range(REQUESTS):
        start = time.perf_counter()
        answering(prompts[number % len(prompts)])
        taken.append(time.perf_counter() - start)
    p95 = sorted(taken)[math.ceil(0.95 * REQUESTS) - 1]
    if p95 > limit:
        found = f"{p95:.3g} s over {REQUESTS} requests (fastest {min(taken):.3g} s)"
        fail("latency, 95th percentile", expected=f"at most {limit:g} s", found=found, at=[MODEL])


@pytest.mark.parametrize("most", [1, 7])
def test_max_tokens(loaded: Loaded, answering: Any, prompts: list[str], most: int) -> None:
    """An answer has at most the tokens that were asked for."""
    if loaded.rendering.labels:
        pytest.skip("a classifier answers without tokens")
    longest = max(map(len, answering.tokens(prompts, most)))
    if longest > most:
        fail(f"answer with max_tokens={most}", expected=f"at most {most} tokens", found=longest, at=[MODEL])


@pytest.mark.parametrize("length", ["empty", "very long"])
def test_unusual_prompts(loaded: Loaded, answering: Any, prompts: list[str], length: str) -> None:
    """Empty prompts are answered, and so are some of twice the length that the model was trained with."""
    piece = f"{prompts[0]} and so on "
    tokens = max(1, len(loaded.tokenizer(piece)["input_ids"]))
    prompt = "" if length == "empty" else piece * math.ceil(2 * loaded.info["max_length"] / tokens)
    try:
        answering(prompt)
    except Exception as error:
        fail(f"prompt that is {length}", expected="an answer", found=f"{type(error).__name__}: {error}", at=[MODEL])


def test_loss_is_below_unigram(loaded: Loaded, parts: Mapping[str, str], tmp_path: Path) -> None:
    """The validation loss is below that of knowing only how often each token, or class, comes in training."""
    from mlops_runtime.training import examples, reports, scoring

    for name, most in (("train", COUNTED), ("validation", SCORED)):
        examples.write(str(tmp_path / name), islice(examples.read(parts[name]), most), loaded.rendering, parts[name])
    training, validation = (examples.Examples(str(tmp_path / name)) for name in ("train", "validation"))
    labels = loaded.rendering.labels
    kind = scoring.Classes if labels else scoring.Scorer
    scorer = kind(loaded.model, loaded.tokenizer.pad_token_id)
    nll, _ = scoring.by_record(scorer, validation, loaded.model.device)
    loss = float(nll.sum() / validation.targets.sum())
    unigram = reports.unigram_loss(training, validation, len(labels) or len(loaded.tokenizer), bool(labels))
    if not loss < unigram:
        what = "of the class frequencies" if labels else "of the unigram model"
        fail(
            "validation loss",
            expected=f"below {unigram:.4f}, that {what}",
            found=f"{loss:.4f}",
            at=[parts["validation"]],
        )
