"""Where panels stand: lines of 24 columns, filled from left to right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from mlopsgen.targets.grafana.model import COLUMNS, Panel, Row

GROWTH = 2
"""How many times its own width a panel may get where a line is not full."""


class Place(NamedTuple):
    """A rectangle of the grid."""

    x: int
    y: int
    w: int
    h: int


def place(rows: Iterable[Row]) -> Iterator[tuple[Row | Panel, Place]]:
    """Headings and panels, each with its place; none overlaps another."""
    y = 0
    for row in rows:
        yield row, Place(0, y, COLUMNS, 1)
        y += 1
        for line in lines(row.panels):
            x, height = 0, max(panel.size[1] for panel in line)
            for panel, width in zip(line, widths([panel.size[0] for panel in line]), strict=True):
                yield panel, Place(x, y, width, height)
                x += width
            y += height


def lines(panels: Iterable[Panel]) -> Iterator[list[Panel]]:
    """Panels in order, as many on a line as fit."""
    line: list[Panel] = []
    for panel in panels:
        if line and sum(other.size[0] for other in line) + panel.size[0] > COLUMNS:
            yield line
            line = []
        line.append(panel)
    if line:
        yield line


def widths(asked: Sequence[int]) -> list[int]:
    """Widths that fill a line, in proportion as asked; no panel grows beyond `GROWTH` times what it asked for."""
    total = min(COLUMNS, GROWTH * sum(asked))
    ends = [round(total * sum(asked[: index + 1]) / sum(asked)) for index in range(len(asked))]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]
