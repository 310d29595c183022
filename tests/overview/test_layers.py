"""Places of nodes: arrows run to the right, nothing lies on anything else."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mlopsgen.overview.drawings import pipeline as drawing
from mlopsgen.overview.layers import layout
from mlopsgen.overview.pipeline import Stage

NAMES = [f"n{number}" for number in range(9)]
ARROWS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=25)


def reached(arrows: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """Every pair with a way between."""
    found = set(arrows)
    while True:
        more = {(a, d) for a, b in found for c, d in found if b == c} | found
        if more == found:
            return found
        found = more


@settings(max_examples=150, deadline=None)
@given(ARROWS)
def test_every_arrow_runs_to_the_right_through_neighbouring_layers(arrows: list[tuple[str, str]]) -> None:
    forward = [(a, b) for a, b in arrows if a < b]
    plan = layout(NAMES, forward)
    column = {name: index for index, layer in enumerate(plan.layers) for name in layer}
    assert sorted(name for name in column if "\0" not in name) == NAMES
    assert len(column) == sum(map(len, plan.layers))
    for (source, target), route in plan.routes.items():
        assert (route[0], route[-1]) == (source, target)
        assert all(column[b] - column[a] == 1 for a, b in pairwise(route))
    assert reached(list(plan.routes)) == reached(forward)


@settings(max_examples=80, deadline=None)
@given(ARROWS)
def test_circles_end_nowhere(arrows: list[tuple[str, str]]) -> None:
    plan = layout(NAMES, arrows)
    assert sorted(name for layer in plan.layers for name in layer if "\0" not in name) == NAMES


@settings(max_examples=60, deadline=None)
@given(ARROWS)
def test_no_two_nodes_overlap(arrows: list[tuple[str, str]]) -> None:
    plan = layout(NAMES, [(a, b) for a, b in arrows if a < b])
    places, (width, height) = drawing.places(plan)
    boxes = [(x, y, drawing.HEIGHT / 2 if "\0" not in name else drawing.THROUGH / 2) for name, (x, y) in places.items()]
    for index, (x, y, half) in enumerate(boxes):
        assert 0 <= x <= width - drawing.WIDTH
        assert half <= y + 1e-6
        assert y + half <= height + 1e-6
        for other, above, other_half in boxes[index + 1 :]:
            assert x != other or abs(y - above) >= half + other_half - 1e-6


def test_nothing_is_drawn_as_nothing() -> None:
    assert layout([], []).layers == []
    assert "<svg" in drawing.draw([Stage("a", "", "", (), (), ())])
