"""The pipeline: data, stages and the way between them, from left to right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from mlopsgen.overview.layers import Layout, layout
from mlopsgen.overview.pipeline import Link, Stage, links, sources
from mlopsgen.overview.svg import cut, element, picture, text, wrapped

WIDTH, HEIGHT = 124.0, 78.0
ACROSS, DOWN = 26.0, 16.0
THROUGH = 20.0
"""Height of a stand-in, which an arrow passes."""
MARGIN = 4.0


def draw(stages: Sequence[Stage]) -> Markup:
    """The stages of `dvc.yaml`; arrows that a longer way implies are left out."""
    found, outside = links(stages), sources(stages)
    names = [*outside, *(f"stage {each.name}" for each in stages)]
    arrows = [(path, f"stage {taker}") for path, takers in outside.items() for taker in takers]
    arrows += [(f"stage {link.source}", f"stage {link.target}") for link in found]
    plan = layout(names, arrows)
    at, size = places(plan)
    by_name = {f"stage {each.name}": each for each in stages}
    shapes = [_arrow(route, at) for route in plan.routes.values()]
    for name in names:
        shapes += _stage(by_name[name], *at[name]) if name in by_name else _data(name, *at[name])
    said = "; ".join(_said(each, found) for each in stages)
    return picture("pipeline-picture", "The pipeline, stage by stage", f"{said}.", size, shapes)


def places(plan: Layout) -> tuple[dict[str, tuple[float, float]], tuple[float, float]]:
    """Left end and middle of each name, and the size of it all."""
    tall = [sum(map(_height, layer)) + DOWN * (len(layer) - 1) for layer in plan.layers]
    height = max(tall, default=0.0)
    places = {}
    for column, layer in enumerate(plan.layers):
        y = MARGIN + (height - tall[column]) / 2
        for name in layer:
            own = _height(name)
            places[name] = (MARGIN + column * (WIDTH + ACROSS), y + own / 2)
            y += own + DOWN
    width = len(plan.layers) * (WIDTH + ACROSS) - ACROSS
    return places, (width + 2 * MARGIN, height + 2 * MARGIN)


def _height(name: str) -> float:
    return THROUGH if "\0" in name else HEIGHT


def _arrow(route: Sequence[str], places: dict[str, tuple[float, float]]) -> Markup:
    x, y = places[route[0]]
    path = f"M{x + WIDTH:g} {y:g}"
    for name in route[1:]:
        left, middle = places[name]
        bend = left - ACROSS / 2
        path += f"C{bend:g} {y:g} {bend:g} {middle:g} {left:g} {middle:g}"
        if "\0" in name:
            path += f"H{left + WIDTH:g}"
        y = middle
    x, y = places[route[-1]]
    tip = element("path", d=f"M{x - 6:g} {y - 4:g}L{x:g} {y:g}L{x - 6:g} {y + 4:g}", class_="arrow")
    return element("path", d=path, class_="arrow") + tip


def _data(path: str, x: float, y: float) -> Iterator[Markup]:
    shown = cut(path.rpartition("/")[2] or path, 14, WIDTH - 16)
    yield element("rect", x=x, y=y - 20, width=WIDTH, height=40.0, rx=20.0, class_="data")
    yield text(x + WIDTH / 2, y - 1, shown, "name", "middle")
    folder = path.rpartition("/")[0]
    yield text(x + WIDTH / 2, y + 13, cut(f"in {folder}" if folder else "data", 11, WIDTH - 24), "soft", "middle")


def _stage(given: Stage, x: float, y: float) -> Iterator[Markup]:
    look = "box gate" if given.name == "gate" else "box"
    yield element("rect", x=x, y=y - HEIGHT / 2, width=WIDTH, height=HEIGHT, rx=8.0, class_=look)
    yield text(x + 11, y - 19, cut(given.name, 14.5, WIDTH - 22), "name")
    for index, line in enumerate(wrapped(given.text, 11, WIDTH - 18, 3)):
        yield text(x + 11, y - 2 + 14 * index, line, "soft")


def _said(stage: Stage, found: Sequence[Link]) -> str:
    after = [link.source for link in found if link.target == stage.name]
    return f"{stage.name} follows {', '.join(after)}" if after else f"{stage.name} comes first"
