"""Carry out a plan: all of it or, when it is cut short, so that the next build can finish it.

In this order, and each step down on the disk before the next begins:
1. an intent lock, in which every file may say what it said or what it will say;
2. every new content, beside its file under a temporary name: a full disk shows before anything has changed;
3. renames, removals, folders left empty;
4. the lock as it should be.
Killed anywhere, each file is old or new and ours either way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import NamedTuple

from mlopsgen.diagnostics import Diagnostic, Failed, diagnose
from mlopsgen.output.digest import normal
from mlopsgen.output.exclusive import exclusive
from mlopsgen.output.lock import MAX_LOCK, Lock, parse, union
from mlopsgen.output.lock import write as lock_text
from mlopsgen.output.paths import LOCK
from mlopsgen.output.plan import Change, compare
from mlopsgen.output.roots import Roots
from mlopsgen.output.tree import Blocked, Found, Seen, Tree, reason
from mlopsgen.render.files import Rendered

_AGAIN = "Nothing is half written. Put that right, then build again."


class Result(NamedTuple):
    """What a build did, or with `check` would do.

    Attributes:
        changes: what becomes of each file, sorted by key.
        diagnostics: warnings.
        pins: as they stand in the lock.
        lock_changed: whether the lock itself differs.
    """

    changes: tuple[Change, ...]
    diagnostics: tuple[Diagnostic, ...]
    pins: Mapping[str, tuple[str, str]]
    lock_changed: bool

    @property
    def differs(self) -> bool:
        """Whether anything on disk was, or would be, written."""
        return self.lock_changed or any(change.writes for change in self.changes)


def build(
    folder: str,
    repository: str,
    wanted: Sequence[Rendered],
    *,
    generator_version: str,
    input_digest: str,
    pins: Mapping[str, tuple[str, str]] | None = None,
    unmanaged: Iterable[str] = (),
    check: bool = False,
    force: bool = False,
    wait: float = 30.0,
) -> Result:
    """Make the disk say what is wanted. Writes nothing at all, not even the lock, when it does already.

    Args:
        folder: of mlops.yaml, where the lock lies.
        repository: a folder around it, for files with `root="repository"`.
        wanted: every file that the targets made.
        generator_version: of this mlopsgen, one word.
        input_digest: of everything that went in, 32 hex digits.
        pins: name to version and digest, for the lock.
        unmanaged: keys of files that are neither written nor removed.
        check: only tell; nothing is locked or written.
        force: overwrite files that were edited by hand or that mlopsgen did not write.
        wait: seconds to wait for another build in the same folder.

    Returns:
        What was done.

    Raises:
        Failed: E301 to E307 (see `plan.compare`) and E303 (the lock cannot be read) before anything is written,
            E308 when another build does not end, E309 when the system refuses a step.
    """
    try:
        with Roots(folder, repository) as roots, nullcontext() if check else exclusive(roots.trees, wait):
            lock, found = read_lock(roots.project)
            plan = compare(wanted, lock, roots, unmanaged=unmanaged, force=force)
            final = Lock(generator_version, input_digest, pins, plan.files, plan.kept)
            text = lock_text(final)
            lock_changed = found is None or normal(found.content) != text
            if not check:
                _sweep(roots, {*lock.files, *lock.kept, *plan.files, *plan.kept, LOCK})
                if any(change.writes for change in plan.changes):
                    _change_files(roots, plan.changes, lock, found, final)
                elif lock_changed:
                    _vacate(roots, lock, final)
                    _put_lock(roots.project, final, found and found.seen)
            return Result(plan.changes, plan.warnings, final.pins, lock_changed)
    except OSError as error:
        raise Failed([diagnose("E309", f"cannot build in {folder}: {reason(error)}", help=_AGAIN)]) from error


def read_lock(project: Tree) -> tuple[Lock, Found | None]:
    """Read the lock; an empty one when there is none. Raises Failed with E303 or E304."""
    try:
        found = project.read([LOCK], MAX_LOCK)
    except Blocked as blocked:
        code = "E304" if blocked.code == "E304" else "E303"
        raise Failed([_unreadable(code, f"'{LOCK}' {blocked.reason}")]) from blocked
    lock = parse(found.content) if found else Lock()
    if lock.damaged:
        raise Failed([_unreadable("E303", f"'{LOCK}' cannot be read: {lock.damaged}")])
    return lock, found


def _unreadable(code: str, message: str) -> Diagnostic:
    help = f"Restore it with `git checkout {LOCK}`, or delete it and use `mlopsgen build --force`."
    return diagnose(code, message, path=LOCK, help=help)


def _change_files(roots: Roots, changes: Sequence[Change], lock: Lock, found: Found | None, final: Lock) -> None:
    """Carry out the changes, between the intent lock and the final one. Raises Failed with E304, E306 or E309."""
    fresh = [change for change in changes if change.kind in ("create", "update")]
    made: list[tuple[Tree, tuple[str, ...]]] = []
    intent = begun = False
    try:
        _put_lock(roots.project, union(lock, final), found and found.seen)
        intent = True
        for change in fresh:
            _stage(roots, change, made)
        begun = True
        for change in changes:
            tree, names = roots.place(change.key)
            with _naming(change.key):
                if change.kind == "remove" and change.seen:
                    tree.remove(names, change.seen)
                elif change.writes:
                    tree.commit(names, change.seen)
        _vacate(roots, lock, final)
        _settle(roots, changes, made)
        _put_lock(roots.project, final, None, anyway=True)
    except BaseException:
        _sweep(roots, [LOCK, *(change.key for change in fresh)])
        if not begun:
            for tree, folder in reversed(made):
                tree.vacate([folder])
        if intent and not begun:
            _restore(roots.project, found)
        raise


def _stage(roots: Roots, change: Change, made: list[tuple[Tree, tuple[str, ...]]]) -> None:
    tree, names = roots.place(change.key)
    folders: list[tuple[str, ...]] = []
    try:
        with _naming(change.key):
            tree.stage(names, change.new or b"", folders)
    finally:
        made.extend((tree, folder) for folder in folders)


def _settle(roots: Roots, changes: Sequence[Change], made: Sequence[tuple[Tree, Sequence[str]]]) -> None:
    """Bring renames and removals down to the disk, once a folder. Raises Failed with E309."""
    done: set[tuple[int, tuple[str, ...]]] = set()
    moved = [roots.place(change.key) for change in changes if change.writes]
    for tree, names in [*moved, *made]:
        folder = (id(tree), tuple(names[:-1]))
        if folder not in done:
            done.add(folder)
            with _naming("/".join(names)):
                tree.settle(names)


def _put_lock(project: Tree, lock: Lock, seen: Seen | None, anyway: bool = False) -> None:
    """Write the lock. Raises Failed with E309, also when it is not as it was `seen`, unless `anyway`."""
    with _naming(LOCK):
        try:
            project.stage([LOCK], lock_text(lock), [])
            project.commit([LOCK], seen, anyway)
        except BaseException:
            project.discard([LOCK])
            raise
        project.settle([LOCK])


def _restore(project: Tree, found: Found | None) -> None:
    """Take the intent back when no file was touched yet. Where that fails too, the next build heals it."""
    with suppress(OSError, Blocked):
        if found:
            project.stage([LOCK], found.content, [])
            project.commit([LOCK], None, anyway=True)
        else:
            project.remove([LOCK], None, anyway=True)


def _sweep(roots: Roots, keys: Iterable[str]) -> None:
    """Remove what was staged for these files, by this build or by one that was killed."""
    for key in sorted(keys):
        tree, names = roots.place(key)
        tree.discard(names)


def _vacate(roots: Roots, lock: Lock, final: Lock) -> None:
    """Remove the folders that only held files which are no longer made; a killed build may have left them empty."""
    for key in sorted((lock.files.keys() | lock.kept.keys()) - final.files.keys() - final.kept.keys()):
        tree, names = roots.place(key)
        tree.vacate([names[:end] for end in range(len(names) - 1, 0, -1)])


@contextmanager
def _naming(key: str) -> Iterator[None]:
    """Turn what the system refuses into Failed, with the file that it is about."""
    try:
        yield
    except Blocked as blocked:
        raise Failed([diagnose(blocked.code, f"'{key}' {blocked.reason}", path=key, help=_AGAIN)]) from blocked
    except OSError as error:
        message = f"could not write '{key}': {reason(error)}"
        raise Failed([diagnose("E309", message, path=key, help=_AGAIN)]) from error
