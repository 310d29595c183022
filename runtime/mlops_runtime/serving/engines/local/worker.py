"""A thread that computes, and what passes between it and the event loops of its callers."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

from mlops_runtime.serving.engines.base import Broken

LOG = logging.getLogger(__name__)

FAILURES = 3
"""Turns that fail one after another before the worker counts as unhealthy."""

TRIAL = 5.0
"""Seconds after which an unhealthy worker without work tries itself out."""


class Job:
    """Something asked for: made in the event loop that `found` hands the results to.

    Attributes:
        cancelled: set by the caller; the worker drops the job before its next step.
    """

    def __init__(self) -> None:
        self.cancelled = False
        self.loop = asyncio.get_running_loop()
        self.found: asyncio.Queue[Any] = asyncio.Queue()

    async def result(self) -> Any:
        """The next result.

        Raises:
            Refused: as given by the worker.
            Broken: as given by the worker.
        """
        found = await self.found.get()
        if isinstance(found, Exception):
            raise found
        return found


class Worker:
    """The thread. What it computes is in `turn`, `busy`, `drop` and `trial` of those derived from it.

    Args:
        name: of the thread.
        threads: of torch inside of it; as torch has it when not given.
    """

    def __init__(self, name: str, threads: int | None) -> None:
        self._threads, self._failures, self._closing = threads, 0, False
        self._wake = threading.Condition()
        self._inbox: list[Any] = []
        self._results: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Queue[Any], Any]]] = {}
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def healthy(self) -> bool:
        """Whether it runs, and the last turns did not all fail."""
        return self._thread.is_alive() and not self._closing and self._failures < FAILURES

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End after the current step; jobs get `Broken`. Waits for the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def submit(self, job: Any) -> None:
        """Hand in a job.

        Raises:
            Broken: the worker has ended.
        """
        with self._wake:
            if self._closing or not self._thread.is_alive():
                raise Broken("the engine is not running")
            self._inbox.append(job)
            self._wake.notify()

    def turn(self, arrived: list[Any]) -> None:
        """Take in jobs and compute one step."""
        raise NotImplementedError

    def busy(self) -> bool:
        """Whether there is anything to compute."""
        raise NotImplementedError

    def drop(self, reason: str) -> None:
        """End all jobs with `Broken`."""
        raise NotImplementedError

    def trial(self) -> None:
        """Compute something small, to see whether it works again."""
        raise NotImplementedError

    def give(self, job: Job, result: Any) -> None:
        """Hand a result to the caller, at the end of the turn together with the others."""
        self._results.setdefault(job.loop, []).append((job.found, result))

    def went(self, well: bool) -> None:
        """Tell how the last step went."""
        self._failures = 0 if well else self._failures + 1

    def _run(self) -> None:
        import torch

        if self._threads is not None:
            torch.set_num_threads(self._threads)
        with torch.inference_mode():
            try:
                while self._next():
                    self._flush()
            except Exception:
                LOG.exception("the engine's thread ended")
            with self._wake:
                self._closing = True
            self.drop("the engine was stopped")
            for job in self._inbox:
                self.give(job, Broken("the engine was stopped"))
            self._flush()

    def _next(self) -> bool:
        """Wait for work and do a step of it; false at the end."""
        with self._wake:
            while not (self._closing or self._inbox or self.busy()):
                if not self._wake.wait(None if self._failures < FAILURES else TRIAL):
                    break
            if self._closing:
                return False
            arrived, self._inbox = self._inbox, []
        if arrived or self.busy():
            self.turn(arrived)
        else:
            self._try_out()
        return True

    def _try_out(self) -> None:
        try:
            self.trial()
        except Exception:
            LOG.exception("the engine still fails")
        else:
            self._failures = 0

    def _flush(self) -> None:
        results, self._results = self._results, {}
        for loop, found in results.items():
            try:
                loop.call_soon_threadsafe(_hand_over, found)
            except RuntimeError:
                LOG.debug("a caller's event loop is closed")


def _hand_over(found: list[tuple[asyncio.Queue[Any], Any]]) -> None:
    for queue, result in found:
        queue.put_nowait(result)
