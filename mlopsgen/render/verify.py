"""Reads rendered YAML again and holds it against what was meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from mlopsgen.render.scalar import scalar
from mlopsgen.render.sheet import Written

_PARSER: Any = getattr(getattr(yaml, "cyaml", None), "CParser", None)
"""The parser of libyaml; None where PyYAML was built without it."""


class Misread(Exception):
    """The text is not YAML, or a reader finds something else than what was written."""


def verify(text: str, written: Iterable[Written]) -> None:
    """Check that `text` is YAML and that each written value is a node of its own, at its place.

    Raises:
        Misread: it is not.
    """
    try:
        found = {(e.start_mark.line + 1, e.start_mark.column + 1): e for e in _nodes(text)}
    except yaml.YAMLError as error:
        raise Misread(f"the result is not YAML: {' '.join(str(error).split())}") from None
    for line, column, value in written:
        event = found.get((line, column))
        if event is None or not _same(event, value):
            raise Misread(f"line {line}, column {column}: {_shown(value)} is not read back as one value")


def _same(event: Any, value: Any) -> bool:
    if isinstance(value, Mapping):
        return isinstance(event, yaml.MappingStartEvent)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return isinstance(event, yaml.SequenceStartEvent)
    if not isinstance(event, yaml.ScalarEvent):
        return False
    if isinstance(value, str):
        return bool(event.value == value) and (bool(event.style) or event.implicit[0])
    return not event.style and event.value == scalar(value)


def _shown(value: Any) -> str:
    return "a collection" if isinstance(value, Mapping | list | tuple) else scalar(value)


def _nodes(text: str) -> Iterable[Any]:
    """Starts of nodes; of several at one place (a mapping and its first key) the innermost comes last."""
    kinds = (yaml.ScalarEvent, yaml.SequenceStartEvent, yaml.MappingStartEvent)
    if _PARSER is None:
        yield from (event for event in yaml.parse(text) if isinstance(event, kinds))
        return
    parser = _PARSER(text)
    try:
        while parser.check_event():
            event = parser.get_event()
            if isinstance(event, kinds):
                yield event
    finally:
        parser.dispose()
