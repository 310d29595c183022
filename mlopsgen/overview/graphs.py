"""The three views of a project as nodes and arrows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from mlopsgen.overview import delivery, pipeline, values
from mlopsgen.overview.alerts import Alert, Record, alerts, records
from mlopsgen.project.model import Environment, Project
from mlopsgen.review import words
from mlopsgen.review.documents import Files

View = Literal["pipeline", "environments", "monitoring"]
Kind = Literal["step", "store", "gate", "person", "place", "metric", "record", "critical", "warning", "info", "way"]

MOST_METRICS = 4
"""An alert that asks for more metrics has one node for all of them."""


class Node(NamedTuple):
    """A node; `key` is its own in all views, `lines` are what it says."""

    key: str
    kind: Kind
    lines: tuple[str, ...]


class Edge(NamedTuple):
    """An arrow from one key to another; `back` is one that undoes."""

    source: str
    target: str
    label: str = ""
    back: bool = False


class Graph(NamedTuple):
    """A view; `missing` says why it is empty."""

    view: View
    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    missing: str = ""


def graph(view: View, project: Project, files: Files) -> Graph:
    """A view of a project."""
    title, make, missing = _VIEWS[view]
    parts = list(make(project, files))
    nodes = {part.key: part for part in parts if isinstance(part, Node)}
    edges = dict.fromkeys(part for part in parts if isinstance(part, Edge))
    return Graph(view, title, tuple(nodes.values()), tuple(edges), "" if nodes else missing)


def joined(given: Sequence[Graph]) -> list[Edge]:
    """Arrows from one view to another: what is registered is released, an alert starts the pipeline."""
    keys = {each.view: [node.key for node in each.nodes] for each in given}
    found = []
    steps = [key for key in keys.get("pipeline", ()) if key.startswith("stage ")]
    if "stage register" in steps and "registry" in keys.get("environments", ()):
        found.append(Edge("stage register", "registry"))
    if steps and "retrain" in keys.get("monitoring", ()):
        found.append(Edge("retrain", steps[0]))
    return found


Part = Node | Edge


def _pipeline(project: Project, files: Files) -> Iterator[Part]:
    stages = pipeline.stages(files)
    wanted = pipeline.requirements(project)
    for path, takers in pipeline.sources(stages).items():
        yield Node(f"data {path}", "store", (path,))
        yield from (Edge(f"data {path}", f"stage {taker}") for taker in takers)
    for stage in stages:
        lines = [stage.name]
        if stage.parameters:
            lines.append("parameters: " + ", ".join(stage.parameters))
        if stage.name == "gate":
            lines += [f"{each.what} {' and '.join(each.limits)}" for each in wanted if each.limits]
        yield Node(f"stage {stage.name}", "gate" if stage.name == "gate" else "step", tuple(lines))
    for link in pipeline.links(stages):
        names = ", ".join(path.rpartition("/")[2] for path in link.paths)
        yield Edge(f"stage {link.source}", f"stage {link.target}", names)


def _environments(project: Project, files: Files) -> Iterator[Part]:
    yield Node("registry", "store", ("model registry", str(project.model.name)))
    before, label = "registry", ""
    for each in project.environments:
        place, canary, person = (f"{kind} {each.name}" for kind in ("environment", "canary", "approval"))
        if each.approval:
            yield Node(person, "person", (f"a person approves {each.name}",))
            yield Edge(before, person, label)
            before, label = person, ""
        if each.canary:
            yield Node(canary, "gate", tuple(_canary(each)))
            yield Edge(before, canary, label)
            yield Edge(canary, place, "gates pass")
            yield Edge(canary, "registry", "gates fail: taken back", back=True)
        else:
            yield Edge(before, place, label)
        yield Node(place, "place", tuple(_place(each)))
        test = delivery.experiment(each)
        if test is not None:
            text = f"{values.share(test.traffic)} of the users, compared by {test.metric}"
            yield Node(f"experiment {each.name}", "gate", (f"experiment in {each.name}", text))
            yield Edge(place, f"experiment {each.name}")
        before, label = place, "promotes"


def _canary(given: Environment) -> Iterator[str]:
    rollout = given.rollout
    yield f"canary in {given.name}"
    yield " → ".join(values.share(step) for step in rollout.steps)
    yield f"each for {values.span(rollout.hold)} at least, by {rollout.engine}"


def _place(given: Environment) -> Iterator[str]:
    yield given.name
    yield f"namespace {given.namespace}" + (f", branch {given.branch}" if given.branch else "")
    yield str(given.serving.image)
    yield f"{delivery.servers(given)}, {delivery.gpus(given)}"
    if given.url is not None:
        yield str(given.url)


def _monitoring(project: Project, files: Files) -> Iterator[Part]:
    found = alerts(project, files)
    asked = {name for each in found for name in each.records}
    for record in records(files):
        if record.name in asked:
            yield from _record(record)
    twins = Counter((each.name, each.severity) for each in found)
    for each in found:
        where = f"in {words.listed(each.environments)}" if twins[each.name, each.severity] > 1 else ""
        key = f"alert {each.name} {each.severity} {where}".rstrip()
        yield from _alert(each, key, where)
        yield from _told(each, key)
    if any(each.retrain for each in found):
        limits = project.environments[-1].monitoring.notify.retrain
        pace = f"at most {limits.max_per_day:,} a day, {values.span(limits.min_interval)} apart"
        yield Node("retrain", "step", ("a training starts", pace))


def _record(record: Record) -> Iterator[Part]:
    yield Node(f"record {record.name}", "record", (record.name, "over " + ", ".join(record.windows)))
    yield from _metrics(record.metrics, f"record {record.name}")


def _metrics(names: Sequence[str], target: str) -> Iterator[Part]:
    if len(names) > MOST_METRICS:
        yield Node(f"metrics {target}", "metric", (f"{len(names)} metrics",))
        yield Edge(f"metrics {target}", target)
        return
    for name in names:
        yield Node(f"metric {name}", "metric", (name,))
        yield Edge(f"metric {name}", target)


def _alert(given: Alert, key: str, where: str) -> Iterator[Part]:
    limits = " or ".join(each.shown for each in given.limits)
    rule = f"{limits} for {given.hold}" if limits else f"for {given.hold}"
    kind: Kind = given.severity if given.severity in ("critical", "warning", "info") else "info"  # type: ignore[assignment]
    yield Node(key, kind, (given.name, f"{given.severity}, {rule}", *([where] if where else [])))
    yield from _metrics(given.metrics, key)
    yield from (Edge(f"record {name}", key) for name in given.records)


def _told(given: Alert, key: str) -> Iterator[Part]:
    for receiver in given.told:
        yield Node(f"receiver {receiver.name}", "step", (f"receiver {receiver.name}",))
        yield Edge(key, f"receiver {receiver.name}")
        for way in receiver.ways:
            if given.retrain and way.kind == "webhook":
                yield Edge(f"receiver {receiver.name}", "retrain", "webhook")
            else:
                yield Node(f"way {way.shown}", "way", (way.shown,))
                yield Edge(f"receiver {receiver.name}", f"way {way.shown}")


_VIEWS: dict[View, tuple[str, Callable[[Project, Files], Iterator[Part]], str]] = {
    "pipeline": ("Pipeline", _pipeline, "mlopsgen writes no dvc.yaml here"),
    "environments": ("Environments", _environments, ""),
    "monitoring": ("Monitoring", _monitoring, "mlopsgen writes no alerts here"),
}
VIEWS: tuple[View, ...] = tuple(_VIEWS)
