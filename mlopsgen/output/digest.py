"""Hashes of what a file says, the same whatever line ends a checkout gave it."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LENGTH = 32
"""Hex digits that a digest has."""

MAX_FILE = 64 * 1024 * 1024
"""Bytes beyond which a file on disk is not read."""

READ = os.O_RDONLY
"""How a file is opened to be read: through no link, and without waiting for what turns out to be a FIFO."""
for _flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"):
    READ |= getattr(os, _flag, 0)

_CHUNK = 256 * 1024


def _cheapest() -> Callable[[bytes], Any]:
    """Return a sha256: the interpreter's own where there is one, as loading OpenSSL takes a third of a bare start."""
    for module in ("_sha2", "_sha256"):
        try:
            made: Callable[[bytes], Any] = __import__(module).sha256
            return made
        except ImportError:
            continue
    from hashlib import sha256

    return sha256


_sha256 = _cheapest()


def many() -> None:
    """From now on use OpenSSL's sha256: some times as fast, and worth its start for more than a few files."""
    global _sha256
    from hashlib import sha256

    _sha256 = sha256


def normal(content: bytes) -> bytes:
    """Return the content with LF line ends."""
    return content.replace(b"\r\n", b"\n") if b"\r" in content else content  # looking for one byte is faster


def digest(content: bytes) -> str:
    """Return the first 32 hex digits of the sha256 of the content with LF line ends."""
    return str(_sha256(normal(content)).hexdigest()[:LENGTH])


def stream(descriptor: int, limit: int = MAX_FILE) -> str | None:
    """Return `digest` of what is left to read from an open file, or None when that exceeds `limit` bytes."""
    state = _sha256(b"")
    pending = b""
    left = limit
    while chunk := os.read(descriptor, _CHUNK):
        left -= len(chunk)
        if left < 0:
            return None
        chunk = pending + chunk
        # A CR at the end may be half of a CRLF whose LF comes with the next chunk.
        pending = chunk[-1:] if chunk.endswith(b"\r") else b""
        state.update(normal(chunk[: len(chunk) - len(pending)]))
    state.update(pending)
    return str(state.hexdigest()[:LENGTH])
