"""Prompts become the tokens that training made of them; classification is joined into batches."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mlops_runtime.models import Loaded, load
from mlops_runtime.serving.engines.base import Refused
from mlops_runtime.serving.engines.local import LocalEngine, prompts

from tests.runtime.serving.engines.conftest import Folder
from tests.runtime.serving.engines.test_failures import run

CHAT: dict[str, Any] = {"task": "instruction-tuning", "steps": ("strip", "lower")}


def encoded(loaded: Loaded, prompt: Any) -> list[int]:
    """In a loop of its own."""
    return asyncio.run(prompts.encoded(loaded, prompt))


def test_a_text_is_what_training_shows_the_model_before_the_answer(folder: Folder) -> None:
    loaded = load(folder(**CHAT))
    wanted = loaded.rendering.prompt({"prompt": "one two"})
    assert encoded(loaded, "  One TWO ") == wanted
    assert encoded(loaded, [{"role": "user", "content": "  One TWO "}]) == wanted
    whole = loaded.rendering.encode([{"id": "0", "prompt": "one two", "response": "three"}])[0].ids
    assert whole[: len(wanted)] == wanted


def test_earlier_turns_are_part_of_the_prompt(folder: Folder) -> None:
    loaded = load(folder(**CHAT))
    turns = [{"role": role, "content": f"One {role}"} for role in ("user", "assistant", "user")]
    text = loaded.tokenizer.decode(encoded(loaded, turns))
    assert text == "<|user|>one user<|assistant|>one assistant<|end|><|user|>one user<|assistant|>"


def test_a_text_to_go_on_with_is_preprocessed_and_no_more(folder: Folder) -> None:
    loaded = load(folder(steps=("strip",)))
    assert encoded(loaded, " one two ") == loaded.tokenizer("one two")["input_ids"]
    assert encoded(loaded, "a\0b") == loaded.tokenizer("a\0b")["input_ids"]


@pytest.mark.parametrize(
    ("kind", "prompt", "reason"),
    [
        ({}, [{"role": "user", "content": "one"}], "knows no chat"),
        (CHAT, [], "at least one"),
        (CHAT, [{"role": "user"}], "`content`"),
        (CHAT, [{"role": None, "content": "one"}], "`role`"),
        ({"task": "text-classification"}, "one", "classifies"),
    ],
)
def test_other_prompts_are_refused(folder: Folder, kind: dict[str, Any], prompt: Any, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        encoded(load(folder(**kind)), prompt)


def test_what_the_chat_template_raises_is_refused(folder: Folder) -> None:
    loaded = load(folder(**CHAT))
    loaded.tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(Refused, match="must alternate"):
        encoded(loaded, "one")


def test_a_million_characters_do_not_hold_up_the_event_loop(folder: Folder) -> None:
    loaded, text = load(folder(**CHAT)), "One two, three \0" * 62_500

    async def work() -> tuple[int, list[int]]:
        task, ticks = asyncio.create_task(prompts.encoded(loaded, text)), 0
        while not task.done():
            await asyncio.sleep(0.002)
            ticks += 1
        return ticks, await task

    ticks, found = asyncio.run(work())
    assert ticks > 10
    assert len(found) > 100_000


def test_probabilities_are_those_of_each_text_by_itself_though_calls_share_batches(folder: Folder) -> None:
    import torch

    texts = [" ".join(["one", "two", "three"][: number % 4] + ["five"] * (number % 5)) for number in range(1, 20)]
    place = folder(task="text-classification", steps=("strip",))

    async def work(engine: LocalEngine) -> list[list[dict[str, float]]]:
        model, sizes = engine._classification._model, []  # type: ignore[union-attr]
        model.register_forward_pre_hook(lambda _, __, given: sizes.append(len(given["input_ids"])), with_kwargs=True)
        found = await asyncio.gather(engine.classify(texts[:3]), *(engine.classify([f" {one}"]) for one in texts[3:]))
        assert sum(sizes) == len(texts)
        assert len(sizes) < len(texts) / 2
        assert max(sizes) <= engine.slots
        return list(found)

    found = [row for rows in run(place, work, slots=8, longest=None) for row in rows]
    loaded = load(place)
    for text, mine in zip(texts, found, strict=True):
        with torch.inference_mode():
            logits = loaded.model(torch.tensor([loaded.rendering.prompt(text)])).logits[0]
        assert mine == pytest.approx(
            dict(zip(("long", "odd", "short"), logits.softmax(0).tolist(), strict=True)), abs=1e-5
        )


def test_a_classifier_refuses_what_it_cannot_read(folder: Folder) -> None:
    async def work(engine: LocalEngine) -> None:
        assert engine.longest == 64
        with pytest.raises(Refused, match="text 2 has"):
            await engine.classify(["one", "1234567890 " * 64])
        with pytest.raises(Refused, match="classifies"):
            await engine.score([5, 6])
        assert await engine.classify([]) == []

    run(folder(task="text-classification"), work, longest=None)


def test_a_failed_batch_leaves_the_classifier_running(folder: Folder) -> None:
    import torch
    from mlops_runtime.serving.engines.base import Broken

    async def work(engine: LocalEngine) -> None:
        model = engine._classification._model  # type: ignore[union-attr]
        before, usual = await engine.classify(["one"]), model.forward
        model.forward = lambda **_: 1 / 0
        with pytest.raises(Broken, match="this batch"):
            await engine.classify(["one"])
        model.forward = usual
        assert await engine.classify(["one"]) == before
        with torch.no_grad():
            model.get_input_embeddings().weight[9] = float("nan")
        word = engine._tokenizer.decode([9])
        found = await asyncio.gather(engine.classify([word]), engine.classify(["one"]), return_exceptions=True)
        assert type(found[0]) is Broken
        assert found[1][0] == pytest.approx(before[0], abs=1e-5)

    run(folder(task="text-classification"), work, longest=None)
