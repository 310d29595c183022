"""The drift report as a page: a table of the features, and for each how it is distributed now and was before."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from mlops_runtime.data import page as html
from mlops_runtime.data.features import Counts, Features, bin_start
from mlops_runtime.data.shift import ENOUGH, Shift

BARS = 40
"""Bars of a plot at most."""

NOTHING = "nothing to compare with: there is no champion yet, or its run kept no counts of its data"

_KINDS = {"drift": "bad", "none": "good", "not enough data": "unknown"}
_DISTANCES = {"number": "Kolmogorov-Smirnov", "class": "Jensen-Shannon"}


def page(asked: Mapping[str, Any], shifts: Mapping[str, Shift], before: Features | None, window: Features) -> str:
    """The page.

    Args:
        asked: section `drift` of `params.yaml`.
        shifts: what was found, by feature.
        before: counts of the reference; None while there is no champion.
        window: counts of the training part.
    """
    if before is None:
        return html.document("Drift", [html.paragraph(NOTHING, "unknown")])
    return html.document("Drift", [*_summary(asked, shifts, before, window), *_plots(shifts, before, window)])


def _summary(
    asked: Mapping[str, Any], shifts: Mapping[str, Shift], before: Features, window: Features
) -> Iterator[str]:
    found = [name for name, shift in shifts.items() if shift.state == "drift"]
    yield html.paragraph(f"{', '.join(found)} drifted." if found else "No feature drifted.", "bad" if found else "good")
    yield html.paragraph(
        f"{window.records} records of the training part against {before.records} of the reference "
        f"({asked['reference']}). False alarms over all features together: {asked['alpha']:g} (Holm). "
        f"Smallest effect: a distance of {asked['min_effect']:g}. A feature needs {ENOUGH} records on both sides."
    )
    headers = ("feature", "distance", "value", "by chance up to", "p (Holm)", "records", "reference", "drift")
    rows = [(name, _DISTANCES[shift.kind], *numbers(shift), shift.state) for name, shift in shifts.items()]
    yield html.rows(headers, rows, [_KINDS[shift.state] for shift in shifts.values()])


def numbers(shift: Shift) -> tuple[str, ...]:
    """Distance, cut, corrected p and both sizes as people read them; `-` for what is not known."""
    sizes = tuple(str(size) for size in shift.records)
    if shift.state == "not enough data":
        return ("-", "-", "-", *sizes)
    return (f"{shift.distance:.3f}", "-" if shift.cut is None else f"{shift.cut:.3f}", f"{shift.p_holm:.4f}", *sizes)


def _plots(shifts: Mapping[str, Shift], before: Features, window: Features) -> Iterator[str]:
    for name in shifts:
        labels, now, then = shares(window.counts[name], before.counts[name])
        if labels:
            yield html.heading(name)
            yield html.bars("Bars: now. Line: the reference. Share of records.", labels, now, then)


def shares(now: Counts, then: Counts) -> tuple[list[str], list[float], list[float]]:
    """Labels and shares of at most `BARS` bars: classes by how often they come, numbers in ranges of equal width.

    The ranges end at the 99.5th percentile of both together; what lies above it is in the last. Whole numbers are not
    divided.
    """
    if not now.total or not then.total:
        return [], [], []
    if now.kind == "class":
        often = sorted(now.bins | then.bins, key=lambda bin: (-now.bins[bin] - then.bins[bin], bin))[:BARS]
        return often, [now.bins[b] / now.total for b in often], [then.bins[b] / then.total for b in often]
    pooled = sorted((bin_start(bin), bin) for bin in now.bins | then.bins)
    low, high = pooled[0][0], _quantile(pooled, now, then)
    width = max((high - low) / BARS, 1e-12)
    if all(value.is_integer() for value, _ in pooled):
        width = max(1, math.ceil((high - low) / BARS))
    bars = min(BARS, int((high - low) / width) + 1)
    heights = [[0.0] * bars, [0.0] * bars]
    for value, bin in pooled:
        bar = min(int((value - low) / width), bars - 1)
        heights[0][bar] += now.bins[bin] / now.total
        heights[1][bar] += then.bins[bin] / then.total
    return [f"{low + bar * width:.4g}" for bar in range(bars)], heights[0], heights[1]


def _quantile(pooled: list[tuple[float, int]], now: Counts, then: Counts) -> float:
    passed, wanted = 0, 0.995 * (now.total + then.total)
    for value, bin in pooled:
        passed += now.bins[bin] + then.bins[bin]
        if passed >= wanted:
            return value
    return pooled[-1][0]
