"""A YAML document as a tree in which every value knows its place and its path in the file."""

from __future__ import annotations

from typing import Any

from mlopsgen.diagnostics import Span

Path = tuple[str | int, ...]


def dotted(path: Path) -> str:
    """`("serving", "replicas", 0)` as people write it: `serving.replicas[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class Node:
    """A scalar, a list of nodes, or a mapping of names to nodes.

    Attributes:
        value: a Python scalar, `list[Node]` or `dict[str, Node]`.
        span: place of the value.
        path: path in the file it was written in; an overlay keeps its own.
        keys: for mappings, the place of each key.
        size: number of nodes below and including this one, aliases counted as often as they are used.
        height: levels of lists and mappings below this one, through aliases as well.
    """

    __slots__ = ("height", "keys", "path", "size", "span", "value")

    def __init__(self, value: Any, span: Span, path: Path = (), keys: dict[str, Span] | None = None, size: int = 1):
        self.value = value
        self.span = span
        self.path = path
        self.keys = keys if keys is not None else {}
        self.size = size
        self.height = 0

    def plain(self) -> Any:
        """The tree as Python mappings, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def find(self, path: Path) -> Node | None:
        """The node at `path`, None when there is none."""
        node = self
        for part in path:
            value = node.value
            if isinstance(value, dict) and part in value:
                node = value[part]
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                node = value[part]
            else:
                return None
        return node

    def nearest(self, path: Path) -> Node:
        """The node at the longest leading part of `path` that exists."""
        for end in range(len(path), 0, -1):
            node = self.find(path[:end])
            if node is not None:
                return node
        return self

    def key_span(self, path: Path) -> Span:
        """Place of the key of a mapping's entry, or of the value where there is no key."""
        parent = self.find(path[:-1])
        if parent is not None and path and path[-1] in parent.keys:
            return parent.keys[path[-1]]
        return self.nearest(path).span


def placed(node: Node, path: Path = ()) -> Node:
    """A copy of the tree in which each node holds its path; aliases become separate nodes."""
    value = node.value
    if isinstance(value, dict):
        value = {key: placed(child, (*path, key)) for key, child in value.items()}
    elif isinstance(value, list):
        value = [placed(child, (*path, index)) for index, child in enumerate(value)]
    return Node(value, node.span, path, node.keys, node.size)


def overlay(base: Node, over: Node) -> Node:
    """`over` merged over `base`: mappings merge deeply, lists and scalars replace."""
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    merged = dict(base.value)
    for key, child in over.value.items():
        merged[key] = overlay(merged[key], child) if key in merged else child
    return Node(merged, base.span, base.path, base.keys | over.keys, base.size + over.size)
