"""Numbers with their units, as a reader expects them."""

from __future__ import annotations

from typing import Any, Literal

Unit = Literal["percent", "duration", "number"]

SHARES = ("accuracy", "rate", "share", "ratio", "f1", "recall", "precision")
"""Last words of names of metrics that are shares."""


def share(value: float) -> str:
    """`5%`."""
    return f"{value * 100:.4g}%"


def span(seconds: float) -> str:
    """`10m`, `1h 30m`, `500ms`: the two largest units, the rest rounded."""
    if seconds < 1:
        return f"{seconds * 1000:.4g}ms"
    left, parts = round(seconds), []
    if left < 60:
        return f"{seconds:.4g}s"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def number(value: float) -> str:
    """`1,500`, `0.85`."""
    return f"{value:,.10g}"


def shown(value: float, unit: Unit) -> str:
    """A value in its unit."""
    return {"percent": share, "duration": span, "number": number}[unit](value)


def bounds(given: Any, unit: Unit) -> list[str]:
    """`at least 0.85`, `at most 2`."""
    found = [("at least", given.min), ("at most", given.max)]
    return [f"{word} {shown(value, unit)}" for word, value in found if value is not None]


def unit_of(metric: str) -> Unit:
    """Unit of a metric of the evaluation, by its name."""
    return "percent" if metric.rpartition("_")[2] in SHARES else "number"


def between(low: float, high: float, unit: str = "") -> str:
    """`4`, `4 to 20 GPUs`."""
    text = f"{low:,.10g}" if low == high else f"{low:,.10g} to {high:,.10g}"
    return f"{text} {unit}".rstrip()
