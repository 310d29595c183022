"""Pictures of the project in Mermaid: the pipeline, the way to users, and what is watched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from mlopsgen.contract.promql import duration
from mlopsgen.project import deploy
from mlopsgen.project.model import Environment, Project
from mlopsgen.spec.traced import Text, merged, traced
from mlopsgen.targets.alertmanager import SEVERITIES, retrains, told
from mlopsgen.targets.docs.pages import markdown
from mlopsgen.targets.dvc.stages import stages


class Edge(NamedTuple):
    """An arrow, with a label or without."""

    source: str
    target: str
    label: str = ""


def context(project: Project) -> dict[str, Any]:
    """What the template takes: nodes and arrows of three pictures."""
    return {
        "name": project.name,
        "description": markdown(project.description) if project.description else None,
        "stages": [{"id": _id("stage", name), "label": label(name)} for name, _ in stages(project)],
        "stage_edges": list(_dependencies(project)),
        "descriptions": [{"name": name, "text": stage["desc"]} for name, stage in stages(project)],
        "environments": [_environment(project, each) for each in project.environments],
        "releases": list(_releases(project)),
        "sources": list(_sources(project)),
        "receivers": list(_receivers(project)),
        "retrain": any(retrains(each.monitoring) for each in project.environments),
        "dashboards": project.targets.grafana and bool(project.monitoring.dashboards),
    }


def label(*parts: Any) -> Text:
    """Text inside the quotes of a Mermaid node: `#`, quotes and brackets as entities."""
    text = "".join(str(part) for part in parts)
    safe = "".join(f"#{ord(each)};" if each in '#"<>&;|[]{}()`' else each for each in " ".join(text.split()))
    result: Text = traced(safe, *merged(*parts))
    return result


def _id(kind: str, name: str) -> str:
    """Identifier of a node: letters, digits and `_`."""
    return f"{kind}_{''.join(each if each.isalnum() else '_' for each in str(name))}"


def _dependencies(project: Project) -> Iterator[Edge]:
    """Which stage takes what another one makes."""
    found = dict(stages(project))
    makes = {path: name for name, stage in found.items() for path in _made(stage)}
    for name, stage in found.items():
        for source in dict.fromkeys(makes[path] for path in stage.get("deps", ()) if path in makes):
            yield Edge(_id("stage", source), _id("stage", name))


def _made(stage: dict[str, Any]) -> Iterable[str]:
    for entry in (*stage.get("outs", ()), *stage.get("metrics", ())):
        yield from entry if isinstance(entry, dict) else (entry,)


def _environment(project: Project, each: Environment) -> dict[str, str]:
    shares = ", ".join(f"{share * 100:g}%" for share in each.rollout.steps)
    held = f"held {duration(each.rollout.hold)} each"
    return {
        "id": _id("environment", each.name),
        "label": label(each.name, ": namespace ", each.namespace),
        "canary": _id("canary", each.name) if each.canary else "",
        "steps": label(
            "canary ", traced(shares, *merged(*each.rollout.steps)), ", ", traced(held, *merged(each.rollout.hold))
        ),
        "decides": "Argo Rollouts" if deploy.argo(each) else "rollout controller",
        "engine": each.rollout.engine,
    }


def _releases(project: Project) -> Iterator[Edge]:
    """From the registry through the environments, with who lets a version pass."""
    before = "registry"
    for each in project.environments:
        enters = _id("canary", each.name) if each.canary else _id("environment", each.name)
        yield Edge(before, enters, "a person approves" if each.approval else "")
        if each.canary:
            yield Edge(enters, _id("environment", each.name), "gates pass")
            yield Edge(enters, "registry", "gates fail: taken back")
        before = _id("environment", each.name)


def _sources(project: Project) -> Iterator[dict[str, str]]:
    """Parts that Prometheus scrapes."""
    yield {"id": "serving", "label": label("servers, engine ", project.serving.engine)}
    yield {"id": "quality", "label": label("quality exporter")}
    if any(deploy.controlled(each) for each in project.environments):
        yield {"id": "rollout", "label": label("rollout controller")}
    yield {"id": "training", "label": label("trainer")}
    if project.uses_gpu or any(each.serving.resources.gpu > 0 for each in project.environments):
        yield {"id": "gpus", "label": label("DCGM exporter, GPUs")}


def _receivers(project: Project) -> Iterator[dict[str, str]]:
    """Who hears of alerts in the last environment, and of which."""
    notify = project.environments[-1].monitoring.notify
    hears: dict[str, list[str]] = {}
    for severity in SEVERITIES:
        for name in told(notify, severity):
            hears.setdefault(name, []).append(severity)
    for name, severities in hears.items():
        given: Any = getattr(notify, name)
        detail = {"slack": "channel", "email": "to"}.get(name)
        value = getattr(given, detail) if detail else ""
        shown = ", ".join(value) if isinstance(value, tuple) else value
        yield {
            "id": _id("receiver", name),
            "label": label(name, " ", traced(str(shown), *merged(shown))),
            "severities": ", ".join(severities),
        }
