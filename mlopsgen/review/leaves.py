"""What differs between two specs, and a spec with one of these differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mlopsgen.spec.tree import Node, Path, dotted


class Leaf(NamedTuple):
    """One field that differs: a scalar, a list, or a section that comes or goes as a whole.

    Attributes:
        old: None when the field comes.
        new: None when it goes.
    """

    path: Path
    old: Node | None
    new: Node | None

    @property
    def name(self) -> str:
        """The path as it is written."""
        return dotted(self.path)

    @property
    def environment(self) -> str:
        """The environment whose overlay it stands in; empty for the document's own fields."""
        return str(self.path[1]) if len(self.path) > 1 and self.path[0] == "environments" else ""


def leaves(old: Node, new: Node) -> list[Leaf]:
    """Everything that differs, in the order of the new document; `x-` keys of the top level are ignored."""
    return [leaf for leaf in _leaves(old, new, ()) if not str(leaf.path[0]).startswith("x-")]


def _leaves(old: Node, new: Node, path: Path) -> Iterator[Leaf]:
    if isinstance(old.value, dict) and isinstance(new.value, dict):
        for key in dict.fromkeys((*new.value, *old.value)):
            one, other = old.value.get(key), new.value.get(key)
            if one is None or other is None:
                yield Leaf((*path, key), one, other)
            else:
                yield from _leaves(one, other, (*path, key))
    elif _entries(old) and _entries(new) and len(old.value) == len(new.value):
        for index, (one, other) in enumerate(zip(old.value, new.value, strict=True)):
            yield from _leaves(one, other, (*path, index))
    elif not _equal(old.plain(), new.plain()):
        yield Leaf(path, old, new)


def _entries(node: Node) -> bool:
    """Whether it is a list of mappings, such as custom alerts or patches."""
    return isinstance(node.value, list) and bool(node.value) and all(isinstance(i.value, dict) for i in node.value)


def _equal(one: object, other: object) -> bool:
    """Whether two values are written alike; 1 and true are not."""
    return repr(one) == repr(other)


def applied(tree: Node, changes: Iterable[Leaf]) -> Node:
    """The document with these fields as they are after the change; nothing else differs, and `tree` stays as it is."""
    for leaf in changes:
        tree = _put(tree, leaf.path, leaf.new)
    return tree


def _put(node: Node, path: Path, new: Node | None) -> Node:
    if not path:
        assert new is not None
        return new
    key, *rest = path
    if isinstance(node.value, list):
        assert isinstance(key, int)
        value: list[Node] | dict[str, Node] = [
            _put(item, tuple(rest), new) if index == key else item for index, item in enumerate(node.value)
        ]
    else:
        entries: dict[str, Node] = dict(node.value)
        if rest or new is not None:
            entries[str(key)] = _put(entries[str(key)], tuple(rest), new) if rest else new  # type: ignore[assignment]
        else:
            del entries[str(key)]
        value = entries
    return Node(value, node.span, node.path, node.keys, node.size)
