"""What is logged travels to the tracking server on a thread of its own.

Training never waits for the network and never ends because of it. What meets a server that is down is sent again, in
order, until it arrives or the run ends; what the server refuses for good is dropped. Both are said on standard error.
Nothing that counts is lost with it: `reports/` holds the curve and the metrics as files.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mlops_runtime.tracking import server

HELD = 200_000
"""Items kept for a server that does not answer; about 100 MB. Further ones are dropped and counted."""

BATCH = 500
"""Metrics sent at a time; MLflow takes 1,000."""

EVERY = 1.0
"""Seconds that metrics are collected before they are sent."""

PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between tries while the server does not answer; the last one repeats."""

GRACE = 60.0
"""Seconds that the end of a run waits for a server that does not answer."""


class _Call(NamedTuple):
    """One thing to send: what it is, for messages, and the call."""

    what: str
    send: Callable[[], object]


class Delivery:
    """A queue with a thread that empties it.

    Args:
        send_metrics: sends a batch of metrics.
        grace: see `GRACE`.
    """

    def __init__(self, send_metrics: Callable[[Sequence[Any]], object], grace: float = GRACE) -> None:
        self._send_metrics, self._grace = send_metrics, grace
        self._items: deque[Any] = deque()
        self._changed = threading.Condition()
        self._ending = self._failing = False
        self._given_up = threading.Event()
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
        self._thread.start()

    def metrics(self, metrics: Sequence[Any]) -> None:
        """Send metrics, together with others of the same second."""
        self._put(metrics)

    def call(self, what: str, send: Callable[[], object]) -> None:
        """Send anything else; `what` names it in messages."""
        self._put([_Call(what, send)])

    def close(self) -> bool:
        """Wait until everything has arrived, or until the server has not answered for the grace period.

        Returns:
            Whether everything arrived.
        """
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        failing_since: float | None = None
        while self._thread.is_alive():
            self._thread.join(0.05)
            if not self._failing:
                failing_since = None
            elif failing_since is None:
                failing_since = time.monotonic()
            elif time.monotonic() - failing_since > self._grace:
                break
        self._given_up.set()
        with self._changed:
            lost = len(self._items) + self._dropped
        if lost:
            _say(f"{lost} items did not reach the tracking server; the curve and the metrics are in reports/")
        return not lost

    def _put(self, items: Sequence[Any]) -> None:
        with self._changed:
            if len(self._items) + len(items) > HELD:
                self._dropped += len(items)
                return
            self._items.extend(items)
            self._changed.notify_all()

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            if self._sent(batch):
                with self._changed:
                    for _ in batch:
                        self._items.popleft()
            elif self._given_up.is_set():
                return

    def _next(self) -> list[Any] | None:
        """What to send next, still in the queue; None at the end."""
        with self._changed:
            while not self._items:
                if self._ending:
                    return None
                self._changed.wait()
            if not isinstance(self._items[0], _Call) and not self._ending:
                self._changed.wait_for(lambda: self._ending or len(self._items) >= BATCH, EVERY)
            if isinstance(self._items[0], _Call):
                return [self._items[0]]
            batch: list[Any] = []
            for item in self._items:
                if isinstance(item, _Call) or len(batch) == BATCH:
                    break
                batch.append(item)
            return batch

    def _sent(self, batch: list[Any]) -> bool:
        """Whether a batch is done with: sent, or refused for good."""
        what = batch[0].what if isinstance(batch[0], _Call) else "metrics"
        tries = 0
        while not self._given_up.is_set():
            try:
                batch[0].send() if isinstance(batch[0], _Call) else self._send_metrics(batch)
            except Exception as error:  # whatever a client raises, training goes on
                if not server.passing(error):
                    self._failing = False
                    if len(batch) > 1:  # one of them is wrong, the others are not
                        return [self._sent([item]) for item in batch].count(False) == 0
                    self._dropped += 1
                    _say(f"{what} dropped: {_short(error)}")
                    return True
                if not tries:
                    _say(f"the tracking server does not take {what}, trying on: {_short(error)}")
                self._failing = True
                self._given_up.wait(PAUSES[min(tries, len(PAUSES) - 1)])
                tries += 1
            else:
                if tries:
                    _say("the tracking server answers again")
                self._failing = False
                return True
        return False


def _short(error: Exception) -> str:
    return server.shown(" ".join(str(error).split()))[:200]


def _say(text: str) -> None:
    print(f"tracking: {text}", file=sys.stderr, flush=True)
