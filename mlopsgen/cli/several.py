"""Builds several specs: those that changed, several at once, each as if it were alone."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any, NamedTuple

from mlopsgen.cli.fast import ready
from mlopsgen.cli.workspace import Workspace
from mlopsgen.diagnostics import Diagnostic, Failed
from mlopsgen.output.digest import many
from mlopsgen.version import VERSION

TOGETHER = 32
"""Specs that are written in one go."""

ENOUGH = 32
"""Specs from which on another process is worth its start."""


class Options(NamedTuple):
    """How specs are built.

    Attributes:
        whole: rows name every file, not only those that change.
        held: folders that are locked already.
    """

    check: bool = False
    force: bool = False
    only_list: bool = False
    whole: bool = True
    held: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """What became of one spec.

    Attributes:
        row: for people and machines; None when it failed.
        diagnostics: errors when it failed, else warnings.
    """

    spec: str
    row: dict[str, Any] | None
    diagnostics: tuple[Diagnostic, ...]


def build(specs: Sequence[str], options: Options, jobs: int | None = None) -> Iterator[Outcome]:
    """Build specs; what comes out has their order, whatever the jobs.

    Args:
        specs: files, or folders with one.
        jobs: processes at once; left out: as many as there are cores, for enough specs.
    """
    if jobs is None:
        jobs = min(_cores(), len(specs) // ENOUGH)
    size = max(1, min(TOGETHER, len(specs) // max(1, jobs)))
    parts = [specs[start : start + size] for start in range(0, len(specs), size)]
    _place.cache_clear()
    if len(specs) > 1:
        many()
    with _held(specs, options) as held:
        options = options._replace(held=held)
        if jobs > 1 and len(parts) > 1:
            yield from _in_processes(parts, options, min(jobs, len(parts)))
            return
        yield from (outcome for part in parts for outcome in together(part, options))


def together(specs: Sequence[str], options: Options) -> list[Outcome]:
    """Build a few specs, and write all of them in one go."""
    # What comes and goes here is freed at once, so that looking for cycles would take a fourth of the time for nothing.
    looks = gc.isenabled()
    gc.disable()
    try:
        return _together(specs, options)
    finally:
        if looks:
            gc.enable()


@cache
def _place(spec: str) -> Workspace:
    return Workspace(spec)


def _together(specs: Sequence[str], options: Options) -> list[Outcome]:
    outcomes: dict[str, Outcome] = {}
    made: dict[str, tuple[Any, Any]] = {}
    for spec in specs:
        try:
            workspace = _place(spec)
            count = None
            if not (options.force or options.only_list):
                count = ready(workspace.spec, workspace.folder, workspace.repository)
            if count is None:
                made[spec] = _compiled(workspace, whole=options.check)
            else:
                outcomes[spec] = Outcome(spec, _row(workspace.spec, [], [], count, False), ())
        except Failed as failed:
            outcomes[spec] = Outcome(spec, None, failed.diagnostics)
    outcomes.update(_listed(made) if options.only_list else _written(made, options))
    return [outcomes[spec] for spec in specs]


def _compiled(workspace: Workspace, whole: bool) -> tuple[Any, Any]:
    """A compiled spec, and the job of writing it; `whole`: nothing is told from others. Raises Failed."""
    from mlopsgen.cli import compile as compiler
    from mlopsgen.cli import twins
    from mlopsgen.cli.pins import effective
    from mlopsgen.output.write import Job

    if whole:
        pins, bumps = effective(workspace)
        compiled = compiler.compile(workspace, pins)
    else:
        compiled, bumps = twins.compile(workspace)
    job = Job(
        folder=workspace.folder,
        repository=workspace.repository,
        wanted=compiled.files,
        generator_version=VERSION,
        input_digest=compiled.digest,
        pins=bumps,
        unmanaged=unmanaged(compiled),
    )
    return compiled, job


def unmanaged(compiled: Any) -> list[str]:
    """Keys of the unmanaged files: a path means the file in the project, or the one at the repository's root."""
    if not compiled.unmanaged:
        return []
    known = {file.key for file in compiled.files}
    return [f"//{path}" if path not in known and f"//{path}" in known else path for path in compiled.unmanaged]


def _listed(made: dict[str, tuple[Any, Any]]) -> Iterator[tuple[str, Outcome]]:
    for spec, (compiled, _) in made.items():
        files = [{"path": file.key, "change": "", "target": file.target} for file in compiled.files]
        yield spec, Outcome(spec, _row(_place(spec).spec, files, [], len(files), False), compiled.warnings)


def _written(made: dict[str, tuple[Any, Any]], options: Options) -> Iterator[tuple[str, Outcome]]:
    if not made:
        return
    from mlopsgen.cli.collisions import explained
    from mlopsgen.output import write

    jobs = [job for _, job in made.values()]
    results = write.together(jobs, check=options.check, force=options.force, held=options.held)
    for (spec, (compiled, job)), result in zip(made.items(), results, strict=True):
        if isinstance(result, Failed):
            yield spec, Outcome(spec, None, explained(result.diagnostics, _place(spec)))
            continue
        files = [
            {"path": change.key, "change": change.kind, "target": change.target}
            for change in result.changes
            if options.whole or change.kind not in ("unchanged", "keep", "unmanaged")
        ]
        adopted = [f"{name} {version}" for name, (version, _) in sorted((job.pins or {}).items())]
        row = _row(_place(spec).spec, files, adopted, len(result.changes), result.differs)
        yield spec, Outcome(spec, row, (*compiled.warnings, *result.diagnostics))


def _row(spec: str, files: list[dict[str, str]], pins: list[str], count: int, differs: bool) -> dict[str, Any]:
    return {"spec": spec, "files": files, "pins": pins, "count": count, "differs": differs}


def _in_processes(parts: Sequence[Sequence[str]], options: Options, jobs: int) -> Iterator[Outcome]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    import mlopsgen.cli.twins
    import mlopsgen.output.write  # noqa: F401

    forks = "fork" in multiprocessing.get_all_start_methods() and os.name == "posix"
    context = multiprocessing.get_context("fork" if forks else "spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_ignore_interrupts) as pool:
        waiting = [pool.submit(together, part, options) for part in parts]
        try:
            for done in waiting:
                yield from done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the process that was started: it lets a worker end what it is writing."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _held(specs: Iterable[str], options: Options) -> Iterator[tuple[str, ...]]:
    """Keep others away from the repositories of several specs, which each build would otherwise do for itself."""
    roots = sorted({_place(spec).repository for spec in specs}) if not (options.check or options.only_list) else []
    if len(list(specs)) < 2 or not roots:
        yield ()
        return
    from mlopsgen.output.exclusive import exclusive
    from mlopsgen.output.tree import Tree

    with ExitStack() as open_:
        trees = [Tree(root) for root in roots]
        for tree in trees:
            open_.callback(tree.close)
        open_.enter_context(exclusive(trees, 30.0))
        yield tuple(roots)


def _cores() -> int:
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available else os.cpu_count() or 1
