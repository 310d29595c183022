"""Where the nodes of a YAML text begin and end, character by character: what an edit of the text has to know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from mlopsgen.spec.tree import Path

_LOADER: Any = getattr(yaml, "CLoader", yaml.Loader)


class Piece:
    """A node as it is written.

    Attributes:
        kind: `scalar`, `list`, `mapping` or `alias`.
        start: offset of its first character; an anchor or a tag in front belongs to it.
        end: offset behind its last character, without what follows it on the line.
        column: of the first character, from 0.
        style: of a scalar `'`, `"`, `|`, `>` or empty; of a collection `flow` or `block`.
        marked: whether an anchor or a tag stands in front.
        entries: of a mapping, pairs of key and value.
        items: of a list.
    """

    __slots__ = ("column", "end", "entries", "items", "kind", "marked", "start", "style", "text")

    def __init__(self, kind: str, start: int, end: int, column: int, style: str, marked: bool, text: str = "") -> None:
        self.kind = kind
        self.start = start
        self.end = end
        self.column = column
        self.style = style
        self.marked = marked
        self.text = text
        self.entries: list[tuple[Piece, Piece]] = []
        self.items: list[Piece] = []

    @property
    def flow(self) -> bool:
        """Whether it is a collection in brackets or braces."""
        return self.style == "flow"

    def entry(self, key: str) -> tuple[Piece, Piece] | None:
        """Key and value of a mapping's entry."""
        return next(((one, other) for one, other in self.entries if one.text == key), None)

    def find(self, path: Path) -> Piece | None:
        """The piece at a path; None when there is none, or only through an alias."""
        here: Piece | None = self
        for part in path:
            if here is None:
                return None
            if isinstance(part, int):
                here = here.items[part] if part < len(here.items) else None
            else:
                found = here.entry(part)
                here = found[1] if found else None
        return here


def lay_out(text: str) -> Piece | None:
    """The root of the only document of a text that is known to be YAML; None when it is empty."""
    return _Reader(text).node()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_LOADER))

    def node(self, given: Any = None) -> Piece | None:
        event: Any = given or next(self._events)
        while type(event) in (yaml.StreamStartEvent, yaml.DocumentStartEvent):
            event = next(self._events)
        start, last = (event.start_mark, event.end_mark)
        marked = bool(getattr(event, "anchor", None) or getattr(event, "tag", None))
        if type(event) is yaml.AliasEvent:
            return Piece("alias", start.index, last.index, start.column, "", False)
        if type(event) is yaml.ScalarEvent:
            end = last.index
            if event.style in ("|", ">"):
                end = self._trimmed(start.index, end)
            return Piece("scalar", start.index, end, start.column, event.style or "", marked, event.value)
        if not isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            return None
        kind = "mapping" if isinstance(event, yaml.MappingStartEvent) else "list"
        piece = Piece(kind, start.index, 0, start.column, "flow" if event.flow_style else "block", marked)
        self._fill(piece)
        return piece

    def _fill(self, piece: Piece) -> None:
        pending: Piece | None = None
        last = piece.start
        event: Any = next(self._events)
        while type(event) not in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            child = self.node(event)
            assert child is not None
            last = child.end
            if piece.kind == "list":
                piece.items.append(child)
            elif pending is None:
                pending = child
            else:
                piece.entries.append((pending, child))
                pending = None
            event = next(self._events)
        # A block ends where its last node does: the parser goes on over comments to what comes next.
        piece.end = event.end_mark.index if piece.flow else last

    def _trimmed(self, start: int, end: int) -> int:
        """The end of a block of text, without the lines that are no more part of it."""
        body = self._text[start:end]
        return start + len(body.rstrip("\n \t")) if body.strip("|>+-0123456789 \n\t") else start + len(body.rstrip())
