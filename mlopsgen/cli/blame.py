"""What stands behind a line of a generated file that somebody finds fault with."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from mlopsgen.cli.sides import Source
from mlopsgen.diagnostics import Span
from mlopsgen.review.inputs import Input
from mlopsgen.review.origins import Made, Origins

MOST = 20
"""Lines that are looked into: each takes seconds."""
LEAST = 4
"""Characters of a line of a template that tell it from others."""

Kind = Literal["field", "patch", "pin", "template", "constant", "file", "unasked"]


class Blame(NamedTuple):
    """Where a line comes from.

    Attributes:
        kind: a field's value, a patch, a pin, a line of the user's own template, constant text of ours, a whole file,
            or nobody looked.
        inputs: whose value stands on the line, the nearest first.
        patches: numbers of patches that wrote the line, or without which nobody finds fault.
        span: where to look first; None for what the user did not write.
    """

    made: Made
    line: int
    kind: Kind
    inputs: tuple[Input, ...]
    patches: tuple[int, ...]
    span: Span | None

    @property
    def text(self) -> str:
        """The line itself."""
        return self.made.final[self.line - 1].strip() if 0 < self.line <= len(self.made.final) else ""


def blamed(
    source: Source,
    origins: Origins,
    places: Iterable[tuple[str, int]],
    step: Callable[[int, int], None],
) -> dict[tuple[str, int], Blame]:
    """Where each of some lines comes from, by key and line; line 0 stands for the whole file."""
    every = list(dict.fromkeys(places))
    found = {}
    for number, (key, line) in enumerate(every):
        made = origins.files[key]
        if not 0 < line <= len(made.final):
            found[key, line] = Blame(made, 0, "file", (), (), None)
        elif number >= MOST:
            found[key, line] = Blame(made, line, "unasked", (), (), None)
        else:
            found[key, line] = _blame(source, origins, made, line)
        step(number + 1, len(every))
    origins.forget()
    return found


def by_patches(source: Source, blame: Blame, numbers: tuple[int, ...]) -> Blame:
    """The same line, where what is wrong with it is not so without some patches."""
    return blame._replace(kind="patch", patches=numbers, span=_patch(source, numbers))


def _blame(source: Source, origins: Origins, made: Made, line: int) -> Blame:
    patches = origins.patch(made.key, line)
    reached = [one.input for one in origins.line(made.key, line) if one.role == "value"]
    inputs = tuple(sorted(reached, key=_distance))
    if patches:
        written = next((one.span for one in inputs if one.span is not None), None)
        return Blame(made, line, "patch", inputs, patches, written or _patch(source, patches))
    if made.making == "own template":
        return Blame(made, line, "template", inputs, (), _template(source, made, made.final[line - 1]))
    span = next((one.span for one in inputs if one.span is not None), None)
    if not inputs:
        return Blame(made, line, "constant", (), (), None)
    kind: Kind = "pin" if all(one.kind == "pin" for one in inputs) else "field"
    return Blame(made, line, kind, inputs, (), span)


def _distance(given: Input) -> tuple[bool, bool, int]:
    """What is written comes before defaults, a value before a name that people chose, the innermost first."""
    return given.span is None, given.kind != "value", -len(given.path)


def _patch(source: Source, numbers: tuple[int, ...]) -> Span:
    return source.tree.nearest(("patches", *numbers[:1])).span


def _template(source: Source, made: Made, row: str) -> Span:
    """The line of the user's template that the line of the file was made from, or else the field `templates`."""
    field = source.tree.nearest(("templates",))
    path = os.path.join(os.path.dirname(source.name), *str(field.value).split("/"), *made.template.split("/"))
    lines = source.overrides[made.template].split("\n")
    matching = [number for number, text in enumerate(lines, 1) if _makes(text.strip(), row.strip())]
    if len(matching) != 1:
        return field.span
    number = matching[0]
    text = lines[number - 1]
    column = len(text) - len(text.lstrip()) + 1
    return Span(path, number, column, number, max(len(text), column) + 1)


def _makes(template: str, row: str) -> bool:
    pieces = re.split(r"\[\[.*?\]\]", template)
    if sum(map(len, pieces)) < LEAST or template.startswith("[%"):
        return False
    return re.fullmatch(".*".join(map(re.escape, pieces)), row) is not None
