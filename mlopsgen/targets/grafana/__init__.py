"""Grafana: dashboards, the provisioning that loads them, and ConfigMaps for a Grafana with the sidecar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mlopsgen.project.model import Project
from mlopsgen.render.files import File
from mlopsgen.targets.grafana import provisioning
from mlopsgen.targets.grafana.boards import BOARDS
from mlopsgen.targets.grafana.classic import written
from mlopsgen.targets.grafana.links import runbooks
from mlopsgen.targets.grafana.view import View

FOLDER = "monitoring/dashboards"


def files(project: Project) -> Iterable[File]:
    """`monitoring/dashboards/*.json`, and below `monitoring/grafana/` what makes Grafana load them."""
    found = dict(dashboards(project))
    for name, content in found.items():
        yield File(path=f"{FOLDER}/{name}.json", data=content)
    yield from provisioning.files(project, found)


def dashboards(project: Project) -> Iterator[tuple[str, dict[str, Any]]]:
    """Dashboards by name, as `monitoring.dashboards` asks for; one that nothing fills is left out."""
    view = View(project)
    addresses = runbooks(project)
    for name in dict.fromkeys(project.monitoring.dashboards):
        board = view.kept(BOARDS[str(name)](view))
        if board is not None:
            yield str(name), written(view, board, addresses)
