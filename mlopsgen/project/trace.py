"""Gives every scalar of a validated section the place in mlops.yaml that it came from."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from mlopsgen.spec.base import Section, key
from mlopsgen.spec.traced import traced
from mlopsgen.spec.tree import Node, Path, dotted


def trace(section: Section, tree: Node) -> None:
    """Replace the scalars of `section` by traced ones, in place, and its mappings by read-only ones.

    Args:
        section: fresh from validation of `tree.plain()`, seen by nobody else yet.
        tree: where the values were written; overlays in it keep their own paths.
    """
    _section(section, tree, ())


def _section(section: Section, node: Node | None, path: Path) -> None:
    values = section.__dict__
    for name, value in values.items():
        written = key(name)
        values[name] = _value(value, _child(node, written), (*path, written))


def _value(value: Any, node: Node | None, path: Path) -> Any:
    if isinstance(value, Section):
        _section(value, node, path)
        return value
    if isinstance(value, tuple | list):
        return tuple(_value(item, _child(node, index), (*path, index)) for index, item in enumerate(value))
    if isinstance(value, dict):
        return MappingProxyType({k: _value(item, _child(node, k), (*path, k)) for k, item in value.items()})
    return traced(value, dotted(node.path if node is not None and node.path else path))


def _child(node: Node | None, name: str | int) -> Node | None:
    """The node of an entry; a scalar that stands for a section (`replicas: 2`) is the origin of its entries."""
    value = node.value if node is not None else None
    if isinstance(value, dict):
        return value.get(name)
    return node.find((name,)) if node is not None and isinstance(value, list) else node
