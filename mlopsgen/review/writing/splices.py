"""Where the text of a spec is cut open for an edit, and what comes in between: the ways to try, the plainest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from mlopsgen.review.writing import notation
from mlopsgen.review.writing.layout import Piece
from mlopsgen.spec.tree import Path, dotted

Splice = tuple[int, int, str]
"""Start, end, and what comes in between."""


class Refused(Exception):
    """The text cannot be changed so that it says what is asked for and nothing else: an alias or a merge is near."""


def piece_at(root: Piece, path: Path) -> Piece:
    """What is written at a path. Raises Refused where that is elsewhere."""
    found = root.find(path)
    if found is None or found.kind == "alias":
        raise Refused(f"{dotted(path)} is written elsewhere, by an alias")
    return found


def _in_flow(root: Piece, path: Path) -> bool:
    return any(piece_at(root, path[:end]).flow for end in range(len(path)))


def replaced(text: str, root: Piece, path: Path, value: Any) -> Iterator[Sequence[Splice]]:
    """A value in place of the one at a path. Raises Refused."""
    piece = piece_at(root, path)
    if piece.marked:
        raise Refused(f"{dotted(path)} has an anchor or a tag")
    flow = _in_flow(root, path)
    indent = _indent_below(text, root, path)
    for made in notation.ways(value, piece, text[piece.start : piece.end], indent, flow=flow):
        new, start = made, piece.start
        if new.startswith("\n"):
            while text[start - 1] == " ":
                start -= 1
        elif text[start - 1] not in " \n[{" or start == piece.end:
            new = f" {new}"
        yield [(start, piece.end, new)]
        yield from _behind_key(text, root, path, piece, new)


def _behind_key(text: str, root: Piece, path: Path, piece: Piece, new: str) -> Iterator[Sequence[Splice]]:
    """What stands below its key makes room for what stands beside it; a comment behind the key stays."""
    key = _key(root, path)
    line = text.rfind("\n", 0, piece.start)
    if key is not None and line > key.end and not text[line : piece.start].strip():
        below = new if new.startswith("\n") else ""
        yield [(key.end + 1, key.end + 1, "" if below else f" {new.strip()}"), (line, piece.end, below)]


def _key(root: Piece, path: Path) -> Piece | None:
    found = piece_at(root, path[:-1]).entry(str(path[-1])) if path and isinstance(path[-1], str) else None
    return found[0] if found else None


def _indent_below(text: str, root: Piece, path: Path) -> int:
    """Column of what a block at the path is made of."""
    if not path:
        return 0
    parent = piece_at(root, path[:-1])
    return parent.column + 2


def added(text: str, root: Piece, path: Path, value: Any) -> Iterator[Sequence[Splice]]:
    """An entry more at the end of a mapping or list. Raises Refused."""
    parent = piece_at(root, path[:-1])
    if parent.marked:
        raise Refused(f"{dotted(path[:-1])} has an anchor or a tag")
    key = path[-1]
    flow = parent.flow or _in_flow(root, path[:-1])
    children = parent.items or [other for _, other in parent.entries]
    heads = ["- "] if isinstance(key, int) else [f"{notation.name(key)}: ", f"{notation.quoted(key)}: "]
    for head in heads:
        if parent.flow:
            yield from _added_in_flow(text, parent, children, "" if isinstance(key, int) else head, value)
        elif not flow and children:
            pad = "\n" + " " * parent.column
            gap = "\n" if not path[:-1] and _apart(text, parent) and isinstance(value, dict | list) else ""
            at = _line_end(text, children[-1].end)
            for new in notation.fresh(value, parent.column + 2, after=head):
                yield [(at, at, gap + pad + head.rstrip() + new)]


def _added_in_flow(
    text: str, parent: Piece, children: Sequence[Piece], head: str, value: Any
) -> Iterator[Sequence[Splice]]:
    for new in (f"{head}{notation.flow(value)}", f"{head}{notation.flow(value, quote=True)}"):
        if not children:
            yield [(parent.start + 1, parent.end - 1, new)]
            continue
        last = children[-1]
        firsts = parent.items or [one for one, _ in parent.entries]
        alone = text[: firsts[-1].start].rpartition("\n")[2]
        spread = not alone.strip() and firsts[-1].start > parent.start + 1
        between = f",\n{alone}" if spread else ", "
        yield [(last.end, last.end, between + new)]


def put_before(text: str, root: Piece, path: Path, value: Any) -> Iterator[Sequence[Splice]]:
    """An entry more in front of one of a list. Raises Refused."""
    parent = piece_at(root, path[:-1])
    item = parent.items[int(path[-1])]
    if parent.flow:
        for quote in (False, True):
            yield [(item.start, item.start, f"{notation.flow(value, quote=quote)}, ")]
        return
    dash = _dash(text, parent, item)
    for new in notation.fresh(value, parent.column + 2, after="- "):
        yield [(dash, dash, f"-{new}\n{' ' * parent.column}")]


def _apart(text: str, parent: Piece) -> bool:
    """Whether the sections of the document are set apart by empty lines."""
    return any("\n\n" in text[one[1].end : other[0].start] for one, other in pairwise(parent.entries))


def _line_end(text: str, at: int) -> int:
    """The end of the line, where a comment may stand behind a value."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def dropped(text: str, root: Piece, path: Path) -> Iterator[Sequence[Splice]]:
    """An entry less. Raises Refused."""
    parent = piece_at(root, path[:-1])
    if isinstance(path[-1], int):
        pairs = [(item, item) for item in parent.items]
        index = path[-1]
    else:
        pairs = parent.entries
        index = next((at for at, (one, _) in enumerate(pairs) if one.text == path[-1]), -1)
        if index < 0:
            raise Refused(f"{dotted(path)} is not written there")
    start, end = pairs[index][0].start, pairs[index][1].end
    if parent.flow:
        yield from _dropped_in_flow(text, parent, pairs, index)
        return
    if len(pairs) == 1:
        empty = "[]" if isinstance(path[-1], int) else "{}"
        yield from _behind_key(text, root, path[:-1], parent, empty)
        yield [(parent.start, parent.end, empty)]
        return
    if isinstance(path[-1], int):
        start = _dash(text, parent, pairs[index][0])
    line = text.rfind("\n", 0, start) + 1
    after = _line_end(text, end)
    if text[line:start].strip():
        # Behind a dash: what follows takes the place.
        following = after + 1
        while text[following : following + 1] == " ":
            following += 1
        yield [(start, following, "")]
    elif after < len(text):
        yield [(line, after + 1, "")]
    else:
        yield [(max(line - 1, 0), after, "")]


def _dash(text: str, parent: Piece, item: Piece) -> int:
    """Offset of the dash in front of an item: the nearest above in the column of the list."""
    line = text.rfind("\n", 0, item.start) + 1
    first = text.rfind("\n", 0, parent.start) + 1
    while line > first and text[line + parent.column : line + parent.column + 1] != "-":
        line = text.rfind("\n", 0, line - 1) + 1
    return line + parent.column


def _dropped_in_flow(
    text: str, parent: Piece, pairs: Sequence[tuple[Piece, Piece]], index: int
) -> Iterator[Sequence[Splice]]:
    start, end = pairs[index][0].start, pairs[index][1].end
    if index + 1 < len(pairs):
        yield [(start, pairs[index + 1][0].start, "")]
    elif index:
        yield [(pairs[index - 1][1].end, end, "")]
    else:
        yield [(parent.start + 1, parent.end - 1, "")]
