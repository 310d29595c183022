"""Whether there is nothing to do, told without rendering anything. Imports next to nothing: it answers in a blink."""

from __future__ import annotations

import os
from stat import S_ISDIR, S_ISLNK, S_ISREG

from mlopsgen.output.digest import READ, digest, stream
from mlopsgen.output.lock import MAX_LOCK, Lock, parse
from mlopsgen.output.paths import LOCK, split, temporary

_SMALL = 128 * 1024
"""Bytes below which a file is read at once."""


def up_to_date(folder: str, repository: str, generator_version: str, input_digest: str) -> int | None:
    """Tell whether a build would change nothing.

    Args:
        folder: of mlops.yaml.
        repository: root of the repository around it.
        generator_version: of this mlopsgen.
        input_digest: of everything that goes into the build.

    Returns:
        How many files were looked at, when the lock is whole, names this version and these inputs, and each
        file on disk is exactly what it says. None in any doubt. Never raises for what is on disk.
    """
    if not input_digest:
        return None
    try:
        lock = _load(folder)
        if lock.healed or lock.damaged or lock.generator != generator_version or lock.inputs != input_digest:
            return None
        folders: set[str] = set()
        for key, (_, digests) in lock.files.items():
            if len(digests) != 1 or _hash(_place(key, folder, repository, folders)) not in digests:
                return None
        for key in lock.kept:
            mode = os.lstat(_place(key, folder, repository, folders)).st_mode
            if not (S_ISREG(mode) or S_ISLNK(mode)):
                return None
    except (OSError, ValueError):
        return None
    return len(lock.files) + len(lock.kept)


def _load(folder: str) -> Lock:
    """Read the lock. Raises FileExistsError when a killed build left the one it was writing."""
    if os.path.lexists(os.path.join(folder, temporary(LOCK))):
        raise FileExistsError
    descriptor, _ = _open(os.path.join(folder, LOCK))
    try:
        data = b""
        while len(data) <= MAX_LOCK and (chunk := os.read(descriptor, 1 << 20)):
            data += chunk
    finally:
        os.close(descriptor)
    return parse(data)


def _place(key: str, folder: str, repository: str, folders: set[str]) -> str:
    """Return where a file lies on disk. Raises OSError when a folder on the way is none or is a link."""
    at_repository, path = split(key)
    place = repository if at_repository else folder
    above, _, name = path.rpartition("/")
    if not above:
        return f"{place}/{name}"
    whole = f"{place}/{above}"
    if whole not in folders:
        for part in above.split("/"):
            place = f"{place}/{part}"
            if place not in folders:
                if not S_ISDIR(os.lstat(place).st_mode):
                    raise NotADirectoryError(place)
                folders.add(place)
    return f"{whole}/{name}"


def _open(path: str) -> tuple[int, int]:
    """Open a regular file; gives its size too.

    Raises OSError for anything else, without opening it: a FIFO would wait, a device act.
    """
    status = os.lstat(path)
    if not S_ISREG(status.st_mode):
        raise OSError(path)
    return os.open(path, READ), status.st_size


def _hash(path: str) -> str | None:
    descriptor, size = _open(path)
    try:
        if size < _SMALL:
            content = os.read(descriptor, _SMALL)
            if len(content) == size:
                return digest(content)
            os.lseek(descriptor, 0, os.SEEK_SET)
        return stream(descriptor)
    finally:
        os.close(descriptor)
