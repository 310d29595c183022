"""One process under supervision: what it is doing, and what comes next."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal

from mlopsgen.processes.errors import Refused
from mlopsgen.processes.identity import identity
from mlopsgen.processes.place import Place
from mlopsgen.processes.plan import Process, filled, names

State = Literal["waiting", "off", "starting", "ready", "stopping", "restarting", "failed", "stopped"]

LONGEST_PAUSE = 30.0
STABLE = 20.0
"""Seconds after which a process that ran is no longer failing in a row."""

GUARDIAN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guardian.py")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def program(process: Process) -> str:
    """Path of a process's program: beside the Python that runs this, or on PATH.

    Raises:
        Refused: it is not there.
    """
    for name in (process.command[0], *process.also):
        beside = os.path.join(os.path.dirname(sys.executable), name)
        found = beside if os.access(beside, os.X_OK) else shutil.which(name)
        if found:
            return os.path.abspath(found)
    raise Refused(
        f"{process.name}: the program {process.command[0]} is not installed"
        + (f": {process.install}" if process.install else "")
    )


class Probe(threading.Thread):
    """Asks a URL until it answers with 200, and then whether it still does."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.answers = False
        self._url, self._over = url, threading.Event()
        self.start()

    def run(self) -> None:
        """Ask until told to stop."""
        while not self._over.wait(2.0 if self.answers else 0.15):
            try:
                with _DIRECT.open(self._url, timeout=3) as answer:
                    self.answers = answer.status == 200
            except (OSError, urllib.error.URLError, http.client.HTTPException, ValueError):
                self.answers = False

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()


class Child:
    """A process and how it is.

    Attributes:
        process: what it is.
        state: of it.
        text: more about that, in words.
        since: when the state began, in seconds since 1970.
        restarts: how often it was started again after it had ended by itself.
        version: of the model that it was started with.
        wanted: version that it is to run; None for none.
        took: seconds until it was ready.
    """

    def __init__(self, process: Process, place: Place, values: Mapping[str, str]) -> None:
        self.process, self._place, self._values = process, place, values
        self.state: State = "waiting"
        self.text, self.since = "", time.time()
        self.restarts, self.version, self.wanted = 0, "", None  # type: tuple[int, str, str | None]
        self.took, self._moved = 0.0, time.monotonic()
        self._failures, self._next = 0, 0.0
        self._popen: subprocess.Popen[bytes] | None = None
        self._probe: Probe | None = None
        self._why = ""

    @property
    def pid(self) -> int | None:
        """Of its guardian."""
        return None if self._popen is None else self._popen.pid

    @property
    def answers(self) -> bool:
        """Whether it answered when it was asked last."""
        return self._probe.answers if self._probe is not None else self.state == "ready"

    def missing(self) -> list[str]:
        """Variables that it needs and nobody has set."""
        texts = (*self.process.command, *self.process.environment.values())
        return sorted({name for text in texts for name in names(text)} - self._values.keys() - {"version"})

    def become(self, state: State, text: str = "") -> None:
        """Change the state."""
        if (state, text) != (self.state, self.text):
            if state != self.state:
                self.since, self._moved = time.time(), time.monotonic()
            self.state, self.text = state, text

    def turn(self, missing: list[str], off: str) -> None:
        """Do what is due.

        Args:
            missing: processes that it waits for and that are not ready.
            off: why it is not to run; empty when it is.
        """
        if self._popen is not None:
            self._watch(self._popen, off)
        elif off:
            self._failures = 0
            self.become("off", off)
        elif self.state in ("failed", "stopped") and self.version == (self.wanted or ""):
            return
        elif self.state == "restarting" and time.monotonic() < self._next and self.version == (self.wanted or ""):
            return
        elif missing:
            self.become("waiting", f"for {', '.join(missing)}")
        else:
            self._start()

    def stop(self, now: bool = False) -> None:
        """Ask it to end, or kill it."""
        if self._popen is not None and self._popen.stdin is not None:
            with suppress(OSError):
                self._popen.stdin.write(b"k" if now else b"t")
            self.become("stopping", self.text if self.state == "stopping" else "")

    def ended(self) -> bool:
        """Whether it has ended while everything ends."""
        if self._popen is not None and self._popen.poll() is not None:
            self._drop()
            self.become("stopped")
        return self._popen is None

    def _start(self) -> None:
        if self.version != (self.wanted or ""):
            self._failures = 0
        self.version = self.wanted or ""
        values = {**self._values, "version": self.version}
        try:
            path = program(self.process)
        except Refused as refused:
            self.become("failed", str(refused))
            return
        command = [path, *(filled(word, values) for word in self.process.command[1:])]
        environment = {**os.environ, **{name: filled(text, values) for name, text in self.process.environment.items()}}
        environment["PATH"] = os.pathsep.join((os.path.dirname(sys.executable), environment.get("PATH", os.defpath)))
        guard = [sys.executable, "-I", "-S", GUARDIAN, str(self.process.grace), *command]
        with open(self._place.path(self._place.log(self.process.name)), "ab") as log:
            self._popen = subprocess.Popen(  # noqa: S603
                guard,
                cwd=self._place.folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                bufsize=0,
            )
        self.become("starting", f"version {self.version}" if self.version else "")
        self._probe = Probe(self.process.ready) if self.process.ready else None

    def _watch(self, popen: subprocess.Popen[bytes], off: str) -> None:
        code = popen.poll()
        if code is not None:
            why = self._why or _ending(code)
            self._drop()
            if self.state == "stopping" and not self._why:
                self.become("waiting")
            else:
                self._failed(why, code)
            self._why = ""
        elif self.state == "stopping":
            return
        elif off or (self.wanted is not None and self.wanted != self.version):
            self.stop()
            self.become("stopping", off or f"for version {self.wanted}")
        elif self.state == "starting" and (self._probe is None or self._probe.answers):
            self.took = self._lasted()
            self.become("ready", self.text)
        elif self.state == "starting" and self._lasted() > self.process.within:
            self.stop()
            self._why = f"not ready within {self.process.within:g} s"

    def _failed(self, why: str, code: int) -> None:
        lasted = self._lasted() if self.state == "ready" else 0.0
        if not self.process.restart:
            self.become("stopped" if code == 0 else "failed", why)
            return
        self._failures = 1 if lasted > STABLE else self._failures + 1
        if self._failures > self.process.restarts:
            times = f"{self._failures} times in a row" if self._failures > 1 else "at once"
            self.become("failed", f"{why}, {times}")
            return
        self.restarts += 1
        pause = min(LONGEST_PAUSE, self.process.pause * 2.0 ** (self._failures - 1))
        self._next = time.monotonic() + pause
        self.become("restarting", f"{why}; again in {pause:g} s")

    def _lasted(self) -> float:
        """Seconds in this state, whatever was done to the clock."""
        return time.monotonic() - self._moved

    def _drop(self) -> None:
        if self._probe is not None:
            self._probe.stop()
        if self._popen is not None and self._popen.stdin is not None:
            self._popen.stdin.close()
        self._popen = self._probe = None

    def record(self) -> dict[str, object] | None:
        """What is written down of it, so that it can be found when the supervisor is gone."""
        if self.pid is None:
            return None
        return {"name": self.process.name, "pid": self.pid, "identity": identity(self.pid)}

    @property
    def own_pid(self) -> int | None:
        """Of the process itself, where /proc tells; else of its guardian."""
        try:
            with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as stream:
                return int(stream.read().split()[0])
        except (OSError, IndexError):
            return self.pid


def _ending(code: int) -> str:
    if code > 128 or code < 0:
        number = code - 128 if code > 128 else -code
        try:
            return f"ended by {signal.Signals(number).name}"
        except ValueError:
            pass
    return f"ended with exit code {code}"
