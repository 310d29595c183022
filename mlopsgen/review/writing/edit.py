"""Edits of the text of a spec: the value that is meant changes, every other byte stays.

What an edit makes is read again and must say exactly what was asked for; else it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any

from mlopsgen.diagnostics import Failed
from mlopsgen.review.writing import notation, splices
from mlopsgen.review.writing.layout import Piece, lay_out
from mlopsgen.review.writing.splices import Refused, Splice
from mlopsgen.spec.load import parse
from mlopsgen.spec.tree import Path, dotted

NAME = "mlops.yaml"


def put(text: str, path: Path, value: Any) -> str:
    """The text with a value at a path; what is missing above it comes.

    A mapping or list that is there already is changed in place, entry by entry.

    Args:
        text: YAML that `mlopsgen.spec.load.parse` takes.
        path: where; in a list, its length names the place behind its end.
        value: plain data.

    Raises:
        Refused: it cannot be done, or a part of the path is a scalar.
    """
    old = _read(text)
    above = _at(old, path[:-1])
    here = _get(above, path[-1]) if path else old
    if here is not _ABSENT:
        if isinstance(value, dict) and isinstance(here, dict) and here and value and not _same(here, value):
            return _merged(text, path, here, value)
        if isinstance(value, list) and isinstance(here, list) and here and value and not _same(here, value):
            return _listed(text, path, here, value)
        if _same(here, value):
            return text
        return _checked(text, _with(old, path, value), path, lambda root: splices.replaced(text, root, path, value))
    if above is _ABSENT or above is None:
        if not path[:-1]:
            raise Refused(f"{dotted(path)} has no place")
        return put(text, path[:-1], [value] if isinstance(path[-1], int) else {path[-1]: value})
    if not isinstance(above, list if isinstance(path[-1], int) else dict):
        raise Refused(f"{dotted(path[:-1])} holds a value of its own")
    return _checked(text, _with(old, path, value), path, lambda root: splices.added(text, root, path, value))


def lead(text: str, key: str, value: Any) -> str:
    """The text with a new key before all others of the document. Raises Refused."""
    expected = {key: value, **_read(text)}

    def ways(root: Piece) -> Iterator[Sequence[Splice]]:
        yield [(root.start, root.start, f"{key}: {notation.scalar(value)}\n")]
        yield from splices.added(text, root, (key,), value)

    return _checked(text, expected, (key,), ways)


def append(text: str, path: Path, value: Any) -> str:
    """The text with one more entry in a list, which comes when it is not there. Raises Refused."""
    here = _at(_read(text), path)
    return put(text, (*path, len(here) if isinstance(here, list) else 0), value)


def drop(text: str, path: Path) -> str:
    """The text without an entry of a mapping or list. Raises Refused, also when there is none."""
    old = _read(text)
    if not path or _at(old, path) is _ABSENT:
        raise Refused(f"there is no {dotted(path)}")
    expected = deepcopy(old)
    del _at(expected, path[:-1])[path[-1]]
    return _checked(text, expected, path, lambda root: splices.dropped(text, root, path))


def rename(text: str, path: Path, key: str) -> str:
    """The text with another name for a mapping's entry, in its place. Raises Refused, also when the name is taken."""
    old = _read(text)
    above = _at(old, path[:-1])
    if not isinstance(above, dict) or path[-1] not in above or key in above:
        raise Refused(f"{dotted(path)} cannot be called {key}")
    entries = {key if name == path[-1] else name: item for name, item in above.items()}
    expected = _with(old, path[:-1], entries) if path[:-1] else entries

    def ways(root: Piece) -> Iterator[Sequence[Splice]]:
        parent = splices.piece_at(root, path[:-1])
        found = parent.entry(str(path[-1]))
        if found is None:
            raise Refused(f"{dotted(path)} is not written there")
        for name in (notation.like(found[0].style, key, flow=True), notation.quoted(key)):
            yield [(found[0].start, found[0].end, name)]

    return _checked(text, expected, path, ways)


_ABSENT: Any = object()


def _read(text: str) -> Any:
    try:
        return parse(text, NAME).plain()
    except Failed as failed:
        raise Refused(failed.diagnostics[0].message) from None


def _get(value: Any, part: str | int) -> Any:
    if isinstance(value, dict) and isinstance(part, str):
        return value.get(part, _ABSENT)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return _ABSENT


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = _get(value, part)
    return value


def _with(document: Any, path: Path, value: Any) -> Any:
    """A copy of plain data with a value at a path whose parent is there."""
    if not path:
        return value
    made = deepcopy(document)
    above = _at(made, path[:-1])
    if isinstance(above, list) and path[-1] == len(above):
        above.append(value)
    else:
        above[path[-1]] = value
    return made


def _same(one: Any, other: Any) -> bool:
    """Whether two values are read alike: 1 is neither 1.0 nor true; the order of a mapping is no matter."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(item, other[key]) for key, item in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return repr(one) == repr(other)


def _merged(text: str, path: Path, old: dict[str, Any], new: dict[str, Any]) -> str:
    for key in [key for key in old if key not in new and len(old) > 1]:
        if not any(other in new for other in old):
            break
        text = drop(text, (*path, key))
    present = _at(_read(text), path)
    if any(key not in new for key in present):
        return _checked(text, _with(_read(text), path, new), path, lambda root: splices.replaced(text, root, path, new))
    for key, item in new.items():
        text = put(text, (*path, key), item)
    return text


def _listed(text: str, path: Path, old: list[Any], new: list[Any]) -> str:
    """Entry by entry: what both begin and end with stays."""
    begin = 0
    while begin < min(len(old), len(new)) and _same(old[begin], new[begin]):
        begin += 1
    end = 0
    while end < min(len(old), len(new)) - begin and _same(old[-1 - end], new[-1 - end]):
        end += 1
    shared = min(len(old), len(new)) - begin - end
    for index in range(begin, begin + shared):
        text = put(text, (*path, index), new[index])
    for index in range(len(old) - end - 1, begin + shared - 1, -1):
        text = drop(text, (*path, index))
    for index in range(begin + shared, len(new) - end):
        if index == len(_at(_read(text), path)):
            text = put(text, (*path, index), new[index])
        else:
            text = _inserted(text, (*path, index), new[index])
    return text


def _inserted(text: str, path: Path, value: Any) -> str:
    expected = deepcopy(_read(text))
    _at(expected, path[:-1]).insert(path[-1], value)
    return _checked(text, expected, path, lambda root: splices.put_before(text, root, path, value))


Ways = Callable[[Piece], Iterator[Sequence[Splice]]]


def _checked(text: str, expected: Any, path: Path, ways: Ways) -> str:
    """The first of several ways that makes a text which says what is expected. Raises Refused."""
    root = lay_out(text)
    assert root is not None
    for way in ways(root):
        made = text
        for start, end, new in sorted(way, reverse=True):
            made = made[:start] + new + made[end:]
        try:
            if _same(parse(made, NAME).plain(), expected):
                return made
        except Failed:
            continue
    raise Refused(f"{dotted(path)} cannot be changed without changing more than that")
