"""What makes Grafana load the dashboards: provisioning files, and ConfigMaps for the sidecar of its Helm chart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mlopsgen.contract.promql import duration
from mlopsgen.project.model import Project
from mlopsgen.project.names import dashboard, labels
from mlopsgen.render.files import File
from mlopsgen.spec.traced import join, merged, traced

HOME = "/var/lib/grafana/dashboards"
LABEL = {"grafana_dashboard": "1"}
"""Label that the sidecar looks for."""


def files(project: Project, dashboards: Mapping[str, Any]) -> Iterable[File]:
    """Both provisioning files, and the ConfigMaps where there are dashboards.

    Args:
        project: the project.
        dashboards: as written, by name.
    """
    context = {"name": project.name, "path": join(HOME, "/", project.name), "sources": list(_sources(project))}
    for kind, name in (("dashboards", "dashboards"), ("datasources", "datasource")):
        path = f"provisioning/{kind}/{name}.yaml"
        yield File(path=f"monitoring/grafana/{path}", template=f"grafana/{path}", context=context)
    if dashboards:
        yield File(
            path="monitoring/grafana/configmaps.yaml",
            template="grafana/configmaps.yaml",
            context={"maps": [_map(project, name, content) for name, content in dashboards.items()]},
        )


def _sources(project: Project) -> Iterable[dict[str, Any]]:
    """One data source per Prometheus: environments may share theirs. The first one is for the last environment."""
    by_address: dict[str, list[Any]] = {}
    for each in reversed(project.environments):
        by_address.setdefault(each.monitoring.prometheus, []).append(each)
    several = len(by_address) > 1
    for index, (address, environments) in enumerate(by_address.items()):
        interval = max(each.monitoring.scrape_interval for each in environments)
        part = join("prometheus-", environments[0].name) if several else "prometheus"
        yield {
            "name": join("Prometheus of ", project.name, " in ", environments[0].name)
            if several
            else join("Prometheus of ", project.name),
            "uid": dashboard(project, part),
            "url": address,
            "default": index == 0,
            "interval": traced(duration(interval), *merged(interval)),
        }


def _map(project: Project, name: str, content: Any) -> dict[str, Any]:
    return {
        "name": join(project.name, "-dashboard-", name),
        "labels": {**labels(project, "monitoring"), **LABEL},
        "folder": project.name,
        "data": {f"{project.name}-{name}.json": _lines(content)},
    }


def _lines(content: Mapping[str, Any]) -> str:
    """A dashboard as JSON with one line per panel: a third of the file's size, and a change is still seen in a diff."""
    fields = [f"{_json(key)}:{_json(value)}" for key, value in content.items() if key != "panels"]
    panels = ",\n".join(map(_json, content["panels"]))
    return "{\n" + ",\n".join([*fields, f'"panels":[\n{panels}\n]']) + "\n}\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
