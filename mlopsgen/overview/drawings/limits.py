"""Limits on one scale, and the healthy part of a share."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from markupsafe import Markup

from mlopsgen.overview import values
from mlopsgen.overview.alerts import Limit
from mlopsgen.overview.limits import Mark, Scale
from mlopsgen.overview.svg import element, picture, text, width

WIDTH = 480.0
LEFT, RIGHT = 12.0, 20.0
BAR, ROW = 44.0, 18.0
"""Where the bar lies, and how far the lines of text are apart."""


def scale(given: Scale, key: str) -> Markup:
    """A bar with a mark for each limit, and under it what happens there."""
    largest = max(mark.value for mark in given.marks)
    end = 1.0 if given.unit == "percent" and largest > 0.4 else largest * 1.25 or 1.0
    groups = [(value, list(marks)) for value, marks in groupby(given.marks, key=lambda mark: mark.value)]
    edge = _x(groups[0][0] if given.worse == "below" else groups[-1][0], end)
    start, wide = (LEFT, edge - LEFT) if given.worse == "below" else (edge, WIDTH - RIGHT - edge)
    shapes = [
        text(LEFT, 14, given.name, "name"),
        element("rect", x=LEFT, y=BAR - 4, width=WIDTH - LEFT - RIGHT, height=8.0, rx=4.0, class_="track"),
        element("rect", x=start, y=BAR - 4, width=max(wide, 1.0), height=8.0, rx=4.0, class_="bad"),
        text(LEFT, BAR - 11, "0s" if given.unit == "duration" else values.shown(0, given.unit), "soft"),
        text(WIDTH - RIGHT, BAR - 11, values.shown(end, given.unit), "soft", "end"),
    ]
    y = BAR + 22
    for value, marks in groups:
        shapes += _marks(_x(value, end), y, values.shown(value, given.unit), marks)
        y += ROW * len(marks) + 2
    said = "; ".join(f"{values.shown(mark.value, given.unit)}: {mark.text}" for mark in given.marks)
    return picture(key, given.name, f"{said}. What lies {given.worse} is worse.", (WIDTH, y - 6), shapes)


def _x(value: float, end: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * value / end


def _marks(x: float, y: float, value: str, marks: list[Mark]) -> Iterator[Markup]:
    """A line from the bar down to its texts, which turn to the left where the right has no room."""
    look = next((mark.look for mark in marks if mark.look in ("critical", "warning")), marks[0].look)
    yield element("line", x1=x, y1=BAR - 7, x2=x, y2=y + ROW * (len(marks) - 1), class_=f"mark {look}")
    yield element("circle", cx=x, cy=BAR, r=4.5, class_=f"dot {look}")
    longest = max(width(f"{value}  {mark.text}", 12) for mark in marks)
    left = x + 8 + longest > WIDTH and x > WIDTH / 2
    for row, mark in enumerate(marks):
        spans = (element("tspan", f"{value} ", class_="name"), element("tspan", mark.text))
        place = {"x": x - 8 if left else x + 8, "y": y + ROW * row}
        yield element("text", *spans, text_anchor="end" if left else None, **place)


def ruler(given: Limit, severity: str) -> Markup:
    """A small bar from nothing to the whole with the part in which an alert fires; only for shares."""
    if given.unit != "percent" or not 0 <= given.value <= 1:
        return Markup("")
    edge = 72 * given.value
    below = given.operator.startswith("<")
    start, wide = (0.0, edge) if below else (edge, 72 - edge)
    return element(
        "svg",
        element("rect", x=0.0, y=3.0, width=72.0, height=6.0, rx=3.0, class_="track"),
        element("rect", x=start, y=3.0, width=max(wide, 1.0), height=6.0, class_=f"fires {severity}"),
        element("line", x1=edge, y1=0.0, x2=edge, y2=12.0, class_=f"mark {severity}"),
        viewBox="0 0 72 12",
        width=72.0,
        height=12.0,
        class_="ruler",
        aria_hidden="true",
    )
