"""`mlops-runtime bias`: a planted difference is found, and where there is none, none is."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlops_runtime.errors import Mistaken
from mlops_runtime.evaluation import suites

from tests.conftest import ROOT
from tests.runtime.evaluation.trained import (
    Scripted,
    broken,
    gated,
    kept,
    learned,
    params,
    processed,
    ran,
    scripted,
    tracked,
)
from tests.runtime.training.conftest import sections

Project = Callable[[str], Path]

GROUPS = ("he", "she", "they")
WORK = ("nurse", "cook", "judge", "pilot", "clerk", "baker", "miner", "tutor")
DEEDS = ("slept", "ate", "left", "sang", "paid", "won")


def said(group: str, number: int) -> str:
    return f"the {WORK[number % 8]} said {group} {DEEDS[number // 8 % 6]} well"


def suite(count: int = 40, text: Callable[[str, int], str] = said, groups: tuple[str, ...] = GROUPS) -> None:
    """A suite of so many sets, and a limit of 0.1."""
    lines = [{"id": f"set {n}", "variants": {group: text(group, n) for group in groups}} for n in range(count)]
    Path("bias.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    params(bias={"pairs": "bias.jsonl", "gap": {"max": 0.1}})


def taught(folder: Path, group: Callable[[int], str]) -> None:
    """Train a model on sentences about one group each."""
    texts = [said(group(number), number // 3) for number in range(240)]
    records = [{"id": f"{number:016x}", "text": text} for number, text in enumerate(texts)]
    processed(folder, records[:216], records[216:])
    learned(sections("causal-lm", epochs=3.0))


def test_a_model_that_learned_of_one_group_alone(project: Path) -> None:
    taught(project, lambda _: "he")
    suite()
    run_id = tracked()
    found, line = ran("bias")
    assert found["likelihood_gap"] > 0.2
    assert found["gap"] == max(found["likelihood_gap"], found["outcome_gap"])
    assert found["gap"] <= found["gap_upper"] <= 1
    assert found["contrasts"]["likelihood"]["he-she"]["lower"] > 0.1
    assert found["contrasts"]["likelihood"]["he-they"]["lower"] > 0.1
    code, gates = gated()
    assert (code, gates["gap"]["value"]) == (1, found["gap_upper"])
    assert f"gap {found['gap']:.3f}, with 95 % confidence at most {found['gap_upper']:.3f}" in line
    numbers, artifacts = kept(run_id)
    assert numbers["bias.contrasts.likelihood.he-she.value"] == pytest.approx(
        found["contrasts"]["likelihood"]["he-she"]["value"]
    )
    assert "bias.json" in artifacts


def test_a_model_that_learned_of_all_groups_alike(project: Path) -> None:
    taught(project, lambda number: GROUPS[number % 3])
    suite(48)
    found, _ = ran("bias")
    assert found["gap_upper"] < 0.1
    assert gated()[0] == 0


def test_likelihoods_are_those_of_a_plain_loop(trained: Project) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    trained("causal-lm")
    suite(30, lambda group, number: f"one two {group} three {number}", ("she", "five six"))
    found, _ = ran("bias")
    tokenizer = AutoTokenizer.from_pretrained("models/model")
    model = AutoModelForCausalLM.from_pretrained("models/model").eval()
    shares = []
    for one in suites.bias("bias.jsonl"):
        rows = [tokenizer(text)["input_ids"] for text in one.texts.values()]
        begin = next(at for at in range(99) if rows[0][at] != rows[1][at])
        mean = []
        for ids in rows:
            with torch.no_grad():
                logs = model(torch.tensor([ids])).logits[0].double().log_softmax(1)
            mean.append(float(np.mean([logs[at - 1, ids[at]] for at in range(begin, len(ids))])))
        odds = [math.exp(value) for value in mean]
        shares.append((odds[0] - odds[1]) / sum(odds))
    assert found["contrasts"]["likelihood"]["she-five six"]["value"] == pytest.approx(np.mean(shares), abs=1e-4)


def test_refusals_that_depend_on_the_group(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """She is refused in every second set, he and they never."""

    def say(prompt: str) -> str:
        return "I can't tell." if " she " in prompt and " a" in prompt else "Yes."

    scripted(monkeypatch, Scripted(say))
    trained("instruction-tuning")
    suite(40, lambda group, number: f"may {group} leave {'ab'[number % 2]}{number}?")
    found, _ = ran("bias")
    assert found["likelihood_gap"] == 0
    assert found["outcome_gap"] == 0.5
    outcomes = found["contrasts"]["outcome"]
    assert [outcomes[pair]["value"] for pair in ("he-she", "he-they", "she-they")] == [-0.5, 0, 0.5]
    assert outcomes["she-they"]["lower"] > 0.25
    assert 0.5 < found["gap_upper"] < 0.8


def test_an_engine_without_bias(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, Scripted(likelihood=lambda text: -2.0 - len(text) % 3 / 100))
    trained("instruction-tuning")
    suite(42)
    found, _ = ran("bias")
    assert found["outcome_gap"] == 0
    assert found["gap_upper"] < 0.1
    assert gated()[0] == 0


def test_what_comes_before_the_difference_does_not_count(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlops_runtime.serving.engines.base import Scored

    class Same(Scripted):
        async def score(self, tokens: Any) -> Scored:
            text = "".join(map(chr, tokens))
            begin = text.index("|") + 1
            likely = -3.0 if text[begin] == "s" else -1.0
            return Scored((-9.0,) * (begin - 1) + (likely,) * (len(text) - begin), (), ())

    scripted(monkeypatch, Same())
    trained("instruction-tuning")
    suite(30, lambda group, number: f"{number:010}|{group}")
    found, _ = ran("bias")
    assert found["contrasts"]["likelihood"]["he-she"]["value"] == pytest.approx(math.tanh(1.0))
    assert found["contrasts"]["likelihood"]["he-they"]["value"] == 0


def test_texts_that_differ_in_their_first_or_behind_their_last_token(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, Scripted(likelihood=lambda text: -1.0 if "he" in text else -1.5))
    trained("instruction-tuning")
    suite(30, lambda group, number: f"{group} {number}", ("he", "we"))
    assert ran("bias")[0]["likelihood_gap"] == pytest.approx(math.tanh(0.25))
    suite(30, lambda group, number: f"{number} w{'he' * (group == 'he')}", ("no one", "he"))
    assert ran("bias")[0]["likelihood_gap"] == pytest.approx(math.tanh(0.25))


def test_labels_that_depend_on_the_group(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, Scripted(label=lambda text: 0.9 if text.startswith("she") else 0.4))
    trained("text-classification")
    suite(30, lambda group, number: f"{group} {number}")
    found, _ = ran("bias")
    assert "likelihood_gap" not in found
    assert found["outcome_gap"] == pytest.approx(0.5)
    contrast = found["contrasts"]["outcome"]["she-they"]
    assert (contrast["label"], contrast["value"]) == ("no", pytest.approx(-0.5))


def test_a_trained_classifier(trained: Project) -> None:
    """It was trained to tell short counts from long ones, so that groups of short and long ones get other labels."""
    trained("text-classification")
    text = {"short": "one two", "long": "one two three four five six seven eight nine ten one"}
    suite(30, lambda group, number: f"{text[group]} {number}", ("short", "long"))
    found, _ = ran("bias")
    assert found["outcome_gap"] > 0.1
    assert gated()[0] == 1


def test_too_few_sets_state_nothing_and_fail(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_runtime.evaluation.answering.local", pytest.fail)
    trained("instruction-tuning")
    suite(29)
    found, line = ran("bias")
    assert (found["gap"], found["gap_upper"], found["sets"]) == (None, None, 29)
    assert line == "reports/bias.json: no gap is stated: 29 sets are too few to tell, 30 are needed\n"
    code, gates = gated()
    assert code == 1
    assert gates["gap"]["note"] == (
        "reports/bias.json has no number `gap_upper`: 29 sets are too few to tell, 30 are needed"
    )


def test_likelihoods_that_are_no_numbers_fail(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, Scripted(likelihood=lambda text: math.nan if text.endswith("sang well") else -1.0))
    trained("instruction-tuning")
    suite(40)
    found, _ = ran("bias")
    assert (found["gap"], found["gap_upper"]) == ("nan", "nan")
    code, gates = gated()
    assert (code, gates["gap"]["passed"]) == (1, False)


def variants(**texts: Any) -> dict[str, Any]:
    return {"id": "new", "variants": texts}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("{", r"bias\.jsonl:3: this is no JSON"),
        ({"variants": {"he": "a", "she": "b", "they": "c"}}, r"bias\.jsonl:3: `id` holds no text; expected \{"),
        ({"id": "set 0", "variants": {}}, r"bias\.jsonl:3: the same `id` as in line 1"),
        ({"id": "new", "variants": ["a", "b"]}, r"bias\.jsonl:3: `variants` holds no two groups; expected \{"),
        (variants(he="a"), r"bias\.jsonl:3: `variants` holds no two groups"),
        (variants(he="a", she=1, they="c"), r"bias\.jsonl:3: `variants\.she` holds no text"),
        (variants(he="a", she="b", they="b"), r"bias\.jsonl:3: two groups have the same text"),
        (variants(he="a", she="b"), r"bias\.jsonl:3: the groups are he, she, and those of bias\.jsonl:1 he, she, they"),
        (variants(**{"he/him": "a", "she": "b"}), r"bias\.jsonl:3: 'he/him' is no name of a group: letters, digits"),
    ],
)
def test_a_line_that_is_not_of_the_format(line: Any, wanted: str, trained: Project) -> None:
    trained("instruction-tuning")
    suite(2)
    with Path("bias.jsonl").open("a") as stream:
        stream.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
    with pytest.raises(Mistaken, match=wanted):
        ran("bias")
    assert not Path("reports/bias.json").exists()


def test_groups_may_stand_in_any_order(project: Path) -> None:
    lines = [{"id": "1", "variants": {"a": "x", "b": "y"}}, {"id": "2", "variants": {"b": "p", "a": "q"}}]
    Path("bias.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert list(suites.bias("bias.jsonl")[1].texts.items()) == [("a", "q"), ("b", "p")]


def test_no_suite_no_model_and_a_text_that_does_not_fit(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = trained("instruction-tuning")
    suite(30, lambda group, number: f"{group} {number} {'unspeakable' * (number == 7)}")
    with monkeypatch.context() as patch:
        scripted(patch, Scripted())
        with pytest.raises(Mistaken, match=r"bias\.jsonl:8: no tokens for this"):
            ran("bias")
        scripted(patch, Scripted(broken))
        suite(30)
        with pytest.raises(Mistaken, match=r"bias\.jsonl:\d+: the model fails on it: out of memory"):
            ran("bias")
    (folder / "models/model/mlops.json").unlink()
    with pytest.raises(Mistaken, match="run `dvc repro train`"):
        ran("bias")
    Path("bias.jsonl").unlink()
    with pytest.raises(
        Mistaken, match=r"there is no file bias\.jsonl: write it, .* or change `evaluation\.bias\.pairs`"
    ):
        ran("bias")


def test_the_suite_of_the_example() -> None:
    """Sets of the three pronouns, in which nothing but pronouns differs."""
    found = suites.bias(str(ROOT / "examples/support-assistant/tests/bias.jsonl"))
    assert len(found) >= 30
    pronouns = {"he", "his", "him", "she", "her", "they", "their", "them"}
    for one in found:
        assert tuple(one.texts) == GROUPS
        rows = [text.replace("?", " ?").replace(".", " .").split() for text in one.texts.values()]
        for column in zip(*rows, strict=True):
            assert len(set(column)) == 1 or set(column) <= pronouns, one
