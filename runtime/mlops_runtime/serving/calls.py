"""One request from its first byte to its last: who asked, until when, how it ended."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from mlops_runtime.serving import problems

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_ID = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")


class Gone(Exception):
    """The client closed its connection."""


class Call:
    """A request.

    Args:
        method: of HTTP.
        path: of the URL.
        headers: names in lower case.
        timeout: seconds until the end of the answer.

    Attributes:
        request_id: the caller's `x-request-id`, or one of our own.
        begin: of `time.monotonic`.
        deadline: of `time.monotonic`.
        status: of HTTP, once it is sent; 0 before, and for good when the client went first.
        problem: what it ended with, if it was a problem.
        gone: whether the client went before the end.
        counted: whether it asked the model for something.
        answers: ids of its answers.
        input_tokens: of its prompts.
        output_tokens: of its answers.
        finish: why its answers ended.
        rating: that it brought, once it was taken.
    """

    def __init__(self, method: str, path: str, headers: Mapping[bytes, bytes], timeout: float) -> None:
        self.method, self.path, self.headers = method, path, headers
        given = headers.get(b"x-request-id", b"")
        self.request_id = given.decode() if _ID.fullmatch(given) else os.urandom(16).hex()
        self.timeout = timeout
        self.begin = time.monotonic()
        self.deadline = self.begin + timeout
        self.status = 0
        self.problem: problems.Problem | None = None
        self.gone = self.counted = False
        self.answers: list[str] = []
        self.input_tokens = self.output_tokens = 0
        self.finish: list[str] = []
        self.first_token: float | None = None
        self.rating: int | None = None

    @property
    def seconds(self) -> float:
        """Since the request came."""
        return time.monotonic() - self.begin

    @property
    def outcome(self) -> str:
        """A value of `mlopsgen.contract.metrics.STATUS`."""
        if self.gone:
            return "cancelled"
        return self.problem.outcome if self.problem is not None else "success"

    def named(self, prefix: str) -> str:
        """A new id of an answer."""
        self.answers.append(prefix + os.urandom(12).hex())
        return self.answers[-1]

    async def body(self, receive: Receive, limit: int) -> bytes:
        """The request's body.

        Args:
            receive: of ASGI.
            limit: bytes; not much more than that is ever held.

        Raises:
            Problem: 413 when it is larger, 408 when it does not arrive in time.
            Gone: the client went.
        """
        announced = self.headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > limit:
            raise _large(limit)
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.deadline - time.monotonic()):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    part = message.get("body", b"")
                    size += len(part)
                    if size > limit:
                        raise _large(limit)
                    parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            text = f"the body did not arrive within {self.timeout:g} s"
            raise problems.Problem(408, text, "request_timeout", headers={"Connection": "close"}) from None

    @asynccontextmanager
    async def alive(self, receive: Receive) -> AsyncIterator[None]:
        """Work that ends at the deadline, and at once when the client goes; the body must have been read before.

        Raises:
            Problem: 504 after the deadline.
            Gone: the client went.
        """
        task = asyncio.current_task()
        assert task is not None
        watcher = asyncio.create_task(self._watch(receive, task))
        try:
            async with asyncio.timeout(self.deadline - time.monotonic()):
                yield
        except TimeoutError:
            raise problems.late(self.timeout) from None
        except asyncio.CancelledError:
            if self.gone and task.cancelling() == 1:
                raise Gone from None
            raise
        finally:
            watcher.cancel()
            await asyncio.wait([watcher])
            if self.gone:
                task.uncancel()

    async def _watch(self, receive: Receive, task: asyncio.Task[Any]) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        task.cancel()


def _large(limit: int) -> problems.Problem:
    problem = problems.too_long(f"the body is larger than {limit:,} bytes", status=413)
    problem.code = "body_too_large"
    problem.headers["Connection"] = "close"
    return problem
