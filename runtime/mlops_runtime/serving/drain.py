"""The end of a server that nobody notices: ready no longer, what is under way is finished, then it stops.

Kubernetes has sent a pod's traffic elsewhere before the signal comes (`preStop`). Elsewhere whoever routes needs to see
`/readyz` first, so requests are taken as before until none came for a while, each with `Connection: close`.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

QUIET = 1.0
"""Seconds without a new request after which nobody sends any more."""

LONGEST = 5.0
"""Seconds after the signal in which requests are taken at most; the least that a pod's grace has beyond its timeout."""

ON_THEIR_WAY = 0.2
"""Seconds between the last connection taken and the end of those that are idle."""

MARGIN = 3.0
"""Seconds beyond a request's own deadline until those that are left are ended."""


class Drain:
    """How far the end has come.

    Attributes:
        warm: whether the engine has started.
        started: whether the signal came.
        closing: whether new requests are refused.
        failure: what kept the engine from starting.
        last: time of the last new request, of `time.monotonic`.
        healthy: time at which the engine was last seen to be well, or nothing could be said.
    """

    def __init__(self) -> None:
        self.warm = self.started = self.closing = False
        self.failure: BaseException | None = None
        self.last = 0.0
        self.healthy = time.monotonic()


class Server(uvicorn.Server):
    """uvicorn with this end instead of its own.

    Args:
        config: of uvicorn.
        drain: told how far it has come.
    """

    def __init__(self, config: uvicorn.Config, drain: Drain) -> None:
        super().__init__(config)
        self._drain = drain
        self._ending: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT begin the end; a second one makes it short."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self.end)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def end(self) -> None:
        """Begin the end, or hurry."""
        if self._drain.started:
            self.force_exit = self.should_exit = True
            return
        self._drain.started = True
        self._drain.last = time.monotonic()
        self._ending = asyncio.get_running_loop().create_task(self._settle())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let requests arrive that were on their way, finish what is under way."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(ON_THEIR_WAY)
        self._drain.closing = True
        await super().shutdown(sockets)

    async def _settle(self) -> None:
        last = time.monotonic() + LONGEST
        while time.monotonic() < min(last, self._drain.last + QUIET) and not self.should_exit:
            await asyncio.sleep(0.05)
        self.should_exit = True
