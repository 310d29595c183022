"""What a step of a migration looks at and says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mlopsgen.spec.tree import Node, Path


class Rename(NamedTuple):
    """A key gets another name, in its place."""

    path: Path
    name: str


class Put(NamedTuple):
    """A field gets a value; it comes when it is not there."""

    path: Path
    value: Any


class Stuck(NamedTuple):
    """A place that cannot be brought over, why, and what to do."""

    path: Path
    why: str
    help: str


Change = Rename | Put | Stuck

Step = Callable[[Node], Iterator[Change]]
"""Says what to change in a document. What one step changed, the next one sees."""


def matching(tree: Node, pattern: str) -> Iterator[tuple[Path, Node]]:
    """Nodes at a dotted path in which `*` stands for every key or index."""
    yield from _matching(tree, tuple(pattern.split(".")), ())


def _matching(node: Node, pattern: tuple[str, ...], path: Path) -> Iterator[tuple[Path, Node]]:
    if not pattern:
        yield path, node
        return
    part, *rest = pattern
    below: list[tuple[str | int, Node]] = []
    if isinstance(node.value, dict):
        below = [(key, child) for key, child in node.value.items() if part in ("*", key)]
    elif isinstance(node.value, list) and part == "*":
        below = list(enumerate(node.value))
    for key, child in below:
        yield from _matching(child, tuple(rest), (*path, key))
