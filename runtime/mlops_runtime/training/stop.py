"""How a run ends before its time: SIGTERM, heard at the end of a step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOPPED = 143
"""Exit code after SIGTERM: 128 and its number, as shells and Kubernetes count."""


class Interrupted(SystemExit):
    """SIGTERM came; the state is saved. It goes up like any wish to exit, past whoever only handles errors.

    Attributes:
        text: for people.
    """

    def __init__(self, text: str) -> None:
        super().__init__(STOPPED)
        self.text = text


class Stop:
    """Remembers that SIGTERM came, for the end of the step."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def heard(self) -> Iterator[Stop]:
        """Listen inside of the block; in a thread that is not the main one, nothing can be heard."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = signal.signal(signal.SIGTERM, self._hear)
        try:
            yield self
        finally:
            signal.signal(signal.SIGTERM, before)

    def _hear(self, *_: object) -> None:
        self.asked = True
