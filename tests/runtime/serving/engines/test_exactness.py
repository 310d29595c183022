"""Answers are those of transformers' own `generate`, whoever else is being answered."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from mlops_runtime.models import load
from mlops_runtime.serving.engines.base import Sampling
from mlops_runtime.serving.engines.local import LocalEngine, loading

from tests.runtime.serving.engines.conftest import Folder, answer, generated, prompts, tokens

LAYERS = {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"], "head_dim": 8}
BATCHED: list[tuple[str, dict[str, Any]]] = [
    ("gpt2", {}),
    ("gpt_neox", {}),
    ("qwen2", {}),
    ("mistral", {"sliding_window": 12}),
    ("gemma3_text", LAYERS),
]
SLOWER: list[tuple[str, dict[str, Any]]] = [
    ("gemma2", {**LAYERS, "attn_logit_softcapping": 5.0}),
    ("bloom", {}),
    ("mamba", {}),
    ("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}}),
]


@pytest.mark.parametrize(
    ("kind", "changed", "count", "together"),
    [("llama", {}, 64, True), *((*k, 8, True) for k in BATCHED), *((*k, 5, False) for k in SLOWER)],
)
def test_greedy_tokens_are_those_of_generate_for_a_mixed_load(
    folder: Folder, kind: str, changed: dict[str, Any], count: int, together: bool
) -> None:
    place = folder(kind, **changed)
    asked = list(zip(prompts(count, 30), random.Random(1).choices(range(1, 28), k=count), strict=True))

    async def work() -> list[list[int]]:
        engine = LocalEngine(place, slots=min(8, count // 2), longest=60, prefill=24)
        await engine.start()
        assert engine._generation.network.chunked is together  # type: ignore[union-attr]
        found = await asyncio.gather(*(answer(engine, prompt, Sampling(most)) for prompt, most in asked))
        await engine.close()
        return [tokens(pieces) for pieces in found]

    mine = asyncio.run(work())
    model = load(place).model
    assert mine == [generated(model, prompt, most) for prompt, most in asked]
    assert len({token for found in mine for token in found}) > 3


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_what_a_request_draws_depends_on_its_seed_and_on_no_other_request(folder: Folder, share: float) -> None:
    asked = prompts(12, 30)
    how = [Sampling(20, temperature=0.8, top_p=share, seed=number) for number in range(12)]

    async def work() -> tuple[list[list[int]], list[list[int]], list[int]]:
        engine = LocalEngine(folder(), slots=12, longest=80)
        await engine.start()
        together = await asyncio.gather(*(answer(engine, *one) for one in zip(asked, how, strict=True)))
        alone = [await answer(engine, *one) for one in zip(asked, how, strict=True)]
        other = await answer(engine, asked[0], how[0]._replace(seed=99))
        await engine.close()
        return [tokens(one) for one in together], [tokens(one) for one in alone], tokens(other)

    together, alone, other = asyncio.run(work())
    assert together == alone
    assert other != together[0]


def test_log_probabilities_are_those_before_temperature(folder: Folder) -> None:
    import torch

    prompt = prompts(1, 30)[0]

    async def work() -> list[Any]:
        engine = LocalEngine(folder(), slots=2, longest=80)
        await engine.start()
        found = await answer(engine, prompt, Sampling(8, temperature=0.7, seed=4, logprobs=True))
        await engine.close()
        return found

    pieces = asyncio.run(work())
    text = [*prompt, *tokens(pieces)]
    with torch.inference_mode():
        wanted = load(folder()).model(input_ids=torch.tensor([text])).logits[0].log_softmax(1)
    given = [value for piece in pieces for value in piece.logprobs]
    places = range(len(prompt) - 1, len(text) - 1)
    assert given == pytest.approx([float(wanted[place, text[place + 1]]) for place in places], abs=1e-5)


@pytest.mark.parametrize("merged", [True, False])
def test_an_adapter_answers_as_it_does_in_its_own_library(
    folder: Folder, merged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside of the weights, or beside them where adding it would change too much."""
    place, asked = folder(adapter=True), prompts(8, 30)
    if not merged:
        monkeypatch.setattr(loading, "MERGED", 0.0)

    async def work() -> list[list[int]]:
        engine = LocalEngine(place, slots=4, longest=80)
        await engine.start()
        network = engine._generation.network  # type: ignore[union-attr]
        assert network.chunked
        beside = any("lora" in name for name, _ in network.model.named_parameters())  # type: ignore[attr-defined]
        assert beside is not merged
        found = await asyncio.gather(*(answer(engine, prompt, Sampling(16)) for prompt in asked))
        await engine.close()
        return [tokens(pieces) for pieces in found]

    mine, model = asyncio.run(work()), load(place).model
    assert any("lora" in name for name, _ in model.named_parameters())
    assert mine == [generated(model, prompt, 16) for prompt in asked]
    assert mine != [generated(load(folder()).model, prompt, 16) for prompt in asked]


@pytest.mark.parametrize("kind", ["llama", "bloom"])
def test_scores_are_those_of_the_evaluation(folder: Folder, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when a text is scored in pieces, between the steps of answers."""
    import torch
    from mlops_runtime.serving.engines.local import generation
    from mlops_runtime.training.scoring import Scorer

    monkeypatch.setattr(generation, "LOGITS", 320 * 7)
    texts = [text for text in prompts(10, 60) if len(text) > 1]

    async def work() -> list[Any]:
        engine = LocalEngine(folder(kind), slots=4, longest=64, prefill=16)
        await engine.start()
        noise = [asyncio.create_task(answer(engine, prompt, Sampling(30))) for prompt in prompts(5, 30)]
        found = await asyncio.gather(*(engine.score(text) for text in texts))
        await asyncio.gather(*noise)
        await engine.close()
        return list(found)

    scores = asyncio.run(work())
    scorer = Scorer(load(folder(kind)).model, 0)
    for text, score in zip(texts, scores, strict=True):
        with torch.inference_mode():
            wanted = scorer.network(input_ids=torch.tensor([text])).logits[0, :-1].float()
            losses = torch.nn.functional.cross_entropy(wanted, torch.tensor(text[1:]), reduction="none")
        assert score.first == tuple(wanted.argmax(1).tolist())
        assert -sum(score.logprobs) / len(losses) == pytest.approx(float(losses.double().mean()), abs=1e-6)
        assert len(score.logprobs) == len(text) - 1


def test_an_adapter_that_is_more_than_weights_stays_whole(folder: Folder) -> None:
    import torch
    from mlops_runtime.serving.engines.local.networks import Drawn, Piece
    from peft import PromptTuningConfig, get_peft_model

    model = get_peft_model(load(folder()).model, PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)).eval()
    found = loading.network(model, 2, 64)
    text = prompts(1, 30)[0]
    with torch.inference_mode():
        given = [found.forward([], [Piece(0, 0, text[:-1], 1)]), found.forward([Drawn(text[-1], len(text) - 1)], [])]
        wanted = [model(input_ids=torch.tensor([row])).logits[0, -1:] for row in (text[:-1], text)]
    assert not found.chunked
    assert torch.allclose(torch.cat(given), torch.cat(wanted), atol=1e-4)
