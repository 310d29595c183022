"""Variables at the top of a dashboard, and the events that are marked in its panels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlopsgen.contract import promql
from mlopsgen.project.model import Project
from mlopsgen.spec.traced import join
from mlopsgen.targets.grafana.queries import ENVIRONMENT, MODEL, changes, increase, level
from mlopsgen.targets.grafana.view import View

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
"""The data source that the reader has chosen: a dashboard that names none works in every Grafana."""

AT_TIME_CHANGE = 2
ALPHABETICAL = 1
ALL = "$__all"
SERVES_ALWAYS = "model_requests_total"
"""Family that every server exports; others know no variants."""


def templating(project: Project, anchor: str, names: Iterable[str]) -> dict[str, Any]:
    """`templating` of a dashboard.

    Args:
        project: the project.
        anchor: family whose labels fill the variables.
        names: variables that its queries use.
    """
    return {"list": [_datasource(), *(_variable(project, anchor, name) for name in names)]}


def _datasource() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "options": [],
        "skipUrlSync": False,
    }


def _variable(project: Project, anchor: str, name: str) -> dict[str, Any]:
    last = project.environments[-1]
    if name == "environment":
        return _query("Environment", name, _values(anchor, "environment", {}), last.name)
    if name == "namespace":
        return _namespace(project)
    if name == "model":
        model = project.model.name or project.name
        return _query("Model", name, _values(anchor, "model_name", {"environment": ENVIRONMENT}), model)
    chosen = {"environment": ENVIRONMENT, "model_name": MODEL}
    return _query("Variant", name, _values(SERVES_ALWAYS, "variant", chosen), "All", several=True)


def _values(anchor: str, label: str, chosen: dict[str, str]) -> str:
    given = promql.family(anchor)
    part = "_count" if given.kind == "histogram" else ""
    return f"label_values({promql.selector(given, chosen, part)}, {label})"


def _query(title: str, name: str, query: str, current: str, several: bool = False) -> dict[str, Any]:
    value = [ALL] if several else current
    return {
        "name": name,
        "label": title,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": AT_TIME_CHANGE,
        "sort": ALPHABETICAL,
        "regex": "",
        "hide": 0,
        "multi": several,
        "includeAll": several,
        "current": {"selected": True, "text": [current] if several else current, "value": value},
        "options": [],
        "skipUrlSync": False,
    }


def _namespace(project: Project) -> dict[str, Any]:
    """Namespaces by environment: what watches GPUs knows no environments."""
    places = [(each.name, each.namespace) for each in project.environments]
    current = len(places) - 1
    options = [
        {"selected": index == current, "text": name, "value": namespace}
        for index, (name, namespace) in enumerate(places)
    ]
    return {
        "name": "namespace",
        "label": "Environment",
        "type": "custom",
        "query": ", ".join(f"{name} : {namespace}" for name, namespace in places),
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "current": {"selected": True, "text": places[current][0], "value": places[current][1]},
        "options": options,
        "skipUrlSync": False,
    }


def events(view: View, names: Iterable[str]) -> dict[str, Any]:
    """`annotations` of a dashboard: rollouts, versions and alerts of the chosen environment.

    Args:
        view: the project.
        names: variables of the dashboard.
    """
    found = [_builtin()]
    if "environment" in names:
        found += [_annotation(*each) for each in _events(view)]
    return {"list": found}


def _events(view: View) -> list[tuple[str, str, str, str, str]]:
    """Name, colour, query, title and tags of each kind of event."""
    project = view.project
    chosen = {"project": project.name, "environment": ENVIRONMENT, "alertstate": "firing"}
    model = {"model_name": project.model.name or project.name}
    window = promql.window(120, view.last.monitoring.scrape_interval)
    step = changes("model_rollout_step", window, **model)
    ended = increase("model_rollouts_total", ("result",), window=window, **model)
    version = level("model_version_info", variant=None, **model)
    new = promql.aggregate("count", f"{version} unless {version} offset 10m", ("variant", "version"))
    found = [
        ("Canary moves", "orange", f"{step} > 0", "The canary took a step", "model_name"),
        ("Rollouts", "blue", f"{ended} > 0", "Rollout {{result}}", "result"),
        ("Versions", "purple", new, "Version {{version}} serves as {{variant}}", "variant,version"),
    ]
    alerts = f"ALERTS{promql.matchers(chosen)}"
    return [
        *(each for each in found if view.exports(each[2])),
        ("Alerts", "red", alerts, "{{alertname}}", "severity,category"),
    ]


def _annotation(name: str, color: str, query: str, title: str, tags: str) -> dict[str, Any]:
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "expr": query,
        "step": "60s",
        "titleFormat": title,
        "tagKeys": tags,
        "useValueForTime": False,
    }


def _builtin() -> dict[str, Any]:
    """Grafana adds it to a dashboard that lacks it, and then calls the dashboard changed."""
    return {
        "name": "Annotations & Alerts",
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "type": "dashboard",
    }


def title(project: Project, name: str) -> str:
    """Title of a dashboard."""
    return join(project.name, " / ", name)
