"""JSON pointers into generated files, and the lines that they stand on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import yaml

from mlopsgen.review.documents import STRUCTURED, identity

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Place(NamedTuple):
    """A node of a file.

    Attributes:
        object: `Kind/name` of the manifest that it is in, empty in a file of one object that has none.
        pointer: as in RFC 6901, below the object.
        first: line of its key, or of its dash; from 1.
        last: line on which it ends.
        scalar: whether it holds nothing further.
    """

    object: str
    pointer: str
    first: int
    last: int
    scalar: bool


def places(key: str, text: str) -> list[Place]:
    """Every node of a YAML or JSON file, outer ones first; none for other files."""
    if not key.endswith(STRUCTURED):
        return []
    found: list[Place] = []
    try:
        for document in yaml.compose_all(text, _LOADER):
            if document is not None:
                found += _nodes(document, _identity(document), "", document.start_mark.line)
    except yaml.YAMLError:
        return []
    return found


def _nodes(node: Any, name: str, pointer: str, line: int) -> Iterator[Place]:
    end = node.end_mark
    last = end.line if end.column == 0 and end.line > node.start_mark.line else end.line + 1
    yield Place(name, pointer, line + 1, max(last, line + 1), isinstance(node, yaml.ScalarNode))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _nodes(value, name, f"{pointer}/{_escaped(str(key.value))}", key.start_mark.line)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _nodes(value, name, f"{pointer}/{index}", value.start_mark.line)


def _identity(document: Any) -> str:
    if not isinstance(document, yaml.MappingNode):
        return ""
    plain: dict[str, Any] = {}
    for key, value in document.value:
        if key.value == "kind":
            plain["kind"] = value.value
        elif key.value == "metadata" and isinstance(value, yaml.MappingNode):
            plain["metadata"] = {k.value: v.value for k, v in value.value if k.value == "name"}
    return identity(plain)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def on(line: int, known: Sequence[Place]) -> list[Place]:
    """What stands on a line: its scalars, or else the innermost collection that begins or goes on there."""
    here = [place for place in known if place.first <= line <= place.last]
    scalars = [place for place in here if place.scalar]
    begun = [place for place in here if place.first == line]
    return scalars or begun[-1:] or here[-1:]
