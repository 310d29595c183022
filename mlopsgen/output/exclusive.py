"""One build at a time in a folder."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from mlopsgen.diagnostics import Failed, diagnose
from mlopsgen.output.tree import Tree

_PAUSE = 0.05
"""Seconds between two tries."""

_BEYOND = 1 << 30
"""Which byte of mlops.yaml is locked on Windows: one far beyond its end, as a locked byte cannot be read by others."""

_TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)


@contextmanager
def exclusive(trees: Sequence[Tree], wait: float) -> Iterator[None]:
    """Keep other builds away from the roots of these trees, outermost first, until done.

    The system lets go when the process dies. A file system that knows no locks is used without.

    Raises:
        Failed: E308, when another build holds one of them for more than `wait` seconds.
    """
    with ExitStack() as held:
        for tree in trees:
            held.enter_context(_held(tree, wait))
        yield


@contextmanager
def _held(tree: Tree, wait: float) -> Iterator[None]:
    if tree.descriptor is not None:
        import fcntl

        descriptor = tree.descriptor
        locked = _try(lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB), tree, wait)
        try:
            yield
        finally:
            if locked:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        return
    with _beyond_the_end(tree, wait):
        yield


@contextmanager
def _beyond_the_end(tree: Tree, wait: float) -> Iterator[None]:
    """Lock a byte of mlops.yaml where folders cannot be locked; without such a file there is nothing to lock."""
    try:
        import msvcrt

        descriptor = os.open(os.path.join(tree.root, "mlops.yaml"), os.O_RDWR)
    except (ImportError, OSError):
        yield
        return
    try:
        os.lseek(descriptor, _BEYOND, os.SEEK_SET)
        lock, mode, let_go = _windows(msvcrt)
        if _try(lambda: lock(descriptor, mode, 1), tree, wait):
            try:
                yield
            finally:
                os.lseek(descriptor, _BEYOND, os.SEEK_SET)
                lock(descriptor, let_go, 1)
        else:
            yield
    finally:
        os.close(descriptor)


def _windows(msvcrt: object) -> tuple[Callable[[int, int, int], None], int, int]:
    """Return msvcrt's `locking` and its two modes, which type checkers on other systems do not know of."""
    return getattr(msvcrt, "locking"), getattr(msvcrt, "LK_NBLCK"), getattr(msvcrt, "LK_UNLCK")  # noqa: B009


def _try(take: Callable[[], None], tree: Tree, wait: float) -> bool:
    """Try until the lock is taken; False when the file system knows no locks. Raises Failed after `wait` seconds."""
    # Pauses are counted, as no clock is read in this package.
    for _ in range(max(1, int(wait / _PAUSE))):
        try:
            take()
            return True
        except OSError as error:
            if error.errno not in _TAKEN:
                return False
        time.sleep(_PAUSE)
    message = f"another mlopsgen build is running in {tree.root}"
    raise Failed([diagnose("E308", message, help="Wait until it is done, or end it, then build again.")])
