"""A page of YAML being written: knows its place, writes any value as a node, remembers where each value came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mlopsgen.render.files import Commented, Origin
from mlopsgen.render.scalar import is_literal, quoted, scalar

STEP = 2
LONGEST_KEY = 1000


class Written(NamedTuple):
    """A node as written: its place (from 1) and the value that a reader must find there."""

    line: int
    column: int
    value: Any


class Sheet:
    """Text with a cursor.

    Attributes:
        line: number of the current line, from 1.
        current: text of the current line so far.
        written: every scalar, and every collection on one line, that was written.
        origins: places of values with known origins.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.line = 1
        self.current = ""
        self.written: list[Written] = []
        self.origins: list[Origin] = []
        self._alone = True

    def text(self) -> str:
        """Everything written so far."""
        return "".join(self._parts)

    def write(self, text: str) -> None:
        """Append text as it is."""
        self._parts.append(text)
        newline = text.rfind("\n")
        if newline < 0:
            self.current += text
        else:
            self.line += text.count("\n")
            self.current = text[newline + 1 :]

    def value(self, value: Any, indent: int, *, flow: bool = False, alone: bool = True) -> None:
        """Write a value at the cursor.

        Args:
            value: scalar, mapping, list or `Commented`; an empty collection stands on the line.
            indent: column, from 0, of the key or dash that the value belongs to. A block goes below it.
            flow: inside `[…]` or `{…}`.
            alone: nothing follows on the line, so that a text of several lines may be a block.
        """
        comment, before = "", self._alone
        if isinstance(value, Commented):
            value, comment = value.value, value.comment
        self._alone = before and alone and not comment
        if isinstance(value, Mapping) and value and not flow:
            self._break(indent, self._mapping, value)
        elif isinstance(value, Sequence) and not isinstance(value, str) and value and not flow:
            self._break(indent, self._sequence, value)
        else:
            self._space()
            self._inline(value, indent, flow)
        self._alone = before
        if comment:
            self.write(f" # {comment}")

    def raw(self, value: Any, text: str) -> None:
        """Write text as it is, remembering the origin of the value behind it."""
        column = len(self.current) + 1
        self._origin(value, column, column + len(text))
        self.write(text)

    def document(self, value: Any) -> None:
        """Write a whole document: a collection in block style from column 0, or a scalar, and a line end."""
        if isinstance(value, Mapping) and value:
            self._mapping(value, 0)
        elif isinstance(value, Sequence) and not isinstance(value, str) and value:
            self._sequence(value, 0)
        else:
            self._inline(value, 0, False)
        self.write("\n")

    def _space(self) -> None:
        if self.current and self.current[-1] in ":-" and self.current.strip():
            self.write(" ")

    def _break(self, indent: int, write: Any, value: Any) -> None:
        """Open a block: on the same line behind a dash, on the next behind a key."""
        head = self.current.rstrip(" ")
        if head.endswith(":"):
            self._trim()
            self.write("\n" + " " * (indent + STEP))
            write(value, indent + STEP)
        else:
            self._space()
            write(value, len(self.current))

    def _trim(self) -> None:
        while self._parts and self._parts[-1].endswith(" "):
            stripped = self._parts[-1].rstrip(" ")
            self._parts[-1] = stripped
            if stripped:
                break
            self._parts.pop()
        self.current = self.current.rstrip(" ")

    def _mapping(self, value: Mapping[Any, Any], indent: int) -> None:
        for index, (key, item) in enumerate(value.items()):
            if index:
                self.write("\n" + " " * indent)
            text = scalar(key, flow=True)
            if len(text) > LONGEST_KEY:
                self.write("? ")
                self._scalar(key, text)
                self.write("\n" + " " * indent + ":")
            else:
                self._scalar(key, text)
                self.write(":")
            self.value(item, indent)

    def _sequence(self, value: Sequence[Any], indent: int) -> None:
        for index, item in enumerate(value):
            if index:
                self.write("\n" + " " * indent)
            self.write("-")
            self.value(item, indent)

    def _inline(self, value: Any, indent: int, flow: bool) -> None:
        if isinstance(value, Mapping | Sequence) and not isinstance(value, str):
            self.written.append(Written(self.line, len(self.current) + 1, value))
        if isinstance(value, Mapping):
            self.write("{")
            for index, (key, item) in enumerate(value.items()):
                self.write(", " if index else "")
                self._scalar(key, quoted(key) if isinstance(key, str) else scalar(key, flow=True))
                self.write(": ")
                self._inline(item, indent, True)
            self.write("}")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            self.write("[")
            for index, item in enumerate(value):
                self.write(", " if index else "")
                self._inline(item, indent, True)
            self.write("]")
        elif isinstance(value, str) and not flow and self._alone and is_literal(value):
            self._literal(value, indent)
        else:
            self._scalar(value, scalar(value, flow=flow))

    def _scalar(self, value: Any, text: str) -> None:
        column = len(self.current) + 1
        self.written.append(Written(self.line, column, value))
        self._origin(value, column, column + len(text))
        self.write(text)

    def _literal(self, value: str, indent: int) -> None:
        column = len(self.current) + 1
        self.written.append(Written(self.line, column, value))
        self._origin(value, column, column + 1)
        pad = " " * (indent + STEP)
        body = "\n".join(pad + line if line else "" for line in value.rstrip("\n").split("\n"))
        self.write(("|" if value.endswith("\n") else "|-") + "\n" + body)

    def _origin(self, value: Any, column: int, end: int) -> None:
        paths = getattr(value, "origins", ())
        if paths:
            self.origins.append(Origin(self.line, column, end, paths))
