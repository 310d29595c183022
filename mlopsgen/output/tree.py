"""A folder below which files are read and written, never through a symbolic link.

Where the system can, every step is taken from the open folder above it, so that nobody can put a
link in the way between the look and the step.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from mlopsgen.output.digest import MAX_FILE, READ
from mlopsgen.output.paths import temporary

_ANCHORED = {os.open, os.stat, os.mkdir, os.unlink, os.rmdir, os.rename} <= os.supports_dir_fd
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_JUNCTION = 0xA0000003

Seen = tuple[int, int, int]
"""What tells that a file is still the one that was looked at: inode, size, time of change."""


class Blocked(Exception):
    """Something lies in the way: carries the code of the diagnostic and what to say after the path."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"{code} {reason}")


class Absent(Blocked):
    """A file lies where a folder should be, so that nothing can be below it."""


class Refused(Blocked):
    """The system does not let us look."""


class Found(NamedTuple):
    """A file on disk: its content and what it looked like."""

    content: bytes
    seen: Seen


class _Place(NamedTuple):
    """An open folder. `descriptor` is None where steps cannot start from one; only then `path` counts."""

    path: str
    descriptor: int | None

    def at(self, name: str) -> str:
        return name if self.descriptor is not None else os.path.join(self.path, name)

    def look(self, name: str) -> os.stat_result | None:
        try:
            return os.stat(self.at(name), dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None


class Tree:
    """One root. Paths are sequences of names below it; the root itself may be reached through links."""

    def __init__(self, root: str) -> None:
        """Open the root. Raises OSError."""
        self.root = root
        self._root = _Place(root, os.open(root, _FOLDER) if _ANCHORED else None)
        self._chain: list[tuple[str, _Place]] = []
        self._last: tuple[Sequence[str], _Place] | None = None
        self._absent: tuple[str, ...] = ()

    @property
    def descriptor(self) -> int | None:
        """The open root, to be locked; None where folders cannot be opened."""
        return self._root.descriptor

    def close(self) -> None:
        """Let go of the root."""
        self.rest()
        if self._root.descriptor is not None:
            os.close(self._root.descriptor)

    def rest(self) -> None:
        """Forget which folder is open, and which is absent, so that the next step looks for them anew."""
        self._leave(0)
        self._absent = ()

    def read(self, names: Sequence[str], limit: int = MAX_FILE) -> Found | None:
        """Return a file, or None when it is absent. Raises Blocked when anything else is there, or it is unreadable."""
        with _REFUSING:
            place = self._above(names)
            before = place and place.look(names[-1])
            if not place or not before:
                return None
            _judge(before)
            descriptor = os.open(place.at(names[-1]), READ, dir_fd=place.descriptor)
            try:
                status = os.fstat(descriptor)
                _judge(status)
                content = _read(descriptor, limit)
            finally:
                os.close(descriptor)
        if len(content) > limit:
            raise Blocked("E306", f"is larger than {limit // 1024 // 1024} MiB, so mlopsgen did not make it")
        return Found(content, _seen(status))

    def holds(self, names: Sequence[str]) -> bool:
        """Tell whether a file, or a link to whatever it may be, is there. Raises Blocked for anything else there."""
        with _REFUSING:
            place = self._above(names)
            status = place and place.look(names[-1])
            if status and not stat.S_ISLNK(status.st_mode):
                _judge(status)
            return bool(status)

    def identity(self, names: Sequence[str]) -> tuple[int, int] | None:
        """Return device and inode, by which two paths to one file are known; None when it cannot be told."""
        with suppress(OSError, Blocked):
            place = self._above(names)
            status = place and place.look(names[-1])
            return (status.st_dev, status.st_ino) if status else None
        return None

    def stage(
        self, names: Sequence[str], content: bytes, made: list[tuple[str, ...]], sync: bool = True, fresh: bool = False
    ) -> None:
        """Write the content beside the file, under its temporary name, and with `sync` down to the disk.

        An existing file's permissions are kept, unless it is `fresh` and there is none. Folders are made as needed
        and added to `made`. What a killed build left under the temporary name goes.
        Raises OSError, also when that is a folder, and Blocked.
        """
        place = self._above(names, made)
        assert place
        name = place.at(temporary(names[-1]))
        try:
            descriptor = os.open(name, _NEW, 0o666, dir_fd=place.descriptor)
        except FileExistsError:
            os.unlink(name, dir_fd=place.descriptor)
            descriptor = os.open(name, _NEW, 0o666, dir_fd=place.descriptor)
        try:
            existing = None if fresh else place.look(names[-1])
            if existing and stat.S_ISREG(existing.st_mode) and hasattr(os, "fchmod"):
                os.fchmod(descriptor, stat.S_IMODE(existing.st_mode) & 0o777)
            _write(descriptor, content)
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def commit(self, names: Sequence[str], seen: Seen | None, anyway: bool = False) -> None:
        """Put the staged file in place.

        Raises OSError, and Blocked when the file is not as it was `seen`, unless `anyway`.
        """
        place = _still(self._above(names), names, seen, anyway)
        where = place.descriptor
        source, target = place.at(temporary(names[-1])), place.at(names[-1])
        os.replace(source, target, src_dir_fd=where, dst_dir_fd=where)

    def remove(self, names: Sequence[str], seen: Seen | None, anyway: bool = False) -> None:
        """Remove a file. Raises as `commit` does."""
        place = _still(self._above(names), names, seen, anyway)
        os.unlink(place.at(names[-1]), dir_fd=place.descriptor)

    def discard(self, names: Sequence[str]) -> None:
        """Remove what was staged, or left over, for a file. Does what it can and raises nothing of the system's."""
        with suppress(OSError, Blocked):
            place = self._above(names)
            name = temporary(names[-1])
            if place and place.look(name):
                os.unlink(place.at(name), dir_fd=place.descriptor)

    def vacate(self, folders: Iterable[Sequence[str]]) -> None:
        """Remove those of these folders that are empty. Raises nothing of the system's."""
        for names in folders:
            with suppress(OSError, Blocked):
                place = self._above(names)
                if place and place.look(names[-1]):
                    os.rmdir(place.at(names[-1]), dir_fd=place.descriptor)

    def settle(self, names: Sequence[str]) -> None:
        """Bring what happened in a path's folder down to the disk, where folders can be synced. Raises OSError."""
        with suppress(Blocked):
            place = self._above(names)
            if place and place.descriptor is not None:
                try:
                    os.fsync(place.descriptor)
                except OSError as error:
                    if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                        raise

    def _above(self, names: Sequence[str], made: list[tuple[str, ...]] | None = None) -> _Place | None:
        """Open the folder that a path lies in. Where it is absent, make it and add it to `made`, or give None.

        Folders on the way stay open for the next path, which often lies beside it.
        Raises OSError and Blocked.
        """
        folder = names[:-1]
        if self._last is not None and self._last[0] == folder:
            return self._last[1]
        if made is not None:
            self._absent = ()
        elif self._absent and tuple(names[: len(self._absent)]) == self._absent:
            return None
        chain, depth = self._chain, 0
        while depth < min(len(chain), len(names) - 1) and chain[depth][0] == names[depth]:
            depth += 1
        self._leave(depth)
        place = chain[-1][1] if chain else self._root
        for end in range(depth + 1, len(names)):
            below = _enter(place, names[:end])
            if below is None and made is not None:
                with suppress(FileExistsError):
                    os.mkdir(place.at(names[end - 1]), dir_fd=place.descriptor)
                    made.append(tuple(names[:end]))
                below = _enter(place, names[:end])
            if below is None:
                self._absent = tuple(names[:end])
                return None
            if below.descriptor is not None:
                chain.append((names[end - 1], below))
            place = below
        self._last = (folder, place) if place.descriptor is not None else None
        return place

    def _leave(self, depth: int) -> None:
        """Close the folders on the way that are deeper than `depth`."""
        self._last = None
        while len(self._chain) > depth:
            _, place = self._chain.pop()
            if place.descriptor is not None:
                os.close(place.descriptor)


def _enter(place: _Place, names: Sequence[str]) -> _Place | None:
    """Open the folder below `place` that is last in `names`; None when absent. Raises Blocked when it is none."""
    if place.descriptor is not None:
        try:
            return _Place("", os.open(names[-1], _FOLDER | getattr(os, "O_NOFOLLOW", 0), dir_fd=place.descriptor))
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
    status = place.look(names[-1])
    if status is None:
        return None
    if _is_link(status):
        raise Blocked("E304", f"is reached through '{'/'.join(names)}', which is a symbolic link")
    if place.descriptor is not None or not stat.S_ISDIR(status.st_mode):
        raise Absent("E306", f"cannot be there: '{'/'.join(names)}' is not a folder")
    return _Place(os.path.join(place.path, names[-1]), None)


def _still(place: _Place | None, names: Sequence[str], seen: Seen | None, anyway: bool) -> _Place:
    """Return the place when the file in it is still as it was seen. Raises Blocked when it is not."""
    status = place.look(names[-1]) if place and not anyway else None
    if not place or (not anyway and (_seen(status) if status else None) != seen):
        raise Blocked("E309", "was changed by someone else while the build ran")
    return place


def _seen(status: os.stat_result) -> Seen:
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _is_link(status: os.stat_result) -> bool:
    return stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) == _JUNCTION


def _judge(status: os.stat_result) -> None:
    """Raise Blocked unless it is a regular file."""
    if _is_link(status):
        raise Blocked("E304", "is a symbolic link")
    if stat.S_ISDIR(status.st_mode):
        raise Blocked("E306", "cannot be written: a folder is there")
    if not stat.S_ISREG(status.st_mode):
        raise Blocked("E306", "cannot be written: what is there is not a regular file")


class _Refusing:
    """Turns an error of the system's into Refused; written out, since every file goes through it."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, at: object) -> None:
        if isinstance(error, OSError):
            raise Refused("E306", f"cannot be read: {reason(error)}") from error


_REFUSING = _Refusing()


def reason(error: OSError) -> str:
    """Return what the system says went wrong."""
    return error.strerror or type(error).__name__


def _read(descriptor: int, limit: int) -> bytes:
    """Read up to one byte more than `limit`."""
    parts: list[bytes] = []
    left = limit + 1
    while left > 0 and (part := os.read(descriptor, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
