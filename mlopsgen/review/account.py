"""Which changed field has which effects: each change is compiled alone, on top of the base.

Provenance of single values would not do: what a field switches on or off, leaves out or derives has no value that
remembers it. A change by itself, compiled, is right by construction, and costs a tenth of a build.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from mlopsgen.diagnostics import Failed
from mlopsgen.diagnostics.model import Span
from mlopsgen.review.compare import differences, dotted
from mlopsgen.review.documents import Files, pairs
from mlopsgen.review.effects import RANK, Effect, effects, totals


class Unit(NamedTuple):
    """Something that changed on the way in: a field of the spec, a pin, the templates, the place of the project.

    Attributes:
        name: the field's path, or words.
        span: where it stands now; where it stood, when it is gone.
        environment: the overlay that it is part of.
        old: as it is shown; empty when it comes.
        new: as it is shown; empty when it goes.
    """

    name: str
    span: Span | None
    environment: str
    old: str
    new: str


class Entry(NamedTuple):
    """Changes and what they do.

    Attributes:
        units: one, or those that are valid only together.
        effects: worst first.
    """

    units: tuple[Unit, ...]
    effects: tuple[Effect, ...]

    @property
    def kind(self) -> str:
        """Class of the worst effect."""
        return self.effects[0].kind if self.effects else "nothing"


class Account(NamedTuple):
    """What a change of the spec does.

    Attributes:
        entries: every unit, worst first.
        total: effects of all of them together.
        together: fields of the output that only change because several units change.
        cancelled: fields that a unit alone would change and that stay as they are.
    """

    entries: tuple[Entry, ...]
    total: tuple[Effect, ...]
    together: tuple[str, ...]
    cancelled: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How much of each class, in its unit; fields that change nothing under `nothing`."""
        idle = sum(len(entry.units) for entry in self.entries if entry.kind == "nothing")
        return {**totals(self.total), **({"nothing": idle} if idle else {})}


Alone = Callable[[Sequence[Unit]], Files]
"""Output of the base with some units changed. Raises Failed where that is no valid spec."""


def account(units: Sequence[Unit], base: Files, head: Files, kept: frozenset[str], alone: Alone) -> Account:
    """Attribute what differs between two outputs to what changed on the way in.

    Args:
        units: everything that changed.
        base: output before.
        head: output with all of them.
        kept: as in `effects`.
        alone: compiles some of the units.
    """
    entries: list[Entry] = []
    seen: set[str] = set()
    for group, output in _compiled(units, head, alone):
        entries.append(Entry(tuple(group), tuple(effects(base, output, kept))))
        seen |= _fields(base, output)
    every = _fields(base, head)
    ordered = sorted(entries, key=lambda entry: RANK[entry.kind])
    total = tuple(effects(base, head, kept))
    return Account(tuple(ordered), total, tuple(sorted(every - seen)), tuple(sorted(seen - every)))


def _compiled(units: Sequence[Unit], head: Files, alone: Alone) -> Iterable[tuple[list[Unit], Files]]:
    """Each unit with its output; those that are no valid spec alone together, if need be with all."""
    if len(units) == 1:
        yield list(units), head
        return
    invalid: list[Unit] = []
    valid: list[Unit] = []
    for unit in units:
        try:
            output = alone([unit])
        except Failed:
            invalid.append(unit)
        else:
            valid.append(unit)
            yield [unit], output
    if invalid:
        try:
            yield invalid, alone(invalid)
        except Failed:
            # They need some of the others as well.
            yield invalid, head


def _fields(base: Files, head: Files) -> set[str]:
    """Every field of the output that differs, as `file object: path`."""
    found = set()
    for pair in pairs(base, head):
        if pair.old is None or pair.new is None:
            found.add(pair.shown)
        else:
            found |= {f"{pair.shown}: {dotted(change.path)}" for change in differences(pair.old, pair.new)}
    return found
