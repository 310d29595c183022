"""Packed weights compute the same, and are done without where they cannot be had."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mlops_runtime.models import load
from mlops_runtime.serving.engines.base import Sampling
from mlops_runtime.serving.engines.local import LocalEngine, loading, packing

from tests.runtime.serving.engines.conftest import Folder, answer, prompts, tokens


def network() -> Any:
    """A few layers, with what they say to some rows."""
    import torch
    from torch import nn

    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(48, 64), nn.Tanh(), nn.Linear(64, 32, bias=False))
    model.device = torch.device("cpu")
    return model


@pytest.mark.parametrize("shape", [(1, 48), (2, 48), (1, 1, 48), (1, 33, 48), (1, 64, 48), (1, 70, 48)])
def test_packed_layers_compute_the_same(shape: tuple[int, ...]) -> None:
    import torch

    model, given = network(), torch.randn(shape)
    with torch.inference_mode():
        before = model(given)
        assert packing.pack(model, 10**9)
        assert "forward" in vars(model[0])
        assert torch.allclose(model(given), before, atol=1e-5)
        packing.unpack(model)
        assert torch.equal(model(given), before)


def test_few_numbers_of_rows_are_computed() -> None:
    """oneDNN keeps code for each, which takes time to make and memory to keep."""
    found = [packing.computed(rows) for rows in range(1, 289)]
    assert all(0 <= made - rows < packing.STEP for rows, made in enumerate(found, 1))
    assert len(set(found)) < 50


def test_memory_that_is_short_is_left_alone() -> None:
    model = network()
    assert not packing.pack(model, 4 * (48 * 64 + 64 * 32))
    assert "forward" not in vars(model[0])


def test_without_the_operator_the_layers_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    model, usual, calls = network(), torch.ops.mkldnn._reorder_linear_weight, []

    def failing(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 2:
            raise RuntimeError("no such layout")
        return usual(*given)

    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_linear_weight", failing)
    assert not packing.pack(model, 10**9)
    assert not any("forward" in vars(layer) for layer in model)


def answers(place: str, **settings: Any) -> tuple[list[list[int]], bool]:
    """Greedy tokens, and whether weights are packed."""

    async def work() -> tuple[list[list[int]], bool]:
        engine = LocalEngine(place, slots=4, longest=80, **settings)
        await engine.start()
        found = await asyncio.gather(*(answer(engine, prompt, Sampling(12)) for prompt in prompts(6, 30)))
        model = engine._generation.network.model  # type: ignore[union-attr]
        await engine.close()
        return [tokens(pieces) for pieces in found], any("forward" in vars(layer) for layer in model.modules())

    return asyncio.run(work())


def test_a_network_that_answers_otherwise_when_packed_is_unpacked(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, packed = answers(folder())
    assert packed

    def shifting(model: Any, free: int) -> bool:
        assert packing.pack(model, free)
        vars(model.lm_head)["forward"] = lambda given: -given[..., :1].expand(*given.shape[:-1], 320)
        return True

    monkeypatch.setattr(loading, "pack", shifting)
    assert answers(folder()) == (usual, False)


def test_sixteen_bits_answer_as_the_same_weights_do(folder: Folder) -> None:
    import torch

    found, _ = answers(folder(), dtype="bfloat16")
    model, agreed, count = load(folder(), dtype="bfloat16").model, 0, 0
    for prompt, mine in zip(prompts(6, 30), found, strict=True):
        with torch.inference_mode():
            logits = model(torch.tensor([[*prompt, *mine]])).logits[0, len(prompt) - 1 : -1].float()
        likeliest = logits.max(1).values
        agreed += int((likeliest - logits.gather(1, torch.tensor(mine)[:, None])[:, 0] < 0.1).sum())
        count += len(mine)
    assert count > 30
    assert agreed / count > 0.9
