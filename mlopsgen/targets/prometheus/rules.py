"""All rules of some environments, in groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from mlopsgen.contract.promql import duration
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import dashboard
from mlopsgen.spec.traced import join, merged, traced
from mlopsgen.targets.prometheus import custom, hardware, lifecycle, service, slo, telemetry
from mlopsgen.targets.prometheus.model import Alert, Record, template

RUNBOOKS = "docs/runbooks"
DASHBOARDS = "monitoring/dashboards"


class Group(NamedTuple):
    """Rules that are evaluated one after another."""

    name: str
    records: tuple[Record, ...]
    alerts: tuple[Alert, ...]


_latest: list[tuple[Project, tuple[Environment, ...], list[Group]]] = []
"""Rules, their proofs, dashboards and runbooks of one build ask for the same groups."""


def groups(project: Project, environments: Iterable[Environment]) -> list[Group]:
    """The rules of some environments; a group without rules is left out."""
    given = tuple(environments)
    if _latest and _latest[0][0] is not project:
        _latest.clear()
    for _, before, found in _latest:
        if len(before) == len(given) and all(one is other for one, other in zip(before, given, strict=True)):
            return list(found)
    made = _groups(project, given)
    _latest.append((project, given, made))
    return list(made)


def _groups(project: Project, given: tuple[Environment, ...]) -> list[Group]:
    found = _watching(project, given)
    uses = {each.name: telemetry.used(_expressions(_watching(project, (each,)))) for each in given}
    absent = telemetry.missing(project, uses, given)
    found.append(Group("telemetry", (), (*telemetry.exporters(project, given), *absent)))
    return [group for group in found if group.records or group.alerts]


def _watching(project: Project, given: tuple[Environment, ...]) -> list[Group]:
    """The groups that look at the system; what they use is looked after by one more."""
    return [
        Group("service", (), tuple(service.alerts(project, given))),
        Group("objectives", tuple(slo.records(project, given)), tuple(slo.alerts(project, given))),
        Group("lifecycle", (), tuple(lifecycle.alerts(project, given))),
        Group("hardware", (), tuple(hardware.alerts(project, given))),
        Group("custom", (), tuple(custom.alerts(project, given))),
    ]


def _expressions(found: Iterable[Group]) -> list[str]:
    """What the rules of some groups ask."""
    every: list[str] = []
    for group in found:
        every += [record.expr for record in group.records]
        every += [alert.expr for alert in group.alerts]
    return every


def document(project: Project, found: Iterable[Group]) -> dict[str, Any]:
    """`groups:` as Prometheus reads it."""
    return {
        "groups": [
            {
                "name": join(project.name, "-", group.name),
                "rules": [*map(_record, group.records), *(rule(project, alert) for alert in group.alerts)],
            }
            for group in found
        ]
    }


def _record(given: Record) -> dict[str, Any]:
    found: dict[str, Any] = {"record": given.name, "expr": given.expr}
    return {**found, "labels": dict(given.labels)} if given.labels else found


def rule(project: Project, given: Alert) -> dict[str, Any]:
    """An alerting rule."""
    sources = merged(*given.sources)
    return {
        "alert": given.name,
        "expr": given.expr if given.literal else traced(given.expr.replace(" / (", "\n/ ("), *sources),
        "for": traced(duration(given.for_), *merged(given.for_)),
        "labels": labels(project, given),
        "annotations": {
            "summary": given.summary if given.literal else template(given.summary, given.unit, given.labels),
            "description": given.description
            if given.literal
            else traced(template(given.description, given.unit, given.labels), *sources),
            **links(project, given),
        },
    }


def labels(project: Project, given: Alert) -> dict[str, Any]:
    """Labels that the rule itself gives."""
    found = {"project": project.name, "owner": project.owner, "severity": given.severity, "category": given.category}
    found |= {"retrain": "true" if given.retrain else None, **given.labels}
    return {name: value for name, value in found.items() if value is not None}


def links(project: Project, given: Alert) -> dict[str, Any]:
    """Where to read on: the runbook, and the dashboard when there is one."""
    to = project.monitoring.links
    found = {"runbook_url": join(to.runbooks or join(_folder(project), RUNBOOKS), "/", given.name, ".md")}
    if given.dashboard in project.monitoring.dashboards:
        where = join(to.grafana, "/d/", dashboard(project, given.dashboard)) if to.grafana else None
        found["dashboard_url"] = where or join(_folder(project), DASHBOARDS, "/", given.dashboard, ".json")
    return found


def _folder(project: Project) -> str:
    return join(project.folder, "/") if project.folder else ""
