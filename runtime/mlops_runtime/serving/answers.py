"""From tokens to answers: a place in the engine, the pieces, and what is counted of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from mlops_runtime.serving import problems
from mlops_runtime.serving.admission import Ticket
from mlops_runtime.serving.calls import Call
from mlops_runtime.serving.engines.base import Finish, Piece, Sampling
from mlops_runtime.serving.service import Service

Prompt = str | Sequence[Mapping[str, str]]


TOGETHER = 16
"""Tokens that come as one piece where nobody sees them come."""


class Asked(NamedTuple):
    """One prompt and how it is to be answered.

    Attributes:
        tokens: of the prompt.
        sampling: of the answer.
        prompt: what the tokens came from, for the record of recent requests; None keeps it out.
    """

    tokens: list[int]
    sampling: Sampling
    prompt: Prompt | None


class Answer:
    """An answer as it grows."""

    __slots__ = ("finish", "logprobs", "texts", "tokens")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.tokens: list[int] = []
        self.logprobs: list[float] = []
        self.finish: Finish | None = None

    @property
    def text(self) -> str:
        """All of it so far."""
        return "".join(self.texts)

    def add(self, piece: Piece) -> None:
        """Take in a piece."""
        self.texts.append(piece.text)
        self.tokens += piece.tokens
        self.logprobs += piece.logprobs
        if piece.finish is not None:
            self.finish = piece.finish


async def pieces(service: Service, call: Call, ticket: Ticket, asked: Asked) -> AsyncGenerator[Piece, None]:
    """The answer to one prompt, piece by piece; counted when it ends.

    Args:
        service: that answers.
        call: that it belongs to.
        ticket: of the admission.
        asked: what.

    Raises:
        Refused, Broken: of the engine.
    """
    answer = Answer()
    sampling = asked.sampling
    if asked.prompt is not None and not sampling.logprobs and service.recent.sampled():
        sampling = sampling._replace(logprobs=True)
    async with service.admission.place(ticket), aclosing(service.engine.stream(asked.tokens, sampling)) as stream:
        async for piece in stream:
            if call.first_token is None and piece.tokens:
                call.first_token = call.seconds
                service.metrics.first_token.observe(call.first_token)
            answer.add(piece)
            yield piece._replace(logprobs=()) if piece.logprobs and not asked.sampling.logprobs else piece
    if answer.finish is None:
        raise problems.broken("the engine ended the answer without a reason: try again")
    _counted(service, call, asked, answer)


def _counted(service: Service, call: Call, asked: Asked, answer: Answer) -> None:
    call.input_tokens += len(asked.tokens)
    call.output_tokens += len(answer.tokens)
    call.finish.append(answer.finish or "")
    service.metrics.input_tokens.observe(len(asked.tokens))
    service.metrics.output_tokens.observe(len(answer.tokens))
    if asked.prompt is not None:
        service.remember(asked.prompt, answer.text, len(answer.tokens), answer.finish or "", answer.logprobs)


async def whole(service: Service, call: Call, ticket: Ticket, asked: Asked) -> Answer:
    """The whole answer to one prompt; arguments and errors as in `pieces`."""
    answer = Answer()
    asked = asked._replace(sampling=asked.sampling._replace(together=TOGETHER))
    async with aclosing(pieces(service, call, ticket, asked)) as stream:
        async for piece in stream:
            answer.add(piece)
    return answer


async def together(works: Sequence[Any]) -> list[Any]:
    """Results of coroutines that run at the same time; when one fails, the others are ended and its error is raised."""
    if len(works) == 1:
        return [await works[0]]
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        await _ended(tasks)


async def apart(works: Sequence[Any]) -> list[Any]:
    """As `together`, but an error stands in the place of a result and ends no other."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return list(await asyncio.gather(*tasks, return_exceptions=True))
    finally:
        await _ended(tasks)


async def merged(streams: Sequence[AsyncGenerator[Piece]]) -> AsyncGenerator[tuple[int, Piece], None]:
    """Pieces of several answers as they come, each with the number of its answer."""
    if len(streams) == 1:
        async with aclosing(streams[0]) as only:
            async for one in only:
                yield 0, one
        return
    queue: asyncio.Queue[tuple[int, Piece | None]] = asyncio.Queue(maxsize=2 * len(streams))

    async def feed(number: int, stream: AsyncGenerator[Piece]) -> None:
        async with aclosing(stream):
            async for piece in stream:
                await queue.put((number, piece))
        await queue.put((number, None))

    tasks = [asyncio.ensure_future(feed(number, stream)) for number, stream in enumerate(streams)]
    try:
        left = len(tasks)
        while left:
            number, piece = await _next(queue, tasks)
            if piece is None:
                left -= 1
            else:
                yield number, piece
    finally:
        await _ended(tasks)


async def _next(queue: asyncio.Queue[tuple[int, Piece | None]], tasks: list[Any]) -> tuple[int, Piece | None]:
    """What comes next, or the error of the task that failed."""
    getting = asyncio.ensure_future(queue.get())
    try:
        while not getting.done():
            running = [task for task in tasks if not task.done()]
            await asyncio.wait([getting, *running], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done() and (error := task.exception()) is not None:
                    raise error
        return getting.result()
    finally:
        getting.cancel()


async def _ended(tasks: list[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
