"""Asks programs: on PATH or beside Python, in a bare environment, bounded in time and in what they say."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, NamedTuple

from mlopsgen.verify.judge import Answer

MOST = 16 * 1024 * 1024
"""Bytes that a judge may say."""

BESIDE = os.path.dirname(os.path.abspath(sys.executable))
"""Folder of programs that come with this Python."""


class Ended(NamedTuple):
    """A call that gave no answer, and why."""

    reason: str


def program(names: Sequence[str]) -> str:
    """Path of the first program that is there; empty when none is."""
    for name in names:
        found = shutil.which(name) or shutil.which(name, path=BESIDE)
        if found:
            return os.path.abspath(found)
    return ""


def ask(command: Sequence[str], folder: str, home: str, seconds: float) -> Answer | Ended:
    """Run a program and all that it starts, to its end or to the end of its time.

    Args:
        home: folder that it takes for the user's, so that no settings of this machine matter.
    """
    try:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            env=_environment(home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return Ended(f"cannot be started: {error.strerror or error}")
    pipes = [_Pipe(stream, process) for stream in (process.stdout, process.stderr) if stream]
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return Ended(f"gave no answer in {seconds:g} s")
    finally:
        end(process)
    out, err = (pipe.text() for pipe in pipes)
    if any(pipe.overflows for pipe in pipes):
        return Ended(f"said more than {MOST // 2**20} MiB")
    return Answer(process.returncode, out, err)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and what it started."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


class _Pipe(threading.Thread):
    """Reads what a program says while it runs."""

    def __init__(self, stream: IO[bytes], process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self.overflows = False
        self._stream, self._process, self._data = stream, process, b""
        self.start()

    def run(self) -> None:
        with self._stream:
            self._data = self._stream.read(MOST + 1)
            self.overflows = len(self._data) > MOST
            if self.overflows:
                end(self._process)

    def text(self) -> str:
        """All of it, once the program has ended."""
        self.join(5)
        return self._data.decode(errors="replace")


def _environment(home: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
    return {
        **kept,
        "PATH": os.pathsep.join([kept.get("PATH", os.defpath), BESIDE]),
        "HOME": home,
        "TMPDIR": home,
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "DVC_NO_ANALYTICS": "1",
        "CI": "1",
    }
