"""Other values that a field could have, to see what depends on it."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from mlopsgen.contract.pins import Pin
from mlopsgen.review.inputs import Input, State, filled, node, put
from mlopsgen.spec import fields
from mlopsgen.spec.tree import Node, Path

_MEASURE = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)([A-Za-z%]*)")
_REVISION = re.compile(r"[0-9a-f]{32,}")


class Edit(NamedTuple):
    """Puts another value into a document.

    Attributes:
        apply: does it; the state it is given stays as it is.
        renamed: a text of the value before and after, by which the path of a file may have changed.
    """

    apply: Callable[[State], State]
    renamed: tuple[str, str] | None = None


def edits(given: Input, tree: Node, resolved: Mapping[str, Any]) -> Iterator[Edit]:
    """Ways to change an input, those that keep the output's shape first. Not all of them are valid."""
    if given.kind == "pin":
        yield Edit(partial(_pinned, name=str(given.path[0])))
    elif given.kind == "name":
        for name in (f"{given.value}x", f"{given.value}-other"):
            for wide in (False, True):
                renamed = (str(given.value), name)
                yield Edit(partial(_named, path=given.path, name=name, wide=wide, resolved=resolved), renamed)
        yield Edit(partial(_unnamed, path=given.path))
    else:
        place = tree.find(given.path[:-1])
        for whole in (False, True) if place is None or place.value is None else (False,):
            for value in _distinct(given.value, _values(given, tree)):
                text = isinstance(value, str) and isinstance(given.value, str)
                yield Edit(
                    partial(_valued, path=given.path, value=value, resolved=resolved, whole=whole),
                    (str(given.value), str(value)) if text else None,
                )
        if isinstance(given.path[-1], int):
            yield Edit(partial(_dropped, path=given.path, resolved=resolved))


def _valued(state: State, path: Path, value: Any, resolved: Mapping[str, Any], whole: bool = False) -> State:
    """Another value; `whole`: with the other fields of its section, of which some may be needed."""
    tree = filled(state.tree, str(path[0]))
    if whole:
        section: Any = resolved
        for part in path[:-1]:
            section = section[part]
        if isinstance(section, Mapping):
            given = {key: item for key, item in section.items() if item is not None}
            tree = put(tree, path[:-1], node(given), resolved)
    return state._replace(tree=put(tree, path, node(value), resolved))


def _dropped(state: State, path: Path, resolved: Mapping[str, Any]) -> State:
    """Without one entry of a list."""
    state = _valued(state, path, None, resolved)
    above, index = path[:-1], path[-1]
    items = state.tree.find(above)
    assert items is not None
    left = Node([item for at, item in enumerate(items.value) if at != index], items.span, items.path)
    return state._replace(tree=put(state.tree, above, left, resolved))


def _pinned(state: State, name: str) -> State:
    pin = state.pins[name]
    head, mark, digits = pin.digest.rpartition(":")
    turned = digits[1:] + digits[:1] if digits[1:] + digits[:1] != digits else "0" * len(digits)
    return state._replace(pins={**state.pins, name: Pin(_bumped(pin.version) or pin.version, head + mark + turned)})


def _named(state: State, path: Path, name: str, wide: bool, resolved: Mapping[str, Any]) -> State:
    """Another name for an entry; `wide`: also wherever its section refers to it. A column keeps its role."""
    tree = filled(state.tree, str(path[0]))
    *above, old = path
    parent = tree.find(tuple(above))
    if parent is None or not isinstance(parent.value, dict) or old not in parent.value:
        return state
    entries = {name if key == old else key: child for key, child in parent.value.items()}
    tree = put(tree, tuple(above), Node(entries, parent.span, parent.path), {})
    if wide:
        top = (above[0],)
        section = tree.find(top)
        assert section is not None
        tree = put(tree, top, _replaced(section, str(old), name), {})
    if path[:2] == ("data", "columns"):
        role = resolved["data"]["columns"][old]["role"]
        tree = put(tree, (*above, name, "role"), node(role), {})
    return state._replace(tree=tree)


def _unnamed(state: State, path: Path) -> State:
    """Without an entry of a mapping."""
    tree = filled(state.tree, str(path[0]))
    parent = tree.find(path[:-1])
    if parent is None or not isinstance(parent.value, dict):
        return state
    entries = {key: child for key, child in parent.value.items() if key != path[-1]}
    return state._replace(tree=put(tree, path[:-1], Node(entries, parent.span, parent.path), {}))


def _replaced(tree: Node, old: str, new: str) -> Node:
    value = tree.value
    if isinstance(value, dict):
        value = {new if key == old else key: _replaced(child, old, new) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_replaced(child, old, new) for child in value]
    elif value == old:
        value = new
    return Node(value, tree.span, tree.path, tree.keys, tree.size)


def _distinct(given: Any, values: Iterator[Any]) -> Iterator[Any]:
    seen = {repr(given)}
    for value in values:
        if repr(value) not in seen:
            seen.add(repr(value))
            yield value


def _values(given: Input, tree: Node) -> Iterator[Any]:
    value, choices, example = given.value, *_known(given.path)
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from _numbers(value)
    elif isinstance(value, str):
        if value in choices:
            yield from choices
        else:
            yield from _texts(str(value))
        yield from _neighbours(value, tree)
    yield from choices
    yield from [example] if example is not None else []


def _numbers(value: float) -> Iterator[Any]:
    if isinstance(value, int):
        yield from (int(value) + 1, int(value) * 2, int(value) - 1, int(value) // 2, int(value) * 10)
    else:
        yield from (float(f"{value * factor:.12g}") for factor in (0.9, 2.0, 1.1, 0.5, 10.0))
        yield float(value + 1)


def _texts(value: str) -> Iterator[str]:
    measure = _MEASURE.fullmatch(value)
    if measure:
        number, unit = measure[1], measure[2]
        if "." in number and not unit:  # a version rather than a number
            yield from filter(None, [_bumped(value)])
        if "." not in number:
            yield from (f"{item}{unit}" for item in _numbers(int(number)))
        yield from (f"{float(number) * factor:.10g}{unit}" for factor in (0.9, 2, 0.5))
        return
    if _REVISION.fullmatch(value):
        yield value[1:] + value[:1]
    letters = re.search(r"[A-Za-z]{2,}(?=[^A-Za-z]*$)", value.rpartition(".")[0] if "." in value[1:] else value)
    if letters:
        yield value[: letters.end()] + "x" + value[letters.end() :]
    first = re.search(r"[A-Za-z]{2,}(?!:)", value)
    if first:
        yield value[: first.end()] + "x" + value[first.end() :]
    yield value + "x"
    yield from filter(None, [_bumped(value), _bumped(value, first=True)])
    if value[-1:].isalpha():
        yield value[:-1] + ("A" if value[-1] in "Zz" else chr(ord(value[-1]) + 1))
    yield "other"


def _bumped(text: str, first: bool = False) -> str:
    """The text with its last, or first, number one higher; empty when there is none."""
    numbers = list(re.finditer(r"[0-9]+", text))
    if not numbers:
        return ""
    number = numbers[0 if first else -1]
    return text[: number.start()] + str(int(number[0]) + 1) + text[number.end() :]


def _neighbours(value: str, tree: Node) -> Iterator[str]:
    """Names beside one that the value refers to."""
    if isinstance(tree.value, dict):
        if value in tree.value:
            yield from tree.value
        for child in tree.value.values():
            yield from _neighbours(value, child)


def _known(path: Path) -> tuple[list[Any], Any]:
    """Choices of the language at a path, and an example."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    place = fields.find(path)
    if place is None or place.field is None:
        return [], None
    examples = place.field.examples or [None]
    return list(choices(place.field.annotation)), examples[0]


def choices(kind: Any) -> Iterator[Any]:
    """The words that an annotation allows."""
    if typing.get_origin(kind) is typing.Literal:
        yield from typing.get_args(kind)
    else:
        for part in typing.get_args(kind):
            yield from choices(part)
