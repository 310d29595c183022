"""Starts everything in order, watches it, and ends it in reverse."""

from __future__ import annotations

import errno
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from mlopsgen.processes import guardian, ports
from mlopsgen.processes.child import Child, program
from mlopsgen.processes.errors import Refused
from mlopsgen.processes.identity import MARK, identity
from mlopsgen.processes.place import RECORD, STATE, Place
from mlopsgen.processes.plan import HOST, Plan
from mlopsgen.processes.releases import Watch

TURN = 0.1
"""Seconds between two looks at the processes."""

CARE = 2.0
"""Seconds between two looks at logs and disk."""

FULL = 64 * 1024
"""Bytes; with less room than this nothing can go on."""

STILL = 15.0
"""Seconds after which a process that is still starting is mentioned again."""

END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Tell = Callable[[str, str, str], None]
"""Takes the name of a process (empty for none), its state and the text."""


class Supervisor:
    """All processes of a plan.

    Attributes:
        plan: what runs.
        place: where.
        children: the processes, in the order of starting.
        began: when, in seconds since 1970.
        ending: whether it is going to an end.
    """

    def __init__(self, plan: Plan, place: Place, values: Mapping[str, str], tell: Tell) -> None:
        self.plan, self.place, self._tell = plan, place, tell
        self.began = time.time()
        wanted = [each for each in plan.processes if not each.on_demand or "rate" in values]
        self.children = [Child(each, place, {**os.environ, **values}) for each in wanted]
        self.ending = False
        self._by_name = {each.process.name: each for each in self.children}
        self._releases = Watch(plan.releases, place) if plan.releases is not None else None
        self._mark = secrets.token_hex(8)
        self._signals: list[int] = []
        self._told: dict[str, tuple[str, str]] = {}
        self._mentioned: dict[str, float] = {}
        self._written: list[int] | None = None
        self._cared, self._killed = 0.0, False

    @property
    def page(self) -> str:
        """Address of the status page."""
        return f"http://{HOST}:{self.plan.ports['page']}"

    def check(self) -> None:
        """See that everything that is needed is there.

        Raises:
            Refused: programs or variables are missing; all of them are named.
        """
        lines = []
        for each in self.children:
            try:
                program(each.process)
            except Refused as refused:
                lines.append(str(refused))
            if missing := each.missing():
                lines.append(f"{each.process.name}: set {' and '.join(missing)} in the environment")
        if lines:
            raise Refused("\n".join(dict.fromkeys(lines)))

    def run(self, on_ready: Callable[[bool], None] = lambda well: None) -> int:
        """Run until a signal ends it.

        Args:
            on_ready: called once, when everything runs that can; with whether nothing failed.

        Returns:
            128 and the number of the signal.

        Raises:
            OSError: the disk is full, or the state cannot be written; everything has been ended.
        """
        before = {number: signal.getsignal(number) for number in END_SIGNALS}
        for number, handler in before.items():
            if number != signal.SIGHUP or handler != signal.SIG_IGN:
                signal.signal(number, lambda number, _: self._signals.append(number))
        os.environ[MARK] = self._mark
        guardian.prctl(guardian.PR_SET_CHILD_SUBREAPER, 1)
        ready = False
        try:
            for each in self.children:
                self.place.begin_log(each.process.name)
            while not self._signals:
                self._turn()
                if not ready and all(map(self._settled, self.children)):
                    ready = True
                    on_ready(not any(each.state == "failed" for each in self.children))
                time.sleep(TURN)
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)
        return 128 + self._signals[0]

    def _turn(self) -> None:
        if self._releases is not None:
            self._releases.turn(self._registry() == "ready")
        for each in self.children:
            if self._signals:
                return
            off, unknown = self._release(each)
            missing = [name for name in each.process.after if self._by_name[name].state != "ready"]
            each.turn(missing or unknown, off)
            # A process that nobody knows of must not be: it is written down before the next one starts.
            self._write()
        self._report()
        if time.monotonic() - self._cared > CARE:
            self._cared = time.monotonic()
            self._care()

    def _release(self, child: Child) -> tuple[str, list[str]]:
        """Why a server is not to run, and what it waits for to know what to run."""
        server = child.process.release
        if server is None or self._releases is None:
            return "", []
        child.wanted = self._releases.version(server)
        if child.wanted is not None:
            return "", []
        return (self._releases.why(server), []) if self._releases.settled else ("", ["the registry"])

    def _settled(self, child: Child) -> bool:
        """Whether nothing more will come of it by itself."""
        if child.state == "waiting":
            needed = [self._by_name[name] for name in child.process.after]
            return any(each.state != "ready" and self._settled(each) for each in needed)
        return child.state in ("ready", "off", "failed", "stopped")

    def _registry(self) -> str:
        """State of the process that knows the champion."""
        found = self._by_name.get(self.plan.releases.registry) if self.plan.releases is not None else None
        return "failed" if found is None else found.state

    def _write(self) -> None:
        pids = [each.pid for each in self.children if each.pid is not None]
        if pids != self._written:
            records = [record for each in self.children if (record := each.record()) is not None]
            me = {"pid": os.getpid(), "identity": identity(os.getpid()), "page": self.page, "mark": self._mark}
            self.place.write(RECORD, json.dumps({**me, "processes": records}, indent=1) + "\n")
            self._written = pids

    def _report(self) -> None:
        now = time.time()
        for each in self.children:
            name, current = each.process.name, (each.state, each.text)
            if self._told.get(name) != current:
                self._told[name], self._mentioned[name] = current, now
                self._tell(name, each.state, self._words(each))
                if each.state == "failed":
                    for line in self.place.tail(name, 12):
                        self._tell("", "log", line)
            elif each.state == "starting" and now - self._mentioned[name] > STILL:
                self._mentioned[name] = now
                self._tell(name, each.state, f"for {now - each.since:.0f} s; see {self.place.log(name)}")

    def _words(self, child: Child) -> str:
        if child.state in ("starting", "ready"):
            shown = ports.shown(self.plan.ports, child.process.ports)
            took = f"after {child.took:.1f} s" if child.state == "ready" else ""
            return ", ".join(filter(None, (child.text, f"port {shown}" if shown else "", took)))
        if child.state in ("restarting", "failed"):
            return f"{child.text}; see {self.place.log(child.process.name)}"
        return child.text

    def _care(self) -> None:
        for each in self.children:
            self.place.bound_log(each.process.name)
        if self.place.room() < FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.place.path(STATE))
        self._adopted()

    def _adopted(self) -> None:
        """End what became ours because its guardian was killed."""
        guarded = {each.pid for each in self.children}
        for pid, parent in guardian.parents().items():
            if parent == os.getpid() and pid not in guarded:
                for below in (*guardian.descendants(pid), pid):
                    guardian.Guardian.send(below, signal.SIGKILL)
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)

    def _end(self) -> None:
        """End all processes, the last first; a second signal kills what is left."""
        self.ending = True
        asked: set[str] = set()
        while left := [each for each in self.children if not each.ended()]:
            self._safely_report()
            if len(self._signals) > 1 and not self._killed:
                self._killed = True
                for each in left:
                    each.stop(now=True)
            if not self._killed and left[-1].process.name not in asked:
                asked.add(left[-1].process.name)
                left[-1].stop()
                self._safely_report()
            time.sleep(TURN / 5)
        self._safely_report()
        if sys.platform == "linux":
            self._adopted()
        self.place.remove(RECORD)

    def _safely_report(self) -> None:
        # A full disk or a closed terminal must not keep anything alive.
        with suppress(OSError):
            self._report()
