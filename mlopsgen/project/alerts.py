"""What of `monitoring.alerts` can happen at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlopsgen.contract.promql import SCRAPES
from mlopsgen.spec.monitoring import Alerts

WINDOW = 300.0
"""Seconds over which rates are taken; four scrapes where those take longer."""


def impossible(name: str, given: Any, scrape_interval: float) -> str:
    """Why an alert can never fire, in words; empty when it can.

    Args:
        name: its name under `monitoring.alerts`.
        given: its settings.
        scrape_interval: seconds between two scrapes.
    """
    if name in ("error_rate", "gpu_memory", "traffic_drop", "drift") and given.max >= 1:
        return f"nothing is above {given.max * 100:.4g}%" if name != "drift" else "no distance is above 1"
    if name == "accuracy" and given.min <= 0:
        return "nothing is below 0%"
    span = max(WINDOW, SCRAPES * scrape_interval)
    if name == "traffic_drop" and given.for_ + span > given.compared_to:
        return f"after {given.compared_to:g} s the fall is compared with itself, before `for` and {span:g} s are over"
    return ""


def every(alerts: Alerts) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Each alert that is set, with its path below `monitoring.alerts`: ours, then the custom ones."""
    for name in ("latency_p95", "error_rate", "gpu_memory", "traffic_drop", "accuracy", "drift"):
        given = getattr(alerts, name)
        if given is not None:
            yield (name,), given
    for index, given in enumerate(alerts.custom):
        yield ("custom", index), given
