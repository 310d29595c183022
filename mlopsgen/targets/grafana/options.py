"""`options` of a panel: how its kind draws."""

from __future__ import annotations

from typing import Any

from mlopsgen.targets.grafana.model import Panel

_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_LEGEND = {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["mean", "max", "lastNotNull"]}
_TOOLTIP = {"mode": "multi", "sort": "desc"}


def options(panel: Panel) -> dict[str, Any]:
    """`options` of a panel."""
    return _OPTIONS[panel.kind] | ({"yAxis": _axis(panel)} if panel.kind == "heatmap" else {}) | _graph(panel)


def _graph(panel: Panel) -> dict[str, Any]:
    """A number of the present moment has no line behind it."""
    return {"graphMode": "none"} if panel.kind == "stat" and panel.now else {}


def _axis(panel: Panel) -> dict[str, Any]:
    return {"axisPlacement": "left", "reverse": False, "unit": panel.unit}


_OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {"legend": _LEGEND, "tooltip": _TOOLTIP},
    "stat": {
        "graphMode": "area",
        "colorMode": "value",
        "justifyMode": "auto",
        "textMode": "auto",
        "orientation": "auto",
        "reduceOptions": _LAST,
    },
    "gauge": {
        "orientation": "auto",
        "showThresholdLabels": False,
        "showThresholdMarkers": True,
        "reduceOptions": _LAST,
    },
    "bargauge": {
        "displayMode": "basic",
        "valueMode": "color",
        "orientation": "horizontal",
        "showUnfilled": True,
        "minVizWidth": 8,
        "minVizHeight": 16,
        "reduceOptions": _LAST,
    },
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "fill": "dark-orange",
            "scale": "exponential",
            "exponent": 0.5,
            "steps": 64,
            "reverse": False,
        },
        "filterValues": {"le": 1e-9},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "legend": {"show": True},
        "tooltip": {"show": True, "yHistogram": False},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
    "state-timeline": {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.9,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        "tooltip": {"mode": "single", "sort": "none"},
    },
}
