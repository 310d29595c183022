"""`mlops-runtime bench`: load on a served model."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from mlops_runtime.errors import Mistaken
from mlops_runtime.load import loops, plan, report
from mlops_runtime.load.caller import OK, Caller, Sample
from mlopsgen.contract import environment

CLIENTS = 8
"""Clients where neither their number nor a rate is given."""

DURATION = 30.0
"""Seconds where neither they nor a number of requests is given."""

TICK = 0.5
"""Seconds between two moves of the bar."""


class Load(NamedTuple):
    """What is asked for; None where the caller of the command said nothing.

    Attributes:
        clients: of a closed loop.
        rate: requests a second of an open loop.
        requests: to send.
        duration: seconds in which they are sent.
        prompts: file of prompts.
        max_tokens: `64` or `16-256`.
        headers: with every request.
        seed: of all draws.
        report: file for a page or a picture.
    """

    clients: int | None = None
    rate: float | None = None
    requests: int | None = None
    duration: float | None = None
    prompts: str | None = None
    max_tokens: str = "16-128"
    headers: Mapping[str, str] = {}
    seed: int = 0
    report: str | None = None


def bench(url: str, load: Load) -> dict[str, Any]:
    """Put load on a server, measure, and write the report that is asked for.

    The bearer token stands in `MLOPS_AUTH_TOKEN`.

    Args:
        url: of the server.
        load: what to send, and how.

    Returns:
        `report.numbers`, with `model`, `url`, `load`, `interrupted` (whether Ctrl-C ended it) and `unfinished`
        (requests that were under way then; they are in no other number).

    Raises:
        Mistaken: two kinds of load at once, no server, no prompts.
        KeyboardInterrupt: Ctrl-C, before any request was over.
    """
    if load.clients is not None and load.rate is not None:
        raise Mistaken("give either `--clients` (closed loop) or `--rate` (open loop)")
    if load.report is not None:
        report.demand(load.report)
    if load.requests is None and load.duration is None:
        load = load._replace(duration=DURATION)
    _make_room()
    texts = plan.read(load.prompts) if load.prompts is not None else plan.builtin(load.seed)
    ran = asyncio.run(_run(url, load, plan.Plan(texts, plan.tokens(load.max_tokens), load.seed)))
    if not ran.samples:
        if ran.interrupted:
            raise KeyboardInterrupt
        raise Mistaken(f"no request came within {load.duration:g} s: more time, or a higher `--rate`")
    found = {
        "url": url,
        "model": ran.model,
        "load": _shown(load),
        "interrupted": ran.interrupted,
        "unfinished": ran.unfinished,
        **report.numbers(ran.samples),
    }
    if load.report is not None:
        report.save(load.report, found, ran.samples)
    return found


def _make_room() -> None:
    """Let this process have as many connections as the system allows it: the usual 1,024 are few for load."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Ran(NamedTuple):
    model: str
    samples: list[Sample]
    interrupted: bool
    unfinished: int


async def _run(url: str, load: Load, given: plan.Plan) -> _Ran:
    token = os.environ.get(environment.AUTH_TOKEN, "").strip()
    headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **load.headers}
    samples: list[Sample] = []
    async with Caller(url, headers) as caller:
        with _Bar(load, caller) as bar:

            def seen(sample: Sample) -> None:
                samples.append(sample)
                bar.seen(sample)

            caller.start()
            moving = asyncio.create_task(bar.move())
            interrupted = False
            try:
                if load.rate is not None:
                    await loops.opened(caller, given, load.rate, load.requests, load.duration, seen)
                else:
                    await loops.closed(caller, given, load.clients or CLIENTS, load.requests, load.duration, seen)
            except asyncio.CancelledError:
                # The first Ctrl-C cancels this task; a second one ends the process.
                _uncancelled()
                interrupted = True
            finally:
                moving.cancel()
        return _Ran(caller.served, samples, interrupted, caller.begun - len(samples))


def _uncancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.uncancel()


class _Bar:
    """Progress on a terminal, with the latest numbers: seconds that have passed, or requests that are over."""

    def __init__(self, load: Load, caller: Caller) -> None:
        from tqdm import tqdm  # type: ignore[import-untyped]

        self._caller, self._timed = caller, load.requests is None
        total = round(load.duration or 0.0, 1) if self._timed else load.requests
        form = "{desc}: {percentage:3.0f}%|{bar}| {n}/{total} s{postfix}" if self._timed else None
        self._bar = tqdm(desc="bench", total=total, unit=" requests", bar_format=form, disable=None, leave=False)
        self._recent: list[float] = []
        self._failed = 0

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: Any) -> None:
        self._bar.close()

    def seen(self, sample: Sample) -> None:
        """A request ended."""
        if self._bar.disable:
            return
        if sample.outcome == OK:
            self._recent = [*self._recent[-99:], sample.latency]
        else:
            self._failed += 1
        middle = sorted(self._recent)[len(self._recent) // 2] if self._recent else 0.0
        self._bar.set_postfix_str(f"p50 {middle:.3f} s, {self._failed} failed", refresh=False)
        if not self._timed:
            self._bar.update()

    async def move(self) -> None:
        """Let the bar move, whether or not the server answers."""
        while not self._bar.disable:
            if self._timed:
                self._bar.n = round(min(self._caller.now, self._bar.total), 1)
            self._bar.refresh()
            await asyncio.sleep(TICK)


def _shown(load: Load) -> str:
    kind = f"open loop, {load.rate:g} a second" if load.rate is not None else f"{load.clients or CLIENTS} clients"
    until = [f"{load.duration:g} s"] if load.duration is not None else []
    until += [f"{load.requests:,} requests"] if load.requests is not None else []
    return f"{kind}, {' or '.join(until)}, {load.max_tokens} tokens"


def show(found: Mapping[str, Any]) -> None:
    """Print the numbers as tables."""
    from mlops_runtime.terminal import table

    table(("", ""), report.facts(found))
    print()
    table(("", *report.QUANTILES, "mean"), report.spreads(found))
