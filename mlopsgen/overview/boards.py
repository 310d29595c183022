"""The compiled dashboards: which panel stands where, of which type, in which unit."""

from __future__ import annotations

from typing import Any, NamedTuple

from mlopsgen.review.documents import Files
from mlopsgen.review.parts import at, mapping, mappings

FOLDER = "monitoring/dashboards/"
COLUMNS = 24

UNITS = {
    "percentunit": "share",
    "percent": "%",
    "s": "seconds",
    "ms": "milliseconds",
    "m": "minutes",
    "h": "hours",
    "reqps": "requests/s",
    "short": "number",
    "sci": "number",
    "none": "number",
    "decbytes": "bytes",
    "Bps": "bytes/s",
    "watt": "watts",
    "joule": "joules",
    "celsius": "°C",
    "rotmhz": "MHz",
}
"""Grafana's names of units in words; one that is not here stands for itself."""


class Panel(NamedTuple):
    """A panel, or a heading over those below it; `x`, `y`, `w` and `h` are in units of the grid."""

    title: str
    type: str
    unit: str
    text: str
    x: float
    y: float
    w: float
    h: float


class Board(NamedTuple):
    """A dashboard."""

    name: str
    title: str
    text: str
    panels: tuple[Panel, ...]

    @property
    def shown(self) -> list[Panel]:
        """Its panels without headings."""
        return [each for each in self.panels if each.type != "row"]


def boards(files: Files, order: tuple[str, ...] = ()) -> list[Board]:
    """Every dashboard, in the order of their names in the spec."""
    found = []
    for key in files.content:
        if key.startswith(FOLDER) and key.endswith(".json"):
            document = mapping(files.document(key))
            name = key[len(FOLDER) : -len(".json")]
            title, text = str(document.get("title") or name), str(document.get("description") or "")
            panels = tuple(_panel(each) for each in _flat(document.get("panels")))
            found.append(Board(name, title.rpartition(" / ")[2], text, panels))
    return sorted(found, key=lambda each: (order.index(each.name) if each.name in order else len(order), each.name))


def _flat(panels: Any) -> list[dict[Any, Any]]:
    """Panels in the order of the file; those of a folded row behind it."""
    return [each for panel in mappings(panels) for each in (panel, *mappings(panel.get("panels")))]


def _panel(given: dict[Any, Any]) -> Panel:
    grid = mapping(given.get("gridPos"))
    unit = at(given, "fieldConfig.defaults.unit", "")
    return Panel(
        str(given.get("title") or ""),
        str(given.get("type") or ""),
        _unit(unit) if isinstance(unit, str) else "",
        str(given.get("description") or ""),
        *(_number(grid.get(name)) for name in ("x", "y", "w", "h")),
    )


def _unit(unit: str) -> str:
    for start in ("currency", "suffix:", "prefix:"):
        unit = unit.removeprefix(start).strip()
    return UNITS.get(unit, unit)


def _number(value: Any) -> float:
    """A place or a size; a grid with more lines than this is nobody's dashboard."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return min(max(float(value), 0.0), 2000.0) if known else 0.0
