"""The steps that carry out the plan of one project, so that several projects can take each step together.

In this order, and each step down on the disk before the next begins:
1. an intent lock, in which every file may say what it said or what it will say, and every new content, beside its file
   under a temporary name: a full disk shows before anything has changed;
2. renames, removals, folders left empty, and the lock as it should be, under a temporary name;
3. that lock in its place.
Killed anywhere, each file is old or new and ours either way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from mlopsgen.diagnostics import Failed, diagnose
from mlopsgen.output.lock import Lock, union
from mlopsgen.output.lock import write as lock_text
from mlopsgen.output.paths import LOCK
from mlopsgen.output.plan import Plan
from mlopsgen.output.roots import Roots
from mlopsgen.output.tree import Blocked, Found, Seen, Tree, reason

AGAIN = "Nothing is half written. Put that right, then build again."


class Steps:
    """What a plan takes; each method once, in their order. Each raises Failed with E304, E306 or E309.

    Whoever gets an exception from a step, or between two, calls `undo`.

    Attributes:
        one_by_one: sync each file and folder as it is written; otherwise the caller syncs between steps.
    """

    def __init__(self, roots: Roots, plan: Plan, lock: Lock, found: Found | None, final: Lock, text: bytes):
        """
        Args:
            lock: as it stands, read from the file that was `found`.
            final: as it should be.
            text: of that.
        """
        self._text = text
        self.one_by_one = True
        self._roots = roots
        self._lock = lock
        self._found = found
        self._final = final
        self._changes = [change for change in plan.changes if change.writes]
        self._fresh = [change for change in self._changes if change.kind != "remove"]
        self._made: list[tuple[Tree, tuple[str, ...]]] = []
        self._intent = self._begun = False

    @property
    def fresh(self) -> int:
        """How many files get a new content."""
        return len(self._fresh)

    def prepare(self) -> None:
        """Step 1."""
        roots = self._roots
        roots.rest()
        intent = lock_text(union(self._lock, self._final))
        _put_lock(roots.project, intent, self._found and self._found.seen, sync=self.one_by_one)
        self._intent = True
        for change in self._fresh:
            tree, names = roots.place(change.key)
            folders: list[tuple[str, ...]] = []
            try:
                tree.stage(names, change.new or b"", folders, self.one_by_one, fresh=change.seen is None)
            except (Blocked, OSError) as error:
                raise _refused(change.key, error) from error
            finally:
                self._made.extend((tree, folder) for folder in folders)

    def put(self) -> None:
        """Step 2."""
        self._begun = True
        self._roots.rest()
        for change in self._changes:
            tree, names = self._roots.place(change.key)
            try:
                if change.kind == "remove" and change.seen:
                    tree.remove(names, change.seen)
                else:
                    tree.commit(names, change.seen)
            except (Blocked, OSError) as error:
                raise _refused(change.key, error) from error
        vacate(self._roots, self._lock, self._final)
        if self.one_by_one:
            self._settle()
        _stage_lock(self._roots.project, self._text, self.one_by_one)

    def finish(self) -> None:
        """Step 3."""
        self._roots.rest()
        _commit_lock(self._roots.project, None, anyway=True, sync=self.one_by_one)

    def undo(self) -> None:
        """Remove what was staged and, when no file was touched yet, the intent as well."""
        sweep(self._roots, [LOCK, *(change.key for change in self._fresh)])
        if not self._begun:
            for tree, folder in reversed(self._made):
                tree.vacate([folder])
        if self._intent and not self._begun:
            _restore(self._roots.project, self._found)

    def _settle(self) -> None:
        """Bring renames and removals down to the disk, once a folder."""
        done: set[tuple[int, tuple[str, ...]]] = set()
        moved = [self._roots.place(change.key) for change in self._changes]
        for tree, names in [*moved, *self._made]:
            folder = (id(tree), tuple(names[:-1]))
            if folder not in done:
                done.add(folder)
                with _naming("/".join(names)):
                    tree.settle(names)


def put_lock(project: Tree, text: bytes, seen: Seen | None) -> None:
    """Write the lock alone. Raises Failed with E309, also when it is not as it was `seen`."""
    _put_lock(project, text, seen, sync=True)


def _put_lock(project: Tree, text: bytes, seen: Seen | None, *, sync: bool) -> None:
    _stage_lock(project, text, sync)
    _commit_lock(project, seen, anyway=False, sync=sync)


def _stage_lock(project: Tree, text: bytes, sync: bool) -> None:
    with _naming(LOCK), _discarding(project):
        project.stage([LOCK], text, [], sync)


def _commit_lock(project: Tree, seen: Seen | None, *, anyway: bool, sync: bool) -> None:
    with _naming(LOCK):
        with _discarding(project):
            project.commit([LOCK], seen, anyway)
        if sync:
            project.settle([LOCK])


@contextmanager
def _discarding(project: Tree) -> Iterator[None]:
    try:
        yield
    except BaseException:
        project.discard([LOCK])
        raise


def _restore(project: Tree, found: Found | None) -> None:
    """Take the intent back when no file was touched yet. Where that fails too, the next build heals it."""
    with suppress(OSError, Blocked):
        if found:
            project.stage([LOCK], found.content, [])
            project.commit([LOCK], None, anyway=True)
        else:
            project.remove([LOCK], None, anyway=True)


def sweep(roots: Roots, keys: Iterable[str]) -> None:
    """Remove what was staged for these files, by this build or by one that was killed."""
    for key in sorted(keys):
        tree, names = roots.place(key)
        tree.discard(names)


def vacate(roots: Roots, lock: Lock, final: Lock) -> None:
    """Remove the folders that only held files which are no longer made; a killed build may have left them empty."""
    for key in sorted((lock.files.keys() | lock.kept.keys()) - final.files.keys() - final.kept.keys()):
        tree, names = roots.place(key)
        tree.vacate([names[:end] for end in range(len(names) - 1, 0, -1)])


@contextmanager
def _naming(key: str) -> Iterator[None]:
    try:
        yield
    except (Blocked, OSError) as error:
        raise _refused(key, error) from error


def _refused(key: str, error: Blocked | OSError) -> Failed:
    """What the system, or something in the way, refuses, with the file that it is about."""
    if isinstance(error, Blocked):
        return Failed([diagnose(error.code, f"'{key}' {error.reason}", path=key, help=AGAIN)])
    return Failed([diagnose("E309", f"could not write '{key}': {reason(error)}", path=key, help=AGAIN)])
