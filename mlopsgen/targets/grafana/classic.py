"""Dashboards in Grafana's classic JSON, the one that file provisioning and the sidecar load in every version.

Version 36 of the schema: Grafana 10 to 13 all lift it to their own when they load it, and what stands here is the
same in all later ones (37 is about legends, 38 about cells of tables, 39 about a transformation, 40 and 41 about
fields of the time picker, 42 about hidden series). A version that is newer than a Grafana knows has no such path.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

from mlopsgen.project.names import dashboard
from mlopsgen.targets.grafana.layout import Place, place
from mlopsgen.targets.grafana.links import INDEX
from mlopsgen.targets.grafana.model import Board, Limit, Panel, Row
from mlopsgen.targets.grafana.options import options
from mlopsgen.targets.grafana.queries import used
from mlopsgen.targets.grafana.variables import DATASOURCE, events, templating, title
from mlopsgen.targets.grafana.view import View

SCHEMA = 36
TAG = "mlopsgen"
COLORS = {"champion": "blue", "canary": "orange"}
"""A variant looks the same in every panel."""


def written(view: View, board: Board, runbooks: dict[str, str]) -> dict[str, Any]:
    """A dashboard as Grafana reads it.

    Args:
        view: the project.
        board: the dashboard; its panels have at least one query each.
        runbooks: addresses of runbooks by alert.
    """
    project = view.project
    names = used(query.expression for row in board.rows for panel in row.panels for query in panel.queries)
    return {
        "uid": dashboard(project, board.key),
        "title": title(project, board.title),
        "description": board.text,
        "tags": [TAG, project.name],
        "schemaVersion": SCHEMA,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "refresh": "30s",
        "links": _links(view, runbooks),
        "templating": templating(project, board.anchor, names),
        "annotations": events(view, names),
        "panels": [_placed(item, where, runbooks) for item, where in place(board.rows)],
    }


def identifier(key: str) -> int:
    """Id of a panel: the same for its key, whatever stands around it."""
    return crc32(key.encode()) & 0x7FFFFFFF


def _placed(item: Row | Panel, where: Place, runbooks: dict[str, str]) -> dict[str, Any]:
    place = where._asdict()
    if isinstance(item, Row):
        key = f"row {item.key}"
        return {
            "id": identifier(key),
            "type": "row",
            "title": item.title,
            "collapsed": False,
            "gridPos": place,
            "panels": [],
        }
    return {
        "id": identifier(item.key),
        "type": item.kind,
        "title": item.title,
        "description": _text(item),
        "datasource": DATASOURCE,
        "gridPos": place,
        "targets": [_target(item, index) for index in range(len(item.queries))],
        "fieldConfig": {"defaults": _defaults(item), "overrides": _overrides(item)},
        "options": options(item),
        **_more(item, runbooks),
    }


def _text(panel: Panel) -> str:
    """What to look at, and what the line is."""
    if panel.limit is None or not panel.limit.where:
        return panel.text
    mark = "Line" if panel.kind == "timeseries" else "Red"
    return f"{panel.text} {mark}: {panel.limit.where}."


def _target(panel: Panel, index: int) -> dict[str, Any]:
    query = panel.queries[index]
    form = {"heatmap": "heatmap", "table": "table"}.get(panel.kind, "time_series")
    return {
        "refId": chr(ord("A") + index),
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expression,
        "legendFormat": query.legend,
        "format": form,
        "instant": panel.now,
        "range": not panel.now,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    bounds = {"min": panel.low, "max": panel.high}
    words = {
        str(int(value)): {"text": text, "color": color, "index": index}
        for index, (value, text, color) in enumerate(panel.words)
    }
    return {
        "unit": panel.unit,
        **{name: value for name, value in bounds.items() if value is not None and panel.kind != "heatmap"},
        "color": {"mode": "thresholds" if panel.kind in ("stat", "gauge", "bargauge") else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": steps(panel.limit)},
        "mappings": [{"type": "value", "options": words}] if words else [],
        "custom": _custom(panel),
    }


def steps(limit: Limit | None) -> list[dict[str, Any]]:
    """Colours from which value on; the first reaches down without end."""
    if limit is None:
        return [{"color": "green", "value": None}]
    low, high = ("green", "red") if limit.bad == "above" else ("red", "green")
    return [{"color": low, "value": None}, {"color": high, "value": limit.value}]


def _custom(panel: Panel) -> dict[str, Any]:
    if panel.kind == "state-timeline":
        return {"lineWidth": 0, "fillOpacity": 80}
    if panel.kind != "timeseries":
        return {}
    return {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 30 if panel.stacked else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "off" if panel.limit is None else "line"},
    }


def _overrides(panel: Panel) -> list[dict[str, Any]]:
    if panel.kind != "timeseries" or all(query.legend != "{{variant}}" for query in panel.queries):
        return []
    return [
        {
            "matcher": {"id": "byName", "options": variant},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for variant, color in COLORS.items()
    ]


def _more(panel: Panel, runbooks: dict[str, str]) -> dict[str, Any]:
    links = [
        {"title": f"Runbook {name}", "url": runbooks[name], "targetBlank": True}
        for name in panel.alerts
        if name in runbooks
    ]
    hidden = {"Time": True, "Value": False}
    columns = {"id": "organize", "options": {"excludeByName": hidden, "renameByName": {"Value": "Servers"}}}
    return {
        **({"links": links} if links else {}),
        **({"transformations": [columns]} if panel.kind == "table" else {}),
    }


def _links(view: View, runbooks: dict[str, str]) -> list[dict[str, Any]]:
    """The project's other dashboards, and the runbooks."""
    shared = {"asDropdown": False, "targetBlank": False, "icon": "external link", "tooltip": ""}
    found = [
        {
            **shared,
            "title": "Dashboards",
            "type": "dashboards",
            "tags": [TAG, view.project.name],
            "url": "",
            "includeVars": True,
            "keepTime": True,
        }
    ]
    index = runbooks.get(INDEX)
    if index is not None:
        of_runbooks = {"title": "Runbooks", "type": "link", "tags": [], "url": index}
        found.append({**shared, **of_runbooks, "includeVars": False, "keepTime": False, "targetBlank": True})
    return found
