"""Brings many files down to the disk at once, where the system can."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from mlopsgen.output.tree import Tree

WORTH = 16
"""New files from which on one call for the whole file system is cheaper than one for each file."""

_syncfs: Callable[[int], int] | None = None


def at_once(trees: Iterable[Tree], files: int) -> bool:
    """Whether `flush` should stand for the syncing of that many new files below these roots, one by one."""
    return files >= WORTH and all(tree.descriptor is not None for tree in trees) and _function() is not None


def flush(trees: Iterable[Tree]) -> None:
    """Bring everything written below these roots down to the disk. Raises OSError."""
    import ctypes

    sync, done = _function(), set()
    for tree in trees:
        descriptor = tree.descriptor
        assert sync is not None
        assert descriptor is not None
        device = os.fstat(descriptor).st_dev
        if device not in done:
            done.add(device)
            if sync(descriptor):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))


def _function() -> Callable[[int], int] | None:
    """syncfs(2) of Linux; None elsewhere, and where Python cannot call it."""
    global _syncfs
    if _syncfs is None and sys.platform == "linux":
        try:
            import ctypes

            found: Any = ctypes.CDLL(None, use_errno=True).syncfs
        except (ImportError, OSError, AttributeError):
            return None
        found.argtypes, found.restype = [ctypes.c_int], ctypes.c_int
        _syncfs = found
    return _syncfs
