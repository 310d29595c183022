"""What goes wrong in one request stays there, and the engine goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from mlops_runtime.errors import Mistaken
from mlops_runtime.serving.engines.base import Broken, Refused, Sampling
from mlops_runtime.serving.engines.local import LocalEngine, loading, sampling, worker
from mlops_runtime.serving.engines.local.jobs import Answer

from tests.runtime.serving.engines.conftest import Folder, answer, prompts, tokens


def run(place: str, work: Callable[[LocalEngine], Awaitable[Any]], **settings: Any) -> Any:
    """Do something with a running engine."""

    async def whole() -> Any:
        engine = LocalEngine(place, **{"slots": 4, "longest": 128, **settings})
        await engine.start()
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(whole())


async def outcomes(engine: LocalEngine, asked: Sequence[Sequence[int]], most: int = 12) -> list[Any]:
    """Tokens, or what was raised, by prompt."""
    found = await asyncio.gather(*(answer(engine, one, Sampling(most)) for one in asked), return_exceptions=True)
    return [one if isinstance(one, BaseException) else tokens(one) for one in found]


def kinds(found: Sequence[Any]) -> list[type]:
    """Of outcomes."""
    return [type(one) for one in found]


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.01)


def network(engine: LocalEngine) -> Any:
    """Of the engine."""
    assert engine._generation is not None
    return engine._generation.network


def test_a_request_whose_logits_are_no_numbers_fails_alone_and_leaves_nothing_behind(folder: Folder) -> None:
    """Its slot is used again by others, whose answers are as before."""
    import torch

    asked = prompts(9, 20)

    async def work(engine: LocalEngine) -> None:
        before = await outcomes(engine, asked)
        unused = next(token for token in range(4, 320) if not any(token in one for one in [*asked, *before]))
        bad = [[unused] * 100, [unused, 20]]
        with torch.no_grad():
            network(engine).model.get_input_embeddings().weight[unused] = float("nan")
        mixed = await outcomes(engine, [*asked[:2], bad[0], *asked[2:5], bad[1], *asked[5:]])
        assert kinds([mixed.pop(6), mixed.pop(2)]) == [Broken, Broken]
        assert mixed == before
        with pytest.raises(Broken, match="no number"):
            await engine.score(bad[0])
        assert await outcomes(engine, asked) == before
        assert engine.healthy

    run(folder(), work)


@pytest.mark.parametrize("kind", ["llama", "bloom"])
def test_a_step_that_fails_takes_its_requests_and_the_engine_goes_on(
    folder: Folder, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    asked = prompts(7, 20)

    async def work(engine: LocalEngine) -> None:
        before = await outcomes(engine, asked)
        usual, calls = network(engine).forward, []

        def failing(*given: Any) -> Any:
            calls.append(given)
            if len(calls) == 3:
                raise RuntimeError("out of something")
            return usual(*given)

        network(engine).forward = failing
        found = await outcomes(engine, asked)
        assert kinds(found[:4]) == [Broken] * 4
        assert found[4:] == before[4:]
        assert engine.healthy
        assert await outcomes(engine, asked) == before

    run(folder(kind), work, prefill=1000)
    assert "a step of 4 requests failed" in caplog.text
    assert "out of something" in caplog.text


def test_steps_that_go_on_failing_make_it_unhealthy_until_one_succeeds(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "TRIAL", 0.05)

    async def work(engine: LocalEngine) -> None:
        usual, trials = network(engine).forward, []

        def failing(*given: Any) -> Any:
            trials.append(given)
            raise RuntimeError("broken for good")

        network(engine).forward = failing
        for _ in range(worker.FAILURES):
            assert engine.healthy
            assert kinds(await outcomes(engine, [[5, 6]])) == [Broken]
        await until(lambda: not engine.healthy)
        asked = len(trials)
        await until(lambda: len(trials) > asked + 2)
        assert not engine.healthy
        network(engine).forward = usual
        await until(lambda: engine.healthy)
        assert kinds(await outcomes(engine, [[5, 6]])) == [list]

    run(folder(), work)


def test_a_draw_that_fails_takes_one_request(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = sampling.draw

    def failing(logits: Any, draws: Sequence[sampling.Draw]) -> Any:
        if any(one.temperature == 0.75 for one in draws):
            raise ValueError("a number that no one can draw with")
        return usual(logits, draws)

    async def work(engine: LocalEngine) -> None:
        before = await outcomes(engine, [[5, 6], [7, 8, 9]])
        monkeypatch.setattr(sampling, "draw", failing)
        bad = asyncio.create_task(answer(engine, [10, 11], Sampling(20, temperature=0.75)))
        assert await outcomes(engine, [[5, 6], [7, 8, 9]]) == before
        with pytest.raises(Broken, match="drawing"):
            await bad
        assert engine.healthy

    run(folder(), work)


def test_a_token_that_cannot_be_decoded_takes_one_request(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Answer.take

    def failing(self: Answer, token: int, logprob: float) -> Any:
        if self.prompt == [10, 11]:
            raise ValueError("Invalid prefix encountered")
        return usual(self, token, logprob)

    async def work(engine: LocalEngine) -> None:
        before = await outcomes(engine, [[5, 6], [7, 8, 9]])
        monkeypatch.setattr(Answer, "take", failing)
        found = await outcomes(engine, [[5, 6], [10, 11], [7, 8, 9]])
        assert type(found.pop(1)) is Broken
        assert found == before

    run(folder(), work)


def test_closing_an_iterator_frees_its_slot_within_a_step(folder: Folder) -> None:
    async def work(engine: LocalEngine) -> None:
        usual, steps = network(engine).forward, []

        def counted(*given: Any) -> Any:
            steps.append(given)
            return usual(*given)

        network(engine).forward = counted
        long = engine.stream([5, 6, 7], Sampling(120))
        await anext(long)
        await long.aclose()
        before = len(steps)
        assert len(tokens(await answer(engine, [8, 9], Sampling(5)))) <= 5
        assert len(steps) - before <= 1 + 5

    run(folder(eos_token_id=None), work, slots=1)


def test_requests_are_taken_in_the_order_of_their_arrival(folder: Folder) -> None:
    async def work(engine: LocalEngine) -> None:
        ended: list[int] = []

        async def ask(number: int) -> None:
            await answer(engine, prompts(6, 40)[number], Sampling(4))
            ended.append(number)

        await asyncio.gather(*(ask(number) for number in range(6)))
        assert ended == sorted(ended)

    run(folder(), work, slots=1)


def test_a_long_prompt_does_not_hold_up_running_answers(folder: Folder) -> None:
    async def work(engine: LocalEngine) -> None:
        usual, steps = network(engine).forward, []

        def counted(drawn: Any, pieces: Any) -> Any:
            steps.append((len(drawn), sum(len(piece.tokens) for piece in pieces)))
            return usual(drawn, pieces)

        running = engine.stream([5, 6], Sampling(100))
        await anext(running)
        network(engine).forward = counted
        await answer(engine, [7] * 64, Sampling(1))
        await running.aclose()
        prompted = [step for step in steps if step[1]]
        assert prompted == [(1, 8)] * 8

    run(folder(eos_token_id=None), work, prefill=8)


def test_the_cache_has_the_size_that_was_told(folder: Folder) -> None:
    async def work(engine: LocalEngine) -> None:
        layers, heads, width, number = 2, 2, 8, 4
        assert engine.cache_bytes == 2 * layers * heads * width * number * engine.slots * engine.longest
        before = engine.cache_bytes
        await outcomes(engine, prompts(9, 100))
        assert engine.cache_bytes == before

    run(folder(), work)


def test_a_cache_that_does_not_fit_is_a_mistake(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    free = psutil.virtual_memory()._replace(available=100_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(Mistaken, match="max_input_tokens"):
        asyncio.run(LocalEngine(folder(), slots=32).start())


def test_requests_in_flight_end_broken_when_it_is_closed_and_later_ones_at_once(folder: Folder) -> None:
    async def work() -> None:
        engine = LocalEngine(folder(eos_token_id=None), slots=1, longest=256)
        with pytest.raises(Broken, match="not started"):
            await engine.score([5, 6])
        assert not engine.healthy
        await engine.start()
        assert engine.healthy
        running, waiting = (asyncio.create_task(answer(engine, [5, 6], Sampling(250))) for _ in range(2))
        await until(lambda: engine._generation is not None and engine._generation.busy())
        await engine.close()
        for task in (running, waiting):
            with pytest.raises(Broken):
                await task
        assert not engine.healthy
        with pytest.raises(Broken):
            await engine.score([5, 6])

    asyncio.run(work())


def test_what_does_not_fit_is_refused(folder: Folder) -> None:
    async def work(engine: LocalEngine) -> None:
        assert engine.longest == 128
        for prompt, most, reason in (
            ([], 5, "empty"),
            ([5] * 100, 29, "129|100 tokens"),
            ([320], 5, "vocabulary"),
            ([-1], 5, "vocabulary"),
        ):
            with pytest.raises(Refused, match=reason):
                await answer(engine, prompt, Sampling(most))
        assert len(tokens(await answer(engine, [5] * 100, Sampling(28)))) <= 28
        for text in ([5], [5] * 129, [320, 5]):
            with pytest.raises(Refused):
                await engine.score(text)
        with pytest.raises(Refused, match="does not classify"):
            await engine.classify(["one"])

    run(folder(), work)


def test_no_more_tokens_fit_than_the_model_has_places_for(folder: Folder) -> None:
    async def work(engine: LocalEngine) -> None:
        assert engine.longest == 256
        assert len(await engine_score(engine, 256)) == 255

    async def engine_score(engine: LocalEngine, size: int) -> tuple[float, ...]:
        return (await engine.score([7] * size)).logprobs

    run(folder(), work, longest=10_000)


def test_a_network_that_answers_otherwise_in_a_batch_is_computed_one_by_one(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As if its attention looked elsewhere than the one that is put in its place."""
    from mlops_runtime.serving.engines.local import attention

    usual = attention._prompt

    def shifted(query: Any, key: Any, value: Any, *others: Any) -> Any:
        return usual(query, key, value.flip(2), *others)

    monkeypatch.setattr(attention, "_prompt", shifted)

    async def work(engine: LocalEngine) -> Any:
        assert not network(engine).chunked
        return await outcomes(engine, [[5, 6, 7]])

    slow = run(folder(), work)
    assert "each is computed by itself" in caplog.text
    monkeypatch.undo()
    assert slow == run(folder(), lambda engine: outcomes(engine, [[5, 6, 7]]))
    assert loading.TOLERANCE < 0.01


def test_a_mistake_of_our_own_ends_the_engine_and_every_request(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(engine: LocalEngine) -> None:
        monkeypatch.setattr(engine._generation, "_pieces", lambda: 1 / 0)
        assert kinds(await outcomes(engine, [[5, 6], [7, 8]])) == [Broken, Broken]
        assert not engine.healthy
        assert kinds(await outcomes(engine, [[5, 6]])) == [Broken]

    run(folder(), work)
    assert "the engine's thread ended" in caplog.text


def test_a_caller_whose_event_loop_is_gone_harms_no_one(folder: Folder) -> None:
    async def work(engine: LocalEngine) -> None:
        def caller() -> None:
            loop = asyncio.new_event_loop()
            pieces = engine.stream([5, 6, 7], Sampling(100))
            loop.run_until_complete(anext(pieces))
            loop.close()

        before = await outcomes(engine, [[8, 9]])
        await asyncio.to_thread(caller)
        assert await outcomes(engine, [[8, 9]]) == before
        assert engine.healthy

    run(folder(eos_token_id=None), work, slots=2)
