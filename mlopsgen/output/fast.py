"""Whether there is nothing to do, told without rendering anything. Imports next to nothing: it answers in a blink."""

from __future__ import annotations

import os
from stat import S_ISDIR, S_ISLNK, S_ISREG

from mlopsgen.output.digest import READ, digest, stream
from mlopsgen.output.lock import MAX_LOCK, Lock, parse
from mlopsgen.output.paths import LOCK, split, temporary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlopsgen.output.statcache import StatCache

    Looks = list[tuple[str, str, os.stat_result]]

_SMALL = 128 * 1024
"""Bytes below which a file is read at once."""


def up_to_date(
    folder: str, repository: str, generator_version: str, input_digest: str, cache: StatCache | None = None
) -> int | None:
    """Tell whether a build would change nothing.

    Args:
        folder: of mlops.yaml.
        repository: root of the repository around it.
        generator_version: of this mlopsgen.
        input_digest: of everything that goes into the build.
        cache: what files looked like, for calls over many projects; without it every file is read.

    Returns:
        How many files were looked at, when the lock is whole, names this version and these inputs, and each
        file on disk is exactly what it says. None in any doubt. Never raises for what is on disk.
    """
    if not input_digest or os.path.lexists(os.path.join(folder, temporary(LOCK))):  # that of a killed build
        return None
    if cache is not None:
        count = cache.count(folder, generator_version, input_digest)
        if count is not None:
            return count
        cache.begin()
    looks: Looks = []
    try:
        lock = _load(folder, looks)
        if lock.healed or lock.damaged or lock.generator != generator_version or lock.inputs != input_digest:
            return None
        folders: set[str] = set()
        for key, (_, digests) in lock.files.items():
            if len(digests) != 1 or _hash(_place(key, folder, repository, folders, looks), looks) not in digests:
                return None
        for key in lock.kept:
            path = _place(key, folder, repository, folders, looks)
            status = os.lstat(path)
            if not (S_ISREG(status.st_mode) or S_ISLNK(status.st_mode)):
                return None
            looks.append(("k", path, status))
    except (OSError, ValueError):
        return None
    count = len(lock.files) + len(lock.kept)
    if cache is not None:
        cache.remember(folder, generator_version, input_digest, count, looks)
    return count


def _load(folder: str, looks: Looks) -> Lock:
    """Read the lock. Raises OSError."""
    descriptor, _ = _open(os.path.join(folder, LOCK), looks)
    try:
        data = b""
        while len(data) <= MAX_LOCK and (chunk := os.read(descriptor, 1 << 20)):
            data += chunk
    finally:
        os.close(descriptor)
    return parse(data)


def _place(key: str, folder: str, repository: str, folders: set[str], looks: Looks) -> str:
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
                status = os.lstat(place)
                if not S_ISDIR(status.st_mode):
                    raise NotADirectoryError(place)
                looks.append(("d", place, status))
                folders.add(place)
    return f"{whole}/{name}"


def _open(path: str, looks: Looks) -> tuple[int, int]:
    """Open a regular file; gives its size too.

    Raises OSError for anything else, without opening it: a FIFO would wait, a device act.
    """
    status = os.lstat(path)
    if not S_ISREG(status.st_mode):
        raise OSError(path)
    looks.append(("f", path, status))
    return os.open(path, READ), status.st_size


def _hash(path: str, looks: Looks) -> str | None:
    descriptor, size = _open(path, looks)
    try:
        if size < _SMALL:
            content = os.read(descriptor, _SMALL)
            if len(content) == size:
                return digest(content)
            os.lseek(descriptor, 0, os.SEEK_SET)
        return stream(descriptor)
    finally:
        os.close(descriptor)
