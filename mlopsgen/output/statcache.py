"""What files looked like when they were last found in step, so that a call over many projects need not read them all.

As git's index does it: a file whose inode, size and times are the same says the same. One text a project lies in the
repository's `.git`, where nobody commits it; who deletes it loses time and nothing else. Nothing is remembered of a
file that changed shortly before it was read, since one more change in the same tick of the file system's clock would
not show.
"""

from __future__ import annotations

import os
from contextlib import suppress
from stat import S_IFMT, S_ISLNK, S_ISREG

from mlopsgen.output.digest import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SETTLED = 2_500_000_000
"""Nanoseconds that a file must have been left alone before it is read: more than the coarsest file system's tick."""

FOLDER = "mlopsgen"
"""Below `.git`."""

_MOST = 16 * 1024 * 1024


class StatCache:
    """What is remembered of a repository's projects. Nothing where its root has no folder `.git`.

    Args:
        repository: its root.
        writes: whether to remember more; otherwise it only answers.
    """

    def __init__(self, repository: str, writes: bool = True) -> None:
        git = os.path.join(repository, ".git")
        self._folder = os.path.join(git, FOLDER) if os.path.isdir(git) else ""
        self._writes = writes and bool(self._folder)
        self._before = 0

    def count(self, folder: str, version: str, inputs: str) -> int | None:
        """How many files of a project were in step, when all of them still look as they did; else None. Never raises.

        Args:
            folder: of the project.
            version: of mlopsgen.
            inputs: digest of everything that goes in.
        """
        if not self._folder:
            return None
        try:
            with open(self._file(folder), "rb") as stream:
                head, *lines = os.fsdecode(stream.read(_MOST)).split("\n")
            known, count, looks = head.rsplit(" ", 2)
            if known != f"{version} {inputs}" or lines.pop() or len(lines) != int(looks):
                return None
            for line in lines:
                look, _, path = line.partition("\t")
                if look != _look(look[:1], os.lstat(path)):
                    return None
            return int(count)
        except (OSError, ValueError):
            return None

    def begin(self) -> None:
        """Take the file system's time, before anything is read that shall be remembered."""
        if not self._writes or self._before:
            return
        path = os.path.join(self._folder, f"now.{os.getpid()}")
        try:
            os.makedirs(self._folder, exist_ok=True)
            with open(path, "wb") as stream:
                self._before = os.fstat(stream.fileno()).st_mtime_ns - SETTLED
            os.unlink(path)
        except OSError:
            self._writes = False

    def remember(
        self, folder: str, version: str, inputs: str, count: int, looks: Iterable[tuple[str, str, os.stat_result]]
    ) -> None:
        """Keep that so many files of a project are in step. Never raises.

        Args:
            looks: kind, absolute path and what was found there before it was read. The kinds are `f`, a file that is
                ours; `k`, one that was written once and may say anything; `d`, a folder on the way.
        """
        if not self._writes:
            return
        lines = []
        for kind, path, status in looks:
            if kind == "f" and max(status.st_mtime_ns, status.st_ctime_ns) > self._before:
                return
            lines.append(f"{_look(kind, status)}\t{path}\n")
        head = f"{version} {inputs} {count} {len(lines)}\n"
        made = f"{self._file(folder)}.{os.getpid()}"
        try:
            with open(made, "wb") as stream:
                stream.write(os.fsencode(head + "".join(lines)))
            os.replace(made, self._file(folder))
        except OSError:
            self._writes = False
            with suppress(OSError):
                os.unlink(made)

    def _file(self, folder: str) -> str:
        return os.path.join(self._folder, digest(os.fsencode(folder)))


def _look(kind: str, status: os.stat_result) -> str:
    """The kind, and what must stay as it is."""
    if kind == "f":
        return f"f {status.st_mode} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
    if kind == "d":
        return f"d {S_IFMT(status.st_mode)} {status.st_ino}"
    return "k" if S_ISREG(status.st_mode) or S_ISLNK(status.st_mode) else "-"
