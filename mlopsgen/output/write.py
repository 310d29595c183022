"""Carry out builds: all of each or, when one is cut short, so that the next build can finish it.

Several projects take each step together, so that one call brings all of it down to the disk; see `output.steps`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from mlopsgen.diagnostics import Diagnostic, Failed, diagnose
from mlopsgen.output import disk
from mlopsgen.output.digest import normal
from mlopsgen.output.exclusive import exclusive
from mlopsgen.output.lock import MAX_LOCK, Lock, parse
from mlopsgen.output.lock import write as lock_text
from mlopsgen.output.paths import LOCK
from mlopsgen.output.plan import Change, Plan, compare
from mlopsgen.output.roots import Roots
from mlopsgen.output.steps import AGAIN, Steps, put_lock, sweep, vacate
from mlopsgen.output.tree import Blocked, Found, Tree, reason
from mlopsgen.render.files import Rendered


class Job(NamedTuple):
    """What one project should say.

    Attributes:
        folder: of mlops.yaml, where the lock lies.
        repository: a folder around it, for files with `root="repository"`.
        wanted: every file that the targets made.
        generator_version: of this mlopsgen, one word.
        input_digest: of everything that went in, 32 hex digits.
        pins: name to version and digest, for the lock.
        unmanaged: keys of files that are neither written nor removed.
    """

    folder: str
    repository: str
    wanted: Sequence[Rendered]
    generator_version: str
    input_digest: str
    pins: Mapping[str, tuple[str, str]] | None = None
    unmanaged: Iterable[str] = ()


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


class _Begun(NamedTuple):
    """A project that was looked at and is held."""

    roots: Roots
    plan: Plan
    lock: Lock
    found: Found | None
    final: Lock
    text: bytes
    result: Result


def together(
    jobs: Sequence[Job], *, check: bool = False, force: bool = False, wait: float = 30.0, held: Iterable[str] = ()
) -> list[Result | Failed]:
    """Make the disk say what is wanted, in several folders. Writes nothing, not even a lock, where it does already.

    A job that fails leaves the others alone. It fails with E301 to E307 (see `plan.compare`) and E303 (the lock cannot
    be read) before anything of it is written, E308 when another build does not end, E309 when the system
    refuses a step.

    Args:
        check: only tell; nothing is locked or written.
        force: overwrite files that were edited by hand or that mlopsgen did not write.
        wait: seconds to wait for another build in the same folder.
        held: folders that the caller keeps others away from.
    """
    results: list[Result | Failed] = []
    working: dict[int, Steps] = {}
    with ExitStack() as open_:
        roots: list[Roots] = []
        for job in jobs:
            try:
                begun = _begin(job, open_, check, force, wait, held)
                steps = None if check else _only_lock(begun)
                if steps is not None:
                    working[len(results)] = steps
                    roots.append(begun.roots)
                results.append(begun.result)
            except Failed as failed:
                results.append(failed)
            except OSError as error:
                results.append(_refused(job, error))
        trees = [tree for each in roots for tree in each.trees]
        _carry_out(jobs, results, working, trees)
    return results


def _carry_out(
    jobs: Sequence[Job], results: list[Result | Failed], working: dict[int, Steps], trees: Sequence[Tree]
) -> None:
    """Take each step for all projects, then sync. Who fails drops out and its `results` say so."""
    at_once = disk.at_once(trees, sum(steps.fresh for steps in working.values()))
    for steps in working.values():
        steps.one_by_one = not at_once
    try:
        for step in (Steps.prepare, Steps.put, Steps.finish):
            for index, steps in list(working.items()):
                try:
                    step(steps)
                except (Failed, OSError) as error:
                    steps.undo()
                    del working[index]
                    results[index] = error if isinstance(error, Failed) else _refused(jobs[index], error)
            if at_once and working:
                disk.flush(trees)
    except BaseException as error:
        for index, steps in working.items():
            steps.undo()
            if isinstance(error, OSError):
                results[index] = _refused(jobs[index], error)
        if not isinstance(error, OSError):
            raise


def _begin(job: Job, open_: ExitStack, check: bool, force: bool, wait: float, held: Iterable[str]) -> _Begun:
    """Look at a project; unless it is a check, others are kept away from it from now on. Raises Failed, OSError."""
    roots = open_.enter_context(Roots(job.folder, job.repository))
    if not check:
        open_.enter_context(exclusive([tree for tree in roots.trees if tree.root not in held], wait))
    lock, found = read_lock(roots.project)
    plan = compare(job.wanted, lock, roots, unmanaged=job.unmanaged, force=force)
    final = Lock(job.generator_version, job.input_digest, job.pins, plan.files, plan.kept)
    text = lock_text(final)
    changed = found is None or normal(found.content) != text
    return _Begun(roots, plan, lock, found, final, text, Result(plan.changes, plan.warnings, final.pins, changed))


def _only_lock(begun: _Begun) -> Steps | None:
    """Write the lock where it alone differs; the steps where files differ. Raises Failed."""
    roots, plan, lock, found, final, text, result = begun
    sweep(roots, {*lock.files, *lock.kept, LOCK})
    if any(change.writes for change in plan.changes):
        return Steps(roots, plan, lock, found, final, text)
    if result.lock_changed:
        vacate(roots, lock, final)
        put_lock(roots.project, text, found and found.seen)
    return None


def _refused(job: Job, error: OSError) -> Failed:
    return Failed([diagnose("E309", f"cannot build in {job.folder}: {reason(error)}", help=AGAIN)])


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
