"""A dashboard: every panel at its place, with a hint of what it looks like."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from mlopsgen.overview.boards import COLUMNS, Board, Panel
from mlopsgen.overview.svg import cut, element, picture, text

COLUMN = 43.0
UNIT, HEADING = 11.0, 26.0
"""Heights of a unit of the grid, and of one that holds a heading."""
GAP = 3.0

SKETCHES = {
    "timeseries": "M0 20C10 4 16 26 28 12S44 18 56 4",
    "state-timeline": "M0 8h18M22 8h10M36 8h20M0 18h30M34 18h22",
    "heatmap": "M0 6h8M12 6h8M24 6h8M36 6h8M0 14h8M12 14h20M36 14h8M0 22h44",
    "table": "M0 4h56M0 12h56M0 20h56M18 2v20",
    "bargauge": "M0 4h50M0 12h32M0 20h18",
    "barchart": "M4 24V10M16 24V4M28 24V14M40 24V8",
    "piechart": "M28 12m-11 0a11 11 0 1 0 22 0a11 11 0 1 0-22 0M28 12V1M28 12l9 6",
    "gauge": "M8 22a20 20 0 0 1 40 0M28 22l9-11",
}
"""Lines in a field of 56 by 24, by type of panel."""

TYPES = {
    "timeseries": "time series",
    "bargauge": "bars",
    "barchart": "bars",
    "piechart": "pie",
    "state-timeline": "states",
}


def draw(board: Board) -> Markup:
    """The layout of a dashboard."""
    top, height = _heights(board)
    shapes: list[Markup] = []
    for panel in board.panels:
        y, end = top[int(panel.y)], top[min(int(panel.y + panel.h), len(top) - 1)]
        shapes += _heading(panel, y) if panel.type == "row" else _panel(panel, y, end - y)
    said = ", ".join(panel.title for panel in board.shown)
    title = f"Layout of the dashboard {board.title}"
    return picture(f"board-{board.name}", title, f"Panels: {said}.", (COLUMNS * COLUMN, height), shapes)


def _heights(board: Board) -> tuple[list[float], float]:
    """Where each line of the grid begins: headings need more room than a unit has."""
    bottom = int(max((panel.y + panel.h for panel in board.panels), default=0))
    headings = {int(panel.y) for panel in board.panels if panel.type == "row"}
    top = [0.0]
    for line in range(bottom):
        top.append(top[-1] + (HEADING if line in headings else UNIT))
    return top, max(top[-1], 1.0)


def _heading(panel: Panel, y: float) -> Iterator[Markup]:
    yield text(GAP, y + HEADING - 8, panel.title, "heading")


def _panel(panel: Panel, y: float, height: float) -> Iterator[Markup]:
    x, wide, tall = panel.x * COLUMN + GAP, max(panel.w * COLUMN - 2 * GAP, 1.0), max(height - 2 * GAP, 1.0)
    inside = [
        element("rect", x=0.5, y=0.5, width=max(wide - 1, 0.0), height=max(tall - 1, 0.0), rx=5.0, class_="box"),
        text(9, 17, cut(panel.title, 12.5, wide - 14), "title"),
        text(9, 31, cut(_kind(panel), 11, wide - 14), "soft"),
    ]
    low = tall - 32
    if panel.type in SKETCHES and low > 28:
        inside.append(element("path", d=SKETCHES[panel.type], transform=f"translate(10 {low:g})", class_="sketch"))
    yield element("svg", *inside, x=x, y=y + GAP, width=wide, height=tall)


def _kind(panel: Panel) -> str:
    kind = TYPES.get(panel.type, panel.type)
    return f"{kind}, {panel.unit}" if panel.unit else kind
