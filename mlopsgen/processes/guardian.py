"""Stands between the supervisor and one process: whatever happens to either, nothing of the process stays behind.

A program of its own, without any import of ours: `python guardian.py GRACE COMMAND…`. Its standard input is a pipe from
the supervisor: `t` asks it to end the process, `k` to kill it, and its end says that the supervisor is gone, however
that came. On Linux all orphans below it become its children, so that it finds them even in sessions of their own.
Its exit code is the process's, or 128 and the number of the signal that ended that.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from contextlib import suppress

ABANDONED = 5.0
"""Seconds that a process gets at most when the supervisor has died."""

REST = 2.0
"""Seconds that what a process leaves behind gets."""

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def prctl(option: int, value: int) -> None:
    """Set a property of this process, on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def parents() -> dict[int, int]:
    """Parent of every process, as far as the system shows them in /proc."""
    found = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as stream:
                    fields = stream.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[0] != b"Z":
                found[int(name)] = int(fields[1])
    return found


def descendants(root: int) -> list[int]:
    """Living processes below one, parents first."""
    below: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        below.setdefault(parent, []).append(pid)
    found = list(below.get(root, ()))
    for pid in found:
        found += below.get(pid, ())
    return found


class Guardian:
    """One process and everything below it."""

    def __init__(self, grace: float, command: list[str]) -> None:
        self.grace, self.code, self.deadline = grace, None, None  # type: tuple[float, int | None, float | None]
        self.child = self._started(command)

    def _started(self, command: list[str]) -> int:
        me = os.getpid()
        child = os.fork()
        if child:
            return child
        try:
            os.setsid()
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != me:
                os._exit(1)
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.execv(command[0], command)  # noqa: S606
        except OSError as error:
            os.write(2, f"{command[0]} cannot be run: {error.strerror}\n".encode())
        os._exit(126)

    def reap(self) -> None:
        """Note what has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.child:
                self.code = os.waitstatus_to_exitcode(status)

    def left(self) -> list[int]:
        """What lives of the process."""
        if sys.platform == "linux":
            return descendants(os.getpid())
        try:
            os.killpg(self.child, 0)
        except OSError:
            return []
        return [-self.child]

    def end(self, grace: float) -> None:
        """Ask the process to end; from a deadline on it is killed."""
        if self.deadline is None and self.code is None:
            self.send(self.child, signal.SIGTERM)
        self.deadline = min(self.deadline or float("inf"), time.monotonic() + grace)

    @staticmethod
    def send(pid: int, number: int) -> None:
        """Send a signal to what may be gone already."""
        with suppress(OSError):
            os.kill(pid, number)

    def clean(self) -> None:
        """End what the process left behind."""
        for pid in self.left():
            self.send(pid, signal.SIGTERM)
        until = min(self.deadline or float("inf"), time.monotonic() + REST)
        while (left := self.left()) and time.monotonic() < until:
            self.reap()
            time.sleep(0.01)
        while left:
            for pid in left:
                self.send(pid, signal.SIGKILL)
            self.reap()
            time.sleep(0.01)
            left = self.left()

    def watch(self, wakeup: int) -> int:
        """Wait for the end of the process; returns its exit code."""
        control = [0]
        while True:
            self.reap()
            if self.code is not None:
                self.clean()
                return self.code if self.code >= 0 else 128 - self.code
            if self.deadline is not None and time.monotonic() >= self.deadline:
                for pid in self.left():
                    self.send(pid, signal.SIGKILL)
            pause = None if self.deadline is None else max(0.01, self.deadline - time.monotonic())
            ready = select.select([*control, wakeup], [], [], pause)[0]
            if wakeup in ready and any(number != signal.SIGCHLD for number in os.read(wakeup, 512)):
                self.end(self.grace)
            if 0 in ready:
                asked = os.read(0, 64)
                if not asked:
                    control = []
                    self.end(min(self.grace, ABANDONED))
                elif b"k" in asked:
                    self.end(0.0)
                else:
                    self.end(self.grace)


def main() -> int:
    """Run the command line."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return Guardian(float(sys.argv[1]), sys.argv[2:]).watch(read)


if __name__ == "__main__":
    # An interpreter that finds its output closed must not end with another code.
    os._exit(main())
