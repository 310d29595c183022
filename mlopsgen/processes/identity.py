"""Whether a process is the one that was written down, and not another that got its number."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from mlopsgen.processes.errors import Refused
from mlopsgen.processes.guardian import descendants

MARK = "MLOPSGEN_RUN"
"""Variable that everything below a supervisor inherits: a name of the run that no other has."""

PATIENCE = 3.0
"""Seconds that leftovers get."""


def identity(pid: int) -> list[str] | None:
    """When a process began and its command line; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read().rpartition(b")")[2].split()
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return None if fields[0] == b"Z" else [fields[19].decode(), stream.read().decode(errors="replace")]
    except OSError:
        if os.path.isdir("/proc/self"):
            return None
    command = ["ps", "-o", "lstart=,command=", "-p", str(pid)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.split(maxsplit=5) if done.returncode == 0 else None


def of_run(mark: str) -> list[int]:
    """Processes of this user that carry the mark of a run, where /proc tells."""
    found = []
    wanted = f"{MARK}={mark}".encode()
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit() and int(name) != os.getpid():
            with suppress(OSError), open(f"/proc/{name}/environ", "rb") as stream:
                if wanted in stream.read().split(bytes(1)):
                    found.append(int(name))
    return found


def leftovers(record: dict[str, Any]) -> list[int]:
    """Processes that a supervisor which is gone left behind, with everything below them."""
    known = [
        each["pid"]
        for each in record.get("processes", ())
        if each.get("identity") and identity(each["pid"]) == each["identity"]
    ]
    marked = of_run(str(record["mark"])) if record.get("mark") else []
    return list(dict.fromkeys([*known, *(below for pid in known for below in descendants(pid)), *marked]))


def end(record: dict[str, Any]) -> int:
    """End what a supervisor left behind; returns how many processes there were.

    Raises:
        Refused: some do not end, even killed.
    """
    seen: set[int] = set()
    start = time.monotonic()
    while left := leftovers(record):
        took = time.monotonic() - start
        if took > 5 * PATIENCE:
            raise Refused(f"processes that an earlier run left behind do not end: {', '.join(map(str, left))}")
        late = took > PATIENCE
        _send(left if late else [pid for pid in left if pid not in seen], signal.SIGKILL if late else signal.SIGTERM)
        seen.update(left)
        time.sleep(0.05)
    return len(seen)


def _send(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, number)
