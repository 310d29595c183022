"""The trained model behind the engine that serves it: what is judged is what users will get."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from mlops_runtime.errors import Mistaken
from mlops_runtime.models import described
from mlops_runtime.serving.engines.base import Broken, Engine, Refused, Sampling
from mlopsgen.contract import files

Item = TypeVar("Item")
Result = TypeVar("Result")

SLOTS = 8
"""Prompts of a suite that are computed together."""

MOST = 32
"""Requests that an engine computes together at most; each has its place in memory, and those beyond wait."""


def about() -> dict[str, Any]:
    """Content of the `mlops.json` of `models/model`.

    Raises:
        Mistaken: there is none, or it is of another version of the runtime.
    """
    return described(files.MODEL)


@asynccontextmanager
async def opened(slots: int, new: int) -> AsyncIterator[Engine]:
    """The engine with the model in `models/model`, warmed up inside of the block and stopped behind it.

    Args:
        slots: requests at a time.
        new: most tokens of an answer; a prompt may be as long as what the model was trained on.

    Raises:
        Mistaken: no model, or the machine cannot hold it.
    """
    engine = local(min(slots, MOST), about()["max_length"] + new)
    try:
        await engine.start()
        yield engine
    finally:
        await engine.close()


def local(slots: int, longest: int) -> Engine:
    """The engine of the serving app that runs in this process, not yet started."""
    from mlops_runtime.serving.engines.local import LocalEngine

    return LocalEngine(files.MODEL, slots=slots, longest=longest)


async def written(engine: Engine, prompt: str, new: int, place: object) -> str:
    """The likeliest answer, token by token, to a prompt.

    Args:
        engine: that is started.
        prompt: as a user would send it.
        new: most tokens of the answer.
        place: where the prompt stands, for messages.

    Raises:
        Mistaken: the prompt does not fit, or the model fails on it.
    """
    try:
        tokens = await engine.encode(prompt)
        return "".join([piece.text async for piece in engine.stream(tokens, Sampling(new))])
    except Refused as error:
        raise Mistaken(f"{place}: {error}") from None
    except Broken as error:
        raise Mistaken(f"{place}: the model fails on it: {error}") from None


async def each(items: Sequence[Item], work: Callable[[Item], Awaitable[Result]], limit: int, what: str) -> list[Result]:
    """Results of all items in their order, `limit` of them under way at any time; the first failure ends the rest.

    A progress bar named `what` stands on a terminal meanwhile.
    """
    from tqdm import tqdm  # type: ignore[import-untyped]

    found: dict[int, Result] = {}
    waiting = iter(enumerate(items))
    with tqdm(total=len(items), desc=what, unit=" prompts", disable=None, delay=2, leave=False) as bar:

        async def caller() -> None:
            for index, item in waiting:
                found[index] = await work(item)
                bar.update()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(limit, len(items))):
                    group.create_task(caller())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
    return [found[index] for index in range(len(items))]
