"""Where the nodes of a graph without circles stand when its arrows run from left to right.

Source: K. Sugiyama, S. Tagawa, M. Toda, Methods for Visual Understanding of Hierarchical System Structures, 1981:
layers by the longest way, stand-ins where an arrow crosses a layer, order by the mean place of neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

ROUNDS = 8


class Layout(NamedTuple):
    """Places in a grid.

    Attributes:
        layers: names in each column, from the top; stand-ins are among them.
        routes: for each arrow the names that it passes, its ends included.
    """

    layers: list[list[str]]
    routes: dict[tuple[str, str], list[str]]


Arrows = Sequence[tuple[str, str]]


def layout(names: Sequence[str], arrows: Arrows) -> Layout:
    """Places of all names; arrows that close a circle are left out, and so are those that a longer way implies."""
    kept = _reduced(names, _without_circles(names, arrows))
    depth = _depths(names, kept)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in names:
        layers[depth[name]].append(name)
    routes = {arrow: _route(arrow, depth, layers) for arrow in kept}
    steps = [pair for route in routes.values() for pair in pairwise(route)]
    for turn in range(ROUNDS):
        _sort(layers if turn % 2 == 0 else layers[::-1], steps if turn % 2 == 0 else [(b, a) for a, b in steps])
    return Layout(layers, routes)


def _without_circles(names: Sequence[str], arrows: Arrows) -> list[tuple[str, str]]:
    kept: list[tuple[str, str]] = []
    after: dict[str, set[str]] = {name: {name} for name in names}
    for source, target in arrows:
        if source in after and target in after and source not in after[target]:
            kept.append((source, target))
            for name in names:
                if source in after[name]:
                    after[name] |= after[target]
    return kept


def _reduced(names: Sequence[str], arrows: Arrows) -> list[tuple[str, str]]:
    """Without arrows from whose source another way leads to their target."""
    after = {name: _reached(name, arrows) for name in names}
    return [
        (source, target)
        for source, target in arrows
        if not any(target in after[other] for one, other in arrows if one == source and other != target)
    ]


def _reached(name: str, arrows: Arrows) -> set[str]:
    found: set[str] = set()
    open_ = [name]
    while open_:
        here = open_.pop()
        new = {target for source, target in arrows if source == here} - found
        found |= new
        open_ += sorted(new)
    return found


def _depths(names: Sequence[str], arrows: Arrows) -> dict[str, int]:
    """Length of the longest way to each name; a source stands right before the first that takes from it."""
    depth = dict.fromkeys(names, 0)
    for _ in names:
        for source, target in arrows:
            depth[target] = max(depth[target], depth[source] + 1)
    targets = {target for _, target in arrows}
    for name in names:
        takers = [depth[target] for source, target in arrows if source == name]
        if name not in targets and takers:
            depth[name] = min(takers) - 1
    return depth


def _route(arrow: tuple[str, str], depth: dict[str, int], layers: list[list[str]]) -> list[str]:
    """The ends of an arrow and a stand-in in each layer between them."""
    source, target = arrow
    between = []
    for layer in range(depth[source] + 1, depth[target]):
        between.append(f"{source}\0{target}\0{layer}")
        layers[layer].append(between[-1])
    return [source, *between, target]


def _sort(layers: list[list[str]], steps: Arrows) -> None:
    """Each layer by the mean place of what leads to it; ties stay."""
    place: dict[str, float] = {}
    for layer in layers:
        wished = {}
        for index, name in enumerate(layer):
            before = [place[source] for source, target in steps if target == name and source in place]
            wished[name] = sum(before) / len(before) if before else index + 0.5 - len(layer) / 2
        layer.sort(key=wished.__getitem__)
        place |= {name: index + 0.5 - len(layer) / 2 for index, name in enumerate(layer)}
