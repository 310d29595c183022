"""The two ways to make load: callers who wait for their answers, and callers who do not know of each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from mlops_runtime.load.caller import Sample
from mlops_runtime.load.plan import Plan, Request

WAIT = 5.0
"""Seconds that a refused caller waits at most before its next request, whatever the server asks for."""


class Asking(Protocol):
    """What a loop needs of a caller."""

    @property
    def now(self) -> float:
        """Seconds since the start."""

    async def ask(self, request: Request, due: float) -> Sample:
        """Send a request that was meant for `due`."""


Seen = Callable[[Sample], None]


async def closed(
    caller: Asking, plan: Plan, clients: int, requests: int | None, duration: float | None, seen: Seen
) -> None:
    """Clients that send their next request when the last one is over.

    One that was refused waits as long as the server asks for, up to `WAIT`. When the time is over, requests in flight
    are still answered.

    Args:
        caller: sends.
        plan: of the requests.
        clients: at the same time.
        requests: to send; None for as many as the time allows.
        duration: seconds in which requests are sent; None for as long as it takes.
        seen: is told what became of each.
    """
    number = 0

    def more() -> bool:
        return (requests is None or number < requests) and (duration is None or caller.now < duration)

    async def client() -> None:
        nonlocal number
        while more():
            number += 1
            sample = await caller.ask(plan[number - 1], caller.now)
            seen(sample)
            if sample.wait and more():
                await asyncio.sleep(min(sample.wait, WAIT))

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())


async def opened(
    caller: Asking, plan: Plan, rate: float, requests: int | None, duration: float | None, seen: Seen
) -> None:
    """Requests at the times of a Poisson process, whatever became of those before; arguments as of `closed`.

    Args:
        caller: sends.
        plan: of the requests.
        rate: requests a second on average.
        requests: to send; None for as many as come in time.
        duration: seconds in which they come; None for as long as it takes.
        seen: is told what became of each.
    """

    async def one(number: int, due: float) -> None:
        seen(await caller.ask(plan[number], due))

    async with asyncio.TaskGroup() as group:
        for number, due in enumerate(plan.arrivals(rate)):
            if number == requests or (duration is not None and due >= duration):
                break
            await asyncio.sleep(max(0.0, due - caller.now))
            group.create_task(one(number, due))
