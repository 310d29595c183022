"""Values as people write them in mlops.yaml: durations and shares with their units."""

from __future__ import annotations

import typing
from typing import Any

from pydantic.fields import FieldInfo

from mlopsgen.spec.base import Section, key
from mlopsgen.spec.scalars import SECONDS, Duration, Share
from mlopsgen.spec.traced import origins, traced

_DURATION = typing.get_args(Duration)[1]
_SHARE = typing.get_args(Share)[1]


def section(part: Section) -> dict[str, Any]:
    """A section as mappings, lists and scalars, with units; scalars keep their origin."""
    fields = type(part).model_fields
    return {key(name): value(item, fields[name]) for name, item in part.__dict__.items()}


def value(given: Any, field: Any) -> Any:
    """A value of a field as plain data, with units; `field` is the field or its annotation."""
    if isinstance(given, Section):
        return section(given)
    if isinstance(given, tuple):
        return [value(item, field) for item in given]
    if hasattr(given, "items"):
        return {key: value(item, field) for key, item in given.items()}
    if isinstance(given, float):
        if _mentions(field, _DURATION):
            return traced(duration(given), *origins(given))
        if _mentions(field, _SHARE):
            return traced(share(given), *origins(given))
    return given


def _mentions(kind: Any, validator: Any) -> bool:
    if isinstance(kind, FieldInfo):
        return validator in kind.metadata or _mentions(kind.annotation, validator)
    return validator in getattr(kind, "__metadata__", ()) or any(_mentions(a, validator) for a in typing.get_args(kind))


def duration(seconds: float) -> str:
    """Seconds in the largest units that divide them: 5400 is `1h30m`, 0.5 is `500ms`."""
    rest, text = round(seconds * 1000), ""
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, round(SECONDS[unit] * 1000))
        if count:
            text += f"{count}{unit}"
    return text


def share(value: float) -> str:
    """0.05 is `5%`."""
    return f"{round(value * 100, 7):.10g}%"
