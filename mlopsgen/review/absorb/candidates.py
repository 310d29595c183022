"""Which fields of the spec to change, and to what, for a line to say what it says on disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from enum import Enum
from typing import Any, NamedTuple

from mlopsgen.review.absorb import inverse
from mlopsgen.review.absorb.hunks import Hunk
from mlopsgen.review.alternatives import choices
from mlopsgen.review.inputs import Input
from mlopsgen.review.writing import edit
from mlopsgen.spec import fields
from mlopsgen.spec.environments import OVERLAID
from mlopsgen.spec.tree import Node, Path, dotted


class Dropped(Enum):
    """The only value of its kind."""

    DROPPED = "dropped"


DROPPED = Dropped.DROPPED
"""Stands for the new value of a field that goes."""
LIKELY = 8
"""Fields that are tried because they hold the same value, where nothing was traced to the line."""


class Edit(NamedTuple):
    """One change of the spec.

    Attributes:
        value: new one; `DROPPED` when the field goes.
        old: as it is written now; None when it is not.
    """

    path: Path
    value: Any
    old: Any

    @property
    def field(self) -> str:
        """How people write it."""
        return dotted(self.path)

    def apply(self, text: str) -> str:
        """The spec with it. Raises `edit.Refused`."""
        return edit.drop(text, self.path) if self.value is DROPPED else edit.put(text, self.path, self.value)


class Known(NamedTuple):
    """What is known of the spec and of where lines come from.

    Attributes:
        resolved: the document with its defaults, as plain data.
        traced: names of the fields that were seen on a line of a file, from 1.
        reached: fields that a line depends on, found by trying; takes seconds.
    """

    tree: Node
    resolved: Mapping[str, Any]
    inputs: list[Input]
    traced: Callable[[str, int], list[str]]
    reached: Callable[[str, int], list[Input]]


Group = list[Edit]
"""Changes that say the same: of the field itself, and of an environment that the file belongs to."""


def groups(hunk: Hunk, known: Known, built: Mapping[str, list[str]]) -> Iterator[Group]:
    """Changes to try, the likeliest first; each once."""
    seen: set[str] = set()
    for path, value in _every(hunk, known, built[hunk.key]):
        found = [one for one in _placed(path, value, hunk, known) if repr((one.path, one.value)) not in seen]
        seen |= {repr((one.path, one.value)) for one in found}
        if found:
            yield found


def _every(hunk: Hunk, known: Known, built: list[str]) -> Iterator[tuple[Path, Any]]:
    if hunk.kind == "change":
        yield from _changed(hunk, known)
    elif hunk.kind == "remove":
        yield from _removed(hunk, known)
    else:
        yield from _added(hunk, known, built)


def _changed(hunk: Hunk, known: Known) -> Iterator[tuple[Path, Any]]:
    pairs = inverse.pairs(hunk.old[0], hunk.new[0])
    traced = _inputs(known, known.traced(hunk.key, hunk.line))
    likely = _likely(hunk.old[0], pairs, [each for each in known.inputs if each not in traced])
    tried = False
    line = _squeezed(hunk.old[0])
    # Of two, the one whose name is on the line; of two such, the one that was traced to it.
    for given in sorted((*traced, *likely), key=lambda each: not _is_named(each, line)):
        for old, new in pairs:
            for value in inverse.values(given.value, old, new):
                tried = True
                yield given.path, value
    if (not traced or not tried) and any(inverse.is_derivable(old, new) for old, new in pairs):
        for given in sorted(known.reached(hunk.key, hunk.line), key=lambda each: not _is_named(each, line)):
            for old, new in pairs:
                yield from ((given.path, value) for value in inverse.values(given.value, old, new))
            yield from ((given.path, choice) for choice in _choices(given.path) if choice != given.value)


def _inputs(known: Known, names: Iterable[str]) -> list[Input]:
    wanted = set(names)
    return [each for each in known.inputs if each.kind == "value" and each.field in wanted]


def _likely(line: str, pairs: list[tuple[str, str]], given: list[Input]) -> list[Input]:
    """Fields that hold what the line says: those whose name is on the line, or else any; booleans only then."""
    squeezed = _squeezed(line)
    texts = {old for old, _ in pairs if old}
    found: list[tuple[bool, bool, int, Input]] = []
    for each in given:
        if each.kind != "value" or isinstance(each.value, list | dict) or each.value is None:
            continue
        named = _is_named(each, squeezed)
        if isinstance(each.value, bool):
            fits = named and bool(texts & {"true", "false"})
        else:
            numbers = {inverse.number(text) for text in texts} - {None}
            fits = str(each.value) in texts or inverse.number(each.value) in numbers
        if fits:
            found.append((not named, each.span is None, len(found), each))
    found.sort(key=lambda one: one[:3])
    return [each for unnamed, *_, each in found if not unnamed or found[0][0]][:LIKELY]


def _squeezed(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())


def _is_named(given: Input, squeezed: str) -> bool:
    """Whether a line bears the name of a field, however that is spelled there."""
    name = next((part for part in reversed(given.path) if isinstance(part, str)), "")
    return _squeezed(name) in squeezed


def _choices(path: Path) -> list[Any]:
    """The words that the language has for a field."""
    place = fields.find(tuple(part for part in path if isinstance(part, str)))
    return list(choices(place.field.annotation)) if place and place.field else []


def _removed(hunk: Hunk, known: Known) -> Iterator[tuple[Path, Any]]:
    lines = range(hunk.line, hunk.line + len(hunk.old))
    names = [set(known.traced(hunk.key, line)) for line in lines]
    given = _inputs(known, set().union(*names))
    for each in given:
        yield each.path, DROPPED
        ends = [at + 1 for at, part in enumerate(each.path) if isinstance(part, int) and at + 1 < len(each.path)]
        for end in reversed(ends):
            only = each.path[:end] == ("patches", 0) and len(known.tree.value["patches"].value) == 1
            yield ("patches",) if only else each.path[:end], DROPPED
    if not given and not hunk.key.endswith(".json"):  # no switch takes a key out of a dashboard
        for each in known.reached(hunk.key, hunk.line):
            if isinstance(each.value, bool):
                yield each.path, not each.value
            elif each.span is not None:
                yield each.path, DROPPED


def _added(hunk: Hunk, known: Known, built: list[str]) -> Iterator[tuple[Path, Any]]:
    """An entry behind, or before, one of the same list; a key beside others of its section."""
    if len(hunk.new) != 1:
        return
    said = inverse.value_of(hunk.new[0])
    key = re.match(r'\s*"?([\w-]+)"?:', hunk.new[0])
    for line, behind in ((hunk.line - 1, 1), (hunk.line, 0)):
        if not 1 <= line <= len(built) or said is None:
            continue
        beside = inverse.value_of(built[line - 1])
        for each in _inputs(known, known.traced(hunk.key, line)):
            if isinstance(each.path[-1], int) and beside is not None:
                whole = deepcopy(_at(known.resolved, known.tree, each.path[:-1]))
                for value in inverse.values(each.value, beside, said):
                    yield each.path[:-1], [*whole[: each.path[-1] + behind], value, *whole[each.path[-1] + behind :]]
            elif key and isinstance(each.path[-1], str):
                path = (*each.path[:-1], key[1])
                if fields.find(path) is not None and known.tree.find(path) is None:
                    yield path, inverse.plain(said)


def _placed(path: Path, value: Any, hunk: Hunk, known: Known) -> Iterator[Edit]:
    """The change of the field, and of the environment's overlay where the file is an environment's."""
    own = (path, value) if _is_written(path, known) else _whole(path, value, known)
    node = known.tree.find(own[0])
    if own[1] is not DROPPED or node is not None:
        yield Edit(*own, node.plain() if node is not None else None)
    environments = known.tree.find(("environments",))
    if path[0] not in OVERLAID or environments is None or not isinstance(environments.value, dict):
        return
    path, value = _whole(path, value, known)
    if value is DROPPED:
        return
    if len(environments.value) > 1:
        for name in environments.value:
            if f"/{name}/" in f"/{hunk.key}":
                over = ("environments", name, *path)
                node = known.tree.find(over)
                yield Edit(over, value, node.plain() if node is not None else None)


def _is_written(path: Path, known: Known) -> bool:
    """Whether a change inside of a list is one of a list that is there."""
    cut = next((at for at, part in enumerate(path) if isinstance(part, int)), len(path))
    return cut == len(path) or known.tree.find(path[:cut]) is not None


def _whole(path: Path, value: Any, known: Known) -> tuple[Path, Any]:
    """A change inside of a list as one of the list: one that is a default, or that an overlay replaces."""
    cut = next((at for at, part in enumerate(path) if isinstance(part, int)), len(path))
    if cut == len(path):
        return path, value
    whole = deepcopy(_at(known.resolved, known.tree, path[:cut]))
    here = whole
    for part in path[cut:-1]:
        here = here[part]
    if value is DROPPED:
        del here[path[-1]]
    else:
        here[path[-1]] = value
    return path[:cut], whole


def _at(resolved: Mapping[str, Any], tree: Node, path: Path) -> Any:
    node = tree.find(path)
    if node is not None and node.value is not None:
        return node.plain()
    here: Any = resolved
    for part in path:
        here = here[part]
    return here
