"""A dashboard as we think of it: rows of panels, each a question with its queries. `classic` writes it for Grafana."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["timeseries", "stat", "gauge", "bargauge", "heatmap", "table", "state-timeline"]

COLUMNS = 24
"""Width of Grafana's grid."""

WIDTHS: dict[Kind, int] = {"stat": 4, "gauge": 4, "bargauge": 8, "table": 8, "state-timeline": 12}
HEIGHTS: dict[Kind, int] = {"stat": 4, "gauge": 4}
WIDTH, HEIGHT = 8, 8


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel.

    Attributes:
        expression: PromQL, made by `queries`.
        legend: name of a series, `{{label}}` for a label's value.
    """

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """The value from which somebody is called.

    Attributes:
        value: in the panel's unit.
        bad: the side of it on which things are bad.
        where: what the limit is, as the end of a sentence about the line.
    """

    value: float
    bad: Literal["above", "below"] = "above"
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        key: stable name within the dashboard; the panel's id follows from it and from nothing else.
        title: what it shows.
        text: what a person should look at.
        kind: panel type of Grafana.
        queries: those that nothing exports are left out, and the panel with the last of them.
        unit: unit of Grafana (`reqps`, `s`, `percentunit`, `bytes`, `currencyUSD`).
        limit: drawn as a line, or as the colour of a number.
        alerts: what the spec's alerts on it are called; their runbooks are linked.
        now: asked for the end of the time range only, not along it.
        low: lower end of the axis.
        high: upper end of the axis.
        stacked: series add up.
        words: text and colour of single values.
        width: columns of 24; the kind's own otherwise.
        height: as `width`.
    """

    key: str
    title: str
    text: str
    queries: tuple[Query, ...]
    kind: Kind = "timeseries"
    unit: str = "short"
    limit: Limit | None = None
    alerts: tuple[str, ...] = ()
    now: bool = False
    low: float | None = 0
    high: float | None = None
    stacked: bool = False
    words: tuple[tuple[float, str, str], ...] = ()
    width: int = 0
    height: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines of the grid."""
        return self.width or WIDTHS.get(self.kind, WIDTH), self.height or HEIGHTS.get(self.kind, HEIGHT)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    key: str
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard.

    Attributes:
        key: as `monitoring.dashboards` names it.
        title: what it is called, behind the project's name.
        text: what it answers.
        anchor: family whose labels fill the variables.
        rows: from top to bottom.
    """

    key: str
    title: str
    text: str
    anchor: str
    rows: tuple[Row, ...]
