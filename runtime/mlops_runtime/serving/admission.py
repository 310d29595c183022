"""Who is computed, who waits and who is refused: places in the engine, and a bounded queue in front of them."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from mlops_runtime.serving import problems

LONGEST_RETRY = 60
"""Seconds that `Retry-After` asks for at most."""

_WEIGHT = 0.1


class Ticket:
    """The right to one place, kept by `Admission`."""

    __slots__ = ("future", "state")

    def __init__(self) -> None:
        self.future: asyncio.Future[None] | None = None
        self.state = "waiting"


class Admission:
    """Places of an engine and the queue for them, first come, first served.

    Args:
        slots: requests that are computed at the same time.
        queue: requests that wait at most.
    """

    def __init__(self, slots: int, queue: int) -> None:
        self.slots, self.queue = slots, queue
        self.active = 0
        self._entered = 0
        self._line: deque[Ticket] = deque()
        self._mean: float | None = None
        self._deviation = 0.0

    @property
    def waiting(self) -> int:
        """Requests that were let in and have no place yet."""
        return self._entered

    def open(self, slots: int) -> None:
        """The engine has started and has this many places."""
        self.slots = slots

    @contextmanager
    def entered(self, count: int, deadline: float) -> Iterator[list[Ticket]]:
        """Let in requests that belong together, all or none. What is left of them at the end is withdrawn.

        Args:
            count: of places needed; they are taken one by one as they become free.
            deadline: of `time.monotonic`; nobody is let in who would not be answered by then.

        Raises:
            Problem: 429 when the queue is full or too slow, 400 when so many never fit.
        """
        if count > self.slots + self.queue:
            raise problems.invalid(
                f"{count} answers at once are more than this server takes: at most {self.slots + self.queue}"
            )
        free = self.slots - self.active - self._entered
        over = self._entered + count - max(0, self.slots - self.active)
        if over > self.queue:
            wait = self._retry()
            raise problems.busy(f"the queue is full: try again in {wait} s", "queue_full", "queue_full", wait)
        if count > free and (expected := self._expected(count)) > deadline - time.monotonic():
            wait = self._retry()
            text = f"the queue is too long for an answer in time, expected in {expected:.3g} s: try again in {wait} s"
            raise problems.busy(text, "queue_full", "queue_full", wait)
        tickets = [Ticket() for _ in range(count)]
        self._entered += count
        try:
            yield tickets
        finally:
            for ticket in tickets:
                self._withdraw(ticket)

    @asynccontextmanager
    async def place(self, ticket: Ticket) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        if self.active < self.slots and not self._line:
            self._take(ticket)
        else:
            ticket.future = asyncio.get_running_loop().create_future()
            self._line.append(ticket)
            try:
                await ticket.future
            except asyncio.CancelledError:
                self._withdraw(ticket)
                raise
        begin = time.monotonic()
        try:
            yield
        except BaseException:
            # What was cut off would have taken longer: left out, slow answers would make the server look fast.
            spent = time.monotonic() - begin
            if self._mean is not None and spent > self._mean:
                self._learn(spent)
            raise
        else:
            self._learn(time.monotonic() - begin)
        finally:
            self._withdraw(ticket)

    def _take(self, ticket: Ticket) -> None:
        ticket.state = "placed"
        self._entered -= 1
        self.active += 1

    def _withdraw(self, ticket: Ticket) -> None:
        """End a ticket in whatever state it is; its place goes to the next one."""
        if ticket.state == "waiting":
            self._entered -= 1
            if ticket.future is not None:
                self._line.remove(ticket)
        elif ticket.state == "placed":
            self.active -= 1
        ticket.state = "ended"
        while self._line and self.active < self.slots:
            following = self._line.popleft()
            assert following.future is not None
            self._take(following)
            if not following.future.done():
                following.future.set_result(None)

    def _learn(self, seconds: float) -> None:
        """Mean and deviation of the time in a place, as TCP estimates round trips (RFC 6298)."""
        if self._mean is None:
            self._mean, self._deviation = seconds, seconds / 2
            return
        self._deviation += _WEIGHT * (abs(seconds - self._mean) - self._deviation)
        self._mean += _WEIGHT * (seconds - self._mean)

    def _expected(self, count: int) -> float:
        """Seconds until the last of `count` newcomers would be answered; 0 while nothing is known."""
        if self._mean is None:
            return 0.0
        ahead = self.active + self._entered + count - self.slots
        return self._mean * max(0, ahead) / self.slots + self._mean + 2 * self._deviation

    def _retry(self) -> int:
        """Seconds until a place in the queue is likely to be free."""
        if self._mean is None:
            return 1
        return min(LONGEST_RETRY, max(1, math.ceil(self._mean * (self._entered + 1) / self.slots)))
