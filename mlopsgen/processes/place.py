"""The folder `.mlops` of a project: who runs here, what was started, logs and copies of the generated files."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mlopsgen.processes.errors import Running
from mlopsgen.processes.identity import identity
from mlopsgen.processes.plan import Plan, shifted

STATE = ".mlops"
RECORD = f"{STATE}/run/pids.json"
LOGS = f"{STATE}/logs"
LONGEST_LOG = 32 * 1024 * 1024
"""Bytes; a log that grows beyond is begun anew, and the old one kept beside it."""


class Place:
    """A project's folder.

    Attributes:
        folder: absolute path of the project.
    """

    def __init__(self, folder: str) -> None:
        self.folder = os.path.realpath(folder)

    def path(self, name: str) -> str:
        """Absolute path of a name in the project."""
        return os.path.join(self.folder, name)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other supervisors away; the system lets go when the process dies.

        Raises:
            Running: there is one already.
        """
        os.makedirs(self.path(f"{STATE}/run"), exist_ok=True)
        descriptor = os.open(self.path(f"{STATE}/run/lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                _locked(descriptor)
            except OSError:
                record = self.supervisor()
                where = f" as process {record['pid']}: {record['page']}" if record else ""
                raise Running(
                    f"it runs already{where}\n`mlopsgen status` tells how it is, `mlopsgen down` ends it"
                ) from None
            yield
        finally:
            os.close(descriptor)

    def is_held(self) -> bool:
        """Whether a supervisor runs here."""
        import fcntl

        try:
            descriptor = os.open(self.path(f"{STATE}/run/lock"), os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def record(self) -> dict[str, Any]:
        """What the supervisor that runs here, or ran here last, wrote about itself; empty when nothing is known."""
        try:
            with open(self.path(RECORD), encoding="utf-8") as stream:
                found = json.load(stream)
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def supervisor(self) -> dict[str, Any]:
        """The record of the supervisor that runs here; empty when it has not written one yet."""
        found = self.record()
        pid = found.get("pid")
        return found if isinstance(pid, int) and identity(pid) == found.get("identity") else {}

    def write(self, name: str, content: str, mode: int = 0o644) -> None:
        """Replace a file in one step; its folder is made."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(content)
            os.chmod(temporary, mode)
            os.replace(temporary, path)
        except OSError:
            self.remove(temporary)
            raise

    def remove(self, name: str) -> None:
        """Remove a file that may be gone."""
        with suppress(OSError):
            os.unlink(self.path(name))

    def prepare(self, plan: Plan) -> dict[str, str]:
        """Make folders, copies and secrets of a run.

        Returns:
            Variables with the secrets.

        Raises:
            OSError: something cannot be written, or a generated file is not there.
        """
        for name in (*plan.folders, LOGS):
            os.makedirs(self.path(name), exist_ok=True)
        self.write(f"{STATE}/.gitignore", "*\n")
        usual = [port - plan.offset for port in plan.ports.values()]
        for source, target in plan.copies.items():
            with open(self.path(source), encoding="utf-8") as stream:
                self.write(target, shifted(stream.read(), usual, plan.offset))
        found = {}
        for variable, name in plan.tokens.items():
            found[variable] = os.environ.get(variable) or secrets.token_urlsafe(32)
            self.write(name, found[variable], 0o600)
        return found

    def room(self) -> int:
        """Bytes that can still be written."""
        found = os.statvfs(self.path(STATE))
        return found.f_bavail * found.f_frsize

    def log(self, name: str) -> str:
        """Path of a process's log, relative to the project."""
        return f"{LOGS}/{name}.log"

    def begin_log(self, name: str) -> None:
        """Put the log of the run before aside."""
        path = self.path(self.log(name))
        if os.path.exists(path):
            os.replace(path, f"{path}.1")

    def bound_log(self, name: str) -> None:
        """Begin a log anew that has become too long; whoever writes to it goes on at its new end."""
        path = self.path(self.log(name))
        if os.path.exists(path) and os.path.getsize(path) > LONGEST_LOG:
            import shutil

            shutil.copyfile(path, f"{path}.1")
            os.truncate(path, 0)

    def tail(self, name: str, lines: int) -> list[str]:
        """Last lines of a log."""
        try:
            with open(self.path(self.log(name)), "rb") as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - 300 * lines))
                return stream.read().decode(errors="replace").splitlines()[-lines:]
        except OSError:
            return []


def _locked(descriptor: int) -> None:
    """Lock a file. Raises OSError when another has it for longer than it takes to look whether somebody does."""
    import fcntl

    for last in (False, False, False, True):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if last:
                raise
            time.sleep(0.05)
