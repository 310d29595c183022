"""What dashboards know of a project: which metrics there are, which limits hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mlopsgen.contract.metrics import exported
from mlopsgen.project.alerts import impossible
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.telemetry import setup
from mlopsgen.targets.grafana.model import Board, Limit, Panel, Row
from mlopsgen.targets.grafana.queries import families


class View:
    """A project as dashboards see it.

    Attributes:
        project: the project.
        last: the environment whose limits are drawn: the one that users see.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.last: Environment = project.environments[-1]
        serving = [setup(project, each) for each in project.environments]
        # The DCGM exporter sees every GPU of a node, also those that training holds.
        self._serving = serving
        self._nodes = [each._replace(gpu=each.gpu or project.uses_gpu) for each in serving]

    def exports(self, expression: str) -> bool:
        """Whether some environment exports all that an expression reads."""
        read = families(expression)
        nodes = any(family.source == "dcgm" for family in read)
        setups = self._nodes if nodes else self._serving
        return any(not any(exported(family, each) for family in read) for each in setups)

    def kept(self, board: Board) -> Board | None:
        """The dashboard without panels that nothing fills; None when none is left."""
        rows = []
        for row in board.rows:
            panels = tuple(panel for panel in map(self._panel, row.panels) if panel is not None)
            if panels:
                rows.append(Row(row.key, row.title, panels))
        return replace(board, rows=tuple(rows)) if rows else None

    def _panel(self, panel: Panel) -> Panel | None:
        queries = tuple(query for query in panel.queries if self.exports(query.expression))
        return replace(panel, queries=queries) if queries else None

    def alert(self, name: str) -> Limit | None:
        """Limit of an alert in the last environment; None when it is off there."""
        found: Any = getattr(self.last.monitoring.alerts, name)
        if found is None or impossible(name, found, self.last.monitoring.scrape_interval):
            return None
        where = f"the limit of the alert in {self.last.name}"
        low = getattr(found, "min", None)
        return Limit(low, "below", where) if low is not None else Limit(found.max, "above", where)

    def gate(self, name: str) -> Limit | None:
        """Limit of a canary's gate in the last environment; None when there is none."""
        bounds: Any = getattr(self.last.rollout.gates, name)
        if bounds is None:
            return None
        where = f"the gate of the rollout in {self.last.name}"
        return Limit(bounds.max, "above", where) if bounds.max is not None else Limit(bounds.min, "below", where)
