"""What the documentation says of a field; made from the models."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

from mlopsgen.spec import fields
from mlopsgen.spec.base import Bounds, Section, key
from mlopsgen.spec.document import Spec
from mlopsgen.spec.tree import Path, dotted


class Entry(NamedTuple):
    """One field.

    Attributes:
        path: dotted, with `<name>` where people choose the key.
        description: what it means.
        kind: its type in words.
        unit: of the value; may be empty.
        default: as written; `required`, or what it is derived from.
        example: a value.
    """

    path: str
    description: str
    kind: str
    unit: str
    default: str
    example: Any


def entries(section: type[Section] = Spec, path: Path = ()) -> Iterator[Entry]:
    """Every field of the language, sections before what is in them; overlays refer to their sections."""
    for name, field in section.model_fields.items():
        here = (*path, key(name))
        yield entry(here, field)
        if any(type(extra).__name__ == "Overlay" for extra in field.metadata):
            continue
        inner, where = _element(fields.annotation(field), here)
        below = fields.as_section(inner)
        if below is not None:
            yield from entries(below, where)


def entry(path: Path, field: FieldInfo) -> Entry:
    """The entry of one field."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    examples = field.examples or [None]
    return Entry(
        dotted(path),
        field.description or "",
        kind(field),
        str(extra.get("x-unit", "")),
        _default(field, extra),
        _of_range(path) or examples[0],
    )


def _of_range(path: Path) -> Any:
    """For an end of a range, a value of what has the range; None for everything else."""
    above = fields.find(path[:-1])
    if above is None or above.section is None or above.field is None or not issubclass(above.section, Bounds):
        return None
    return next(iter(above.field.examples[0].values())) if above.field.examples else None


def _default(field: FieldInfo, extra: dict[str, Any]) -> str:
    if fields.is_required(field):
        return "required"
    if "x-derived" in extra:
        return f"from {extra['x-derived']}"
    if field.default is None:
        return "absent"
    return flow(field.default) if field.default != {} else "defaults of its fields"


def flow(value: Any) -> str:
    """A value on one line, as YAML in flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z0-9_./%-]*[A-Za-z_/%][A-Za-z0-9_./%-]*", value):
        return json.dumps(value, ensure_ascii=False)
    return value if isinstance(value, str) else json.dumps(value)


def kind(field: FieldInfo) -> str:
    """The type in words, after the JSON Schema of the field."""
    annotated = typing.Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return _words(_schema_of(annotated))


def _schema_of(annotation: Any) -> dict[str, Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(annotation).json_schema()


def _words(part: dict[str, Any]) -> str:
    if "$ref" in part or (part.get("type") == "object" and "properties" in part):
        return "mapping"
    if "anyOf" in part:
        words = [_words(p) for p in part["anyOf"] if p.get("type") != "null"]
        return " or ".join(dict.fromkeys(words))
    if "const" in part:
        return f"`{part['const']}`"
    if "enum" in part:
        return "one of " + ", ".join(f"`{value}`" for value in part["enum"])
    if part.get("type") == "array":
        inner = part.get("items")
        return f"list of {_words(inner)}" if isinstance(inner, dict) and inner else "list"
    if part.get("type") == "object":
        inner = part.get("additionalProperties")
        return f"mapping of names to {_words(inner)}" if isinstance(inner, dict) else "mapping"
    if part.get("type") == "string" and "ms|s|m|h" in part.get("pattern", ""):
        return "duration"
    if part.get("type") == "string" and part.get("pattern", "").endswith("%$"):
        return "share"
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    word = names.get(str(part.get("type")), "any value")
    low = part.get("minimum", part.get("exclusiveMinimum"))
    high = part.get("maximum", part.get("exclusiveMaximum"))
    return f"{word}, {low} to {high}" if low is not None and high is not None else word


def _element(annotation: Any, path: Path) -> tuple[Any, Path]:
    """What stands in a mapping or list, and its path as documentation writes it."""
    inner = fields.inside(annotation)
    if inner is None or fields.as_section(annotation) is not None:
        return annotation, path
    origin = typing.get_origin(fields.bare(annotation))
    return inner, (*path, "<name>") if origin is dict else (*path[:-1], f"{path[-1]}[]")
