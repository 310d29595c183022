"""Builds several specs: those that changed, several at once, each as if it were alone."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, TypeVar

from mlopsgen.cli.fast import ready
from mlopsgen.cli.workspace import Workspace
from mlopsgen.diagnostics import Diagnostic, Failed
from mlopsgen.output.digest import many
from mlopsgen.output.statcache import StatCache
from mlopsgen.version import VERSION

TOGETHER = 32
"""Specs that are written in one go."""

ENOUGH = 32
"""Specs from which on another process is worth its start."""

LOOKED_AT = 256
"""Specs from which on another process is worth its start when they are only looked at."""

Result = TypeVar("Result")


class Options(NamedTuple):
    """How specs are built.

    Attributes:
        whole: rows name every file, not only those that change.
        held: folders that are locked already.
        remember: keep what the files of specs that are in step look like.
    """

    check: bool = False
    force: bool = False
    only_list: bool = False
    whole: bool = True
    held: tuple[str, ...] = ()
    remember: bool = False


class Outcome(NamedTuple):
    """What became of one spec.

    Attributes:
        row: for people and machines; None when it failed.
        diagnostics: errors when it failed, else warnings.
    """

    spec: str
    row: dict[str, Any] | None
    diagnostics: tuple[Diagnostic, ...]


def build(places: Mapping[str, Workspace], options: Options, jobs: int | None = None) -> Iterator[Outcome]:
    """Build specs; what comes out has their order, whatever the jobs.

    Args:
        places: by spec.
        jobs: processes at once; left out: as many as there are cores, for enough specs that are not in step.
    """
    if len(places) > 1:
        many()
    with _held(places.values(), options) as held:
        options = options._replace(held=held, remember=len(places) > 1 and not options.check)
        done: dict[str, Outcome] = {}
        if not (options.force or options.only_list):
            for found in _spread(_in_step, places, options, min(jobs or _cores(), len(places) // LOOKED_AT)):
                done.update(found)
        left = {spec: place for spec, place in places.items() if spec not in done}
        jobs = jobs or min(_cores(), len(left) // ENOUGH)
        made = (outcome for found in _spread(together, left, options, jobs) for outcome in found)
        for spec in places:
            yield done[spec] if spec in done else next(made)


def _spread(
    work: Callable[[dict[str, Workspace], Options], Result],
    places: Mapping[str, Workspace],
    options: Options,
    jobs: int,
) -> Iterator[Result]:
    """What work makes of a few specs at a time, in their order."""
    size = max(1, min(TOGETHER, len(places) // max(1, jobs)))
    items = list(places.items())
    parts = [dict(items[start : start + size]) for start in range(0, len(items), size)]
    if jobs > 1 and len(parts) > 1:
        yield from _in_processes(work, parts, options, min(jobs, len(parts)))
    else:
        yield from (work(part, options) for part in parts)


def _in_step(places: dict[str, Workspace], options: Options) -> dict[str, Outcome]:
    """The specs that are left as they are: none of their files would change."""
    found: dict[str, Outcome] = {}
    caches = {place.repository: StatCache(place.repository, options.remember) for place in places.values()}
    with _without_collecting():
        for spec, place in places.items():
            count = ready(place.spec, place.folder, place.repository, caches[place.repository])
            if count is not None:
                found[spec] = Outcome(spec, _row(place.spec, [], [], count, False), ())
    return found


def together(places: dict[str, Workspace], options: Options) -> list[Outcome]:
    """Build a few specs, and write all of them in one go."""
    outcomes: dict[str, Outcome] = {}
    made: dict[str, tuple[Any, Any]] = {}
    with _without_collecting():
        for spec, place in places.items():
            try:
                made[spec] = _compiled(place, whole=options.check)
            except Failed as failed:
                outcomes[spec] = Outcome(spec, None, failed.diagnostics)
        outcomes.update(_listed(places, made) if options.only_list else _written(places, made, options))
    return [outcomes[spec] for spec in places]


@contextmanager
def _without_collecting() -> Iterator[None]:
    """What comes and goes here is freed at once, so that looking for cycles would take a fourth of the time in vain."""
    looks = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looks:
            gc.enable()


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


def _listed(places: Mapping[str, Workspace], made: Mapping[str, tuple[Any, Any]]) -> Iterator[tuple[str, Outcome]]:
    for spec, (compiled, _) in made.items():
        files = [{"path": file.key, "change": "", "target": file.target} for file in compiled.files]
        yield spec, Outcome(spec, _row(places[spec].spec, files, [], len(files), False), compiled.warnings)


def _written(
    places: Mapping[str, Workspace], made: Mapping[str, tuple[Any, Any]], options: Options
) -> Iterator[tuple[str, Outcome]]:
    if not made:
        return
    from mlopsgen.cli.collisions import explained
    from mlopsgen.output import write

    jobs = [job for _, job in made.values()]
    results = write.together(jobs, check=options.check, force=options.force, held=options.held)
    for (spec, (compiled, job)), result in zip(made.items(), results, strict=True):
        if isinstance(result, Failed):
            yield spec, Outcome(spec, None, explained(result.diagnostics, places[spec]))
            continue
        files = [
            {"path": change.key, "change": change.kind, "target": change.target}
            for change in result.changes
            if options.whole or change.kind not in ("unchanged", "keep", "unmanaged")
        ]
        adopted = [f"{name} {version}" for name, (version, _) in sorted((job.pins or {}).items())]
        row = _row(places[spec].spec, files, adopted, len(result.changes), result.differs)
        yield spec, Outcome(spec, row, (*compiled.warnings, *result.diagnostics))


def _row(spec: str, files: list[dict[str, str]], pins: list[str], count: int, differs: bool) -> dict[str, Any]:
    return {"spec": spec, "files": files, "pins": pins, "count": count, "differs": differs}


def _in_processes(
    work: Callable[[dict[str, Workspace], Options], Result],
    parts: Sequence[dict[str, Workspace]],
    options: Options,
    jobs: int,
) -> Iterator[Result]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    if work is together:
        import mlopsgen.cli.twins
        import mlopsgen.output.write  # noqa: F401

    forks = "fork" in multiprocessing.get_all_start_methods() and os.name == "posix"
    context = multiprocessing.get_context("fork" if forks else "spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_ignore_interrupts) as pool:
        waiting = [pool.submit(work, part, options) for part in parts]
        try:
            for done in waiting:
                yield done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the process that was started: it lets a worker end what it is writing."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _held(places: Collection[Workspace], options: Options) -> Iterator[tuple[str, ...]]:
    """Keep others away from the repositories of several specs, which each build would otherwise do for itself."""
    roots = [] if options.check or options.only_list else sorted({place.repository for place in places})
    if len(places) < 2 or not roots:
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
