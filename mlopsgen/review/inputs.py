"""Everything in a spec that output can depend on: values, names that people choose, defaults, pins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from mlopsgen.contract.pins import Pin
from mlopsgen.diagnostics import Span
from mlopsgen.project import derive
from mlopsgen.spec import fields
from mlopsgen.spec.tree import Node, Path, dotted

Kind = Literal["value", "name", "pin"]

APART = ("version", "templates", "unmanaged")
"""Keys of the top level that say which files there are, not what is in them."""

_NOWHERE = Span("", 0, 0, 0, 0)


class State(NamedTuple):
    """What is compiled: a document and the pins in force."""

    tree: Node
    pins: Mapping[str, Pin]


class Input(NamedTuple):
    """One of them.

    Attributes:
        path: in the document; of a pin, its name alone.
        value: as written, or the default as one would write it; of a name, the name.
        span: where it is written; None for a default and for a pin.
    """

    kind: Kind
    path: Path
    value: Any
    span: Span | None

    @property
    def field(self) -> str:
        """How people write it."""
        return str(self.path[0]) if self.kind == "pin" else dotted(self.path)

    @property
    def environment(self) -> str:
        """The environment that it belongs to; empty for what holds everywhere."""
        return str(self.path[1]) if self.path[0] == "environments" and len(self.path) > 1 else ""

    @property
    def key(self) -> tuple[Kind, Path]:
        """What tells it from others."""
        return self.kind, self.path


def inputs(tree: Node, resolved: Mapping[str, Any], pins: Mapping[str, Pin]) -> list[Input]:
    """All of them: what is written in its order, then defaults, then pins.

    Args:
        tree: the document as it is written.
        resolved: from `mlopsgen.project.present.document`.
    """
    found = [
        each for each in _written(tree, ()) if each.path[0] not in APART and not str(each.path[0]).startswith("x-")
    ]
    known = {each.path for each in found if each.kind == "value"}
    named = {each.path for each in found if each.kind == "name"}
    for each in _defaults(resolved, ()):
        if each.path[0] in APART or (each.kind == "name" and each.path in named):
            continue
        if each.kind == "value" and any(each.path[:end] in known for end in range(1, len(each.path) + 1)):
            continue
        found.append(each)
    found += [Input("pin", (name,), f"{pin.version} {pin.digest[:19]}", None) for name, pin in sorted(pins.items())]
    return found


def _written(node: Node, path: Path) -> Iterator[Input]:
    if isinstance(node.value, dict) and node.value:
        chosen = _chosen(path)
        for key, child in node.value.items():
            if chosen:
                yield Input("name", (*path, key), key, node.keys.get(key))
            yield from _written(child, (*path, key))
    elif isinstance(node.value, list) and node.value:
        for index, child in enumerate(node.value):
            yield from _written(child, (*path, index))
    else:
        yield Input("value", path, node.plain(), node.span)


def _defaults(value: Any, path: Path) -> Iterator[Input]:
    if isinstance(value, Mapping) and value:
        chosen = _chosen(path)
        for key, item in value.items():
            if chosen:
                yield Input("name", (*path, str(key)), str(key), None)
            yield from _defaults(item, (*path, str(key)))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _defaults(item, (*path, index))
    else:
        yield Input("value", path, value, None)


def _chosen(path: Path) -> bool:
    """Whether people choose the names of the entries there."""
    place = fields.find(path)
    return bool(path) and (place is None or place.section is None)


def filled(tree: Node, top: str) -> Node:
    """The document with the mapping that a section has when it names none, so that one entry can be changed."""
    mappings: tuple[Path, ...] = (("environments",), ("data", "columns"))
    if all(path[0] != top for path in mappings):
        return tree
    usual = derive.filled(tree.plain())
    for path in (path for path in mappings if path[0] == top):
        here: Any = usual
        for part in path:
            here = here.get(part) if isinstance(here, Mapping) else None
        if here:
            present = tree.find(path)
            if present is None or not present.value:
                tree = put(tree, path, node(here), {})
    return tree


def put(tree: Node, path: Path, new: Node, resolved: Any) -> Node:
    """The document with `new` at a path; what is missing above it comes, lists as they are resolved."""
    if not path:
        return new
    key, rest = path[0], path[1:]
    value: Any = tree.value
    below = _item(resolved, key)
    if isinstance(key, int):
        items = list(value) if isinstance(value, list) else [node(item) for item in resolved or ()]
        items[key] = put(items[key], rest, new, below)
        value = items
    else:
        entries = dict(value) if isinstance(value, dict) else {}
        entries[key] = put(entries.get(key, Node(None, tree.span)), rest, new, below)
        value = entries
    return Node(value, tree.span, tree.path, tree.keys, tree.size)


def _item(value: Any, key: str | int) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        return None


def node(value: Any) -> Node:
    """Plain data as a tree without places."""
    if isinstance(value, Mapping):
        return Node({str(key): node(item) for key, item in value.items()}, _NOWHERE)
    if isinstance(value, list | tuple):
        return Node([node(item) for item in value], _NOWHERE)
    return Node(value, _NOWHERE)
