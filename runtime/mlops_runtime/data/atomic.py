"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def written(path: str) -> Iterator[IO[bytes]]:
    """A binary stream whose content becomes `path` when the block ends, and nothing at all when it raises.

    The folder is made. Content is on the disk (fsync of the file and of its folder) before the name changes; what was
    there before stays until then. What a killed process left (`.NAME.part`) is overwritten by the next.
    """
    folder, name = os.path.split(path)
    folder = folder or "."
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f".{name}.part")
    try:
        with open(temporary, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        synced(folder)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def synced(folder: str) -> None:
    """Make the names in a folder durable, where the system can (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(path: str, content: bytes) -> None:
    """Write a whole file at once."""
    with written(path) as stream:
        stream.write(content)


def write_json(path: str, content: object) -> None:
    """Write a report: JSON with two spaces of indentation, in the order given, non-ASCII as it is.

    Raises:
        ValueError: a number that is not finite, which JSON does not have.
    """
    import json

    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write(path, f"{text}\n".encode())
