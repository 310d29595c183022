"""The rollout over time: the canary's share of the traffic, step by step, with every look at it."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from mlopsgen.overview import values
from mlopsgen.overview.delivery import Plan, Step
from mlopsgen.overview.svg import element, picture, text, width

WIDTH, HEIGHT = 1030.0, 290.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 16.0, 26.0, 34.0
MOST_LOOKS = 240
"""More marks than these are no marks any more."""


def draw(plan: Plan, key: str) -> Markup:
    """A step chart; `key` is its own on the page."""
    canvas = _Canvas(plan.length)
    shapes = [*_grid(canvas), *_looks(canvas, plan), *_area(canvas, plan)]
    last = -1000.0
    for step in plan.steps:
        here = canvas.x(step.start)
        shapes += _step(canvas, step, names=here - last > 30, room=canvas.x(step.end) - here)
        last = here if here - last > 30 else last
    said = ", ".join(f"{values.share(each.share)} from {values.span(each.start or 0)} on" for each in plan.steps)
    said = said.replace("from 0ms on", "at once")
    title = "The canary's share of the traffic over time, at the earliest"
    text_ = f"{said}; all traffic is its own after {values.span(plan.length)}."
    return picture(key, title, text_, (WIDTH, HEIGHT), shapes)


def marks(plan: Plan) -> bool:
    """Whether each look is marked."""
    return plan.length / plan.rollout.check_every <= MOST_LOOKS


class _Canvas:
    def __init__(self, length: float) -> None:
        self.length = length

    def x(self, seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * seconds / self.length

    def y(self, share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _grid(canvas: _Canvas) -> Iterator[Markup]:
    for percent in (0, 25, 50, 75, 100):
        y = canvas.y(percent / 100)
        yield element("line", x1=LEFT, y1=y, x2=WIDTH - RIGHT, y2=y, class_="axis" if percent == 0 else "grid")
        yield text(LEFT - 8, y + 4, f"{percent}%", "soft", "end")


def _looks(canvas: _Canvas, plan: Plan) -> Iterator[Markup]:
    """Ticks under the axis, one for each look."""
    if not marks(plan):
        return
    every = plan.rollout.check_every
    base, path = canvas.y(0), ""
    for step in plan.steps:
        for index in range(1, int((step.end - step.start) / every + 1e-6) + 1):
            path += f"M{canvas.x(step.start + index * every):.1f} {base + 3:g}v5"
    yield element("path", d=path, class_="look")


def _area(canvas: _Canvas, plan: Plan) -> Iterator[Markup]:
    path = f"M{canvas.x(0):g} {canvas.y(0):g}"
    for step in plan.steps:
        path += f"V{canvas.y(step.share):.2f}H{canvas.x(step.end):.2f}"
    yield element("path", d=f"{path}V{canvas.y(0):g}Z", class_="area")
    yield element("path", d=path, class_="line")


def _step(canvas: _Canvas, step: Step, names: bool, room: float) -> Iterator[Markup]:
    """Its share above the line, and when it begins below the axis, where there is room."""
    start = canvas.x(step.start)
    label = values.share(step.share)
    if room > width(label, 13) + 4:
        yield text(start + 6, canvas.y(step.share) - 7, label, "name")
    if names:
        time = "start" if step.start == 0 else values.span(step.start)
        yield text(start, HEIGHT - BOTTOM + 24, time, "soft", None if step.start == 0 else "middle")
    if step.share == 1 and names:
        yield text(WIDTH - RIGHT, HEIGHT - BOTTOM + 24, values.span(step.end), "soft", "end")
