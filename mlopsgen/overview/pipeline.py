"""Stages of the compiled `dvc.yaml`, what they hand to each other, and what a model must show on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mlopsgen.overview import values
from mlopsgen.project.model import Project
from mlopsgen.review.documents import Files
from mlopsgen.review.parts import items, mapping

FILE = "dvc.yaml"


class Stage(NamedTuple):
    """A stage.

    Attributes:
        text: what it does.
        takes: paths that it reads.
        parameters: keys of `params.yaml` that it depends on.
        makes: paths that it writes.
    """

    name: str
    text: str
    command: str
    takes: tuple[str, ...]
    parameters: tuple[str, ...]
    makes: tuple[str, ...]


class Link(NamedTuple):
    """What one stage takes from another."""

    source: str
    target: str
    paths: tuple[str, ...]


class Requirement(NamedTuple):
    """What a model must show.

    Attributes:
        stage: that measures it.
        what: the quantity.
        limits: in words.
        how: how it is measured.
    """

    stage: str
    what: str
    limits: tuple[str, ...]
    how: str


def stages(files: Files) -> list[Stage]:
    """The stages in the order of the file; none where no `dvc.yaml` is written."""
    found = mapping(mapping(files.document(FILE)).get("stages"))
    return [_stage(str(name), mapping(given)) for name, given in found.items()]


def _stage(name: str, given: dict[Any, Any]) -> Stage:
    made = [path for key in ("outs", "metrics", "plots") for path in _names(given.get(key))]
    return Stage(
        name,
        str(given.get("desc") or ""),
        str(given.get("cmd") or ""),
        tuple(_names(given.get("deps"))),
        tuple(_names(given.get("params"))),
        tuple(dict.fromkeys(made)),
    )


def _names(entries: Any) -> list[str]:
    """Entries of a list; one with options is a mapping of its name to them."""
    return [str(name) for entry in items(entries) for name in (entry if isinstance(entry, dict) else (entry,))]


def links(given: Sequence[Stage]) -> list[Link]:
    """Which stage takes what of which other one."""
    maker = {path: stage.name for stage in given for path in stage.makes}
    found: dict[tuple[str, str], list[str]] = {}
    for stage in given:
        for path in stage.takes:
            if maker.get(path, stage.name) != stage.name:
                found.setdefault((maker[path], stage.name), []).append(path)
    return [Link(source, target, tuple(paths)) for (source, target), paths in found.items()]


def sources(given: Sequence[Stage]) -> dict[str, list[str]]:
    """Paths that no stage makes, with the stages that take them."""
    made = {path for stage in given for path in stage.makes}
    found: dict[str, list[str]] = {}
    for stage in given:
        for path in stage.takes:
            if path not in made:
                found.setdefault(path, []).append(stage.name)
    return found


def requirements(project: Project) -> list[Requirement]:
    """Gates and suites of the evaluation; none where a model is registered as it is."""
    return list(_requirements(project))


def _requirements(project: Project) -> Iterator[Requirement]:
    given = project.evaluation
    for name, bounds in given.gates.items():
        limits = tuple(values.bounds(bounds, values.unit_of(name)))
        yield Requirement("evaluate", str(name), limits, "on the validation part of the data")
    if given.against_champion is not None:
        worse = f"at most {values.share(given.against_champion.max_worse)} worse than the champion"
        yield Requirement("evaluate", str(given.against_champion.metric), (worse,), "both on the same records")
    if given.benchmark is not None:
        how = f"{given.benchmark.requests:,} requests, {given.benchmark.concurrency:,} at a time"
        yield from _suite("benchmark", given.benchmark, {"latency_p95": "duration", "tokens_per_second": "number"}, how)
    if given.safety is not None:
        rates: dict[str, values.Unit] = {"refusal_rate": "percent", "over_refusal_rate": "percent"}
        yield from _suite("safety", given.safety, rates, f"on {given.safety.prompts}")
    if given.bias is not None:
        yield from _suite("bias", given.bias, {"gap": "number"}, f"on {given.bias.pairs}")


def _suite(stage: str, given: Any, quantities: dict[str, values.Unit], how: str) -> Iterator[Requirement]:
    """Quantities of a suite; one that has no limit is measured all the same."""
    for name, unit in quantities.items():
        limits = getattr(given, name)
        yield Requirement(stage, name, tuple(values.bounds(limits, unit)) if limits is not None else (), how)
