"""What a first spec consists of, and an account of everything that was looked at."""

from __future__ import annotations

from typing import Any, NamedTuple

from mlopsgen.diagnostics import Span
from mlopsgen.diagnostics.secrets import redacted
from mlopsgen.spec import fields
from mlopsgen.spec.tree import Node, Path, dotted

REQUIRED: tuple[Path, ...] = (("project", "name"), ("data", "raw"), ("model", "base"))
"""What no spec can do without; a model may have an `architecture` instead."""


class Taken(NamedTuple):
    """A value and its place.

    Attributes:
        note: how it was understood, where that is not plain.
    """

    path: Path
    value: Any
    file: str
    line: int
    note: str = ""


class Left(NamedTuple):
    """Something that was not taken."""

    file: str
    line: int
    what: str
    why: str


class Draft:
    """A spec in the making.

    Attributes:
        taken: by path in the spec.
        left: what the language cannot say, or says otherwise.
        skipped: files that were not read.
        unused: files that were read and say nothing that the language knows.
        hints: for fields that are missing, what they could be.
    """

    def __init__(self) -> None:
        self.taken: dict[Path, Taken] = {}
        self.left: list[Left] = []
        self.skipped: list[Left] = []
        self.unused: list[str] = []
        self.hints: dict[Path, list[str]] = {}

    def take(self, path: Path, value: Any, span: Span, note: str = "") -> None:
        """Take a value; the first one wins, and another one is told of."""
        value = _data(value)
        found = fields.find(path)
        if found is None or (
            found.section is not None and path[-1] != "replicas" and not isinstance(value, dict | list)
        ):
            self.leave(span, _told(path, value), "the language has no such field")
            return
        known = self.taken.get(path)
        if known is None:
            self.taken[path] = Taken(path, value, span.file, span.line, note)
        elif known.value != value:
            self.leave(span, _told(path, value), f"{dotted(path)} is taken from {known.file}:{known.line} already")

    def leave(self, span: Span, what: str, why: str) -> None:
        """Say that something is not taken. What looks like a credential is blacked out."""
        row = Left(span.file, span.line, redacted(what)[:120], why)
        if row not in self.left:
            self.left.append(row)

    def skip(self, file: str, why: str, line: int = 0) -> None:
        """Say that a file is not read."""
        self.skipped.append(Left(file, line, "", why))

    def refuse(self, path: Path, why: str) -> bool:
        """Give back what was taken at a path, or below or around it; whether there was anything."""
        about = [one for one in self.taken if one[: len(path)] == path] or [
            one for one in self.taken if path[: len(one)] == one
        ]
        for one in about:
            gone = self.taken.pop(one)
            span = Span(gone.file, gone.line, 1, gone.line, 1)
            self.leave(span, _told(gone.path, gone.value), f"the language does not accept it: {why}")
        self._count()
        return bool(about)

    def _count(self) -> None:
        """Number entries of lists anew."""
        numbers: dict[Path, int] = {}
        taken = self.taken
        self.taken = {}
        for path, one in taken.items():
            here = path
            if isinstance(path[-1], int):
                here = (*path[:-1], numbers.get(path[:-1], 0))
                numbers[path[:-1]] = numbers.get(path[:-1], 0) + 1
            self.taken[here] = one._replace(path=here)

    @property
    def missing(self) -> list[Path]:
        """Fields of `REQUIRED` that nothing was found for."""
        own = any(path[:2] == ("model", "architecture") for path in self.taken)
        return [path for path in REQUIRED if path not in self.taken and not (own and path == ("model", "base"))]


def _told(path: Path, value: Any) -> str:
    text = str(value)
    return f"{dotted(path)}: {text if len(text) <= 60 else text[:59] + '…'}"


def _data(value: Any) -> Any:
    """A value without places; what was expected to be a scalar may be anything."""
    if isinstance(value, Node):
        return value.plain()
    if isinstance(value, list):
        return [_data(one) for one in value]
    return {key: _data(one) for key, one in value.items()} if isinstance(value, dict) else value
