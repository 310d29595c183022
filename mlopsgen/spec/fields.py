"""Finding a field of the language by its path: for `explain`, "did you mean", and the reference."""

from __future__ import annotations

import types
import typing
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

from mlopsgen.spec.base import Section, key
from mlopsgen.spec.document import Spec
from mlopsgen.spec.environments import Overlay


class Place(NamedTuple):
    """What stands at a path of the language: a section, or a field of one (whose value may be a section)."""

    section: type[Section] | None
    field: FieldInfo | None


def find(path: tuple[str | int, ...]) -> Place | None:
    """What the language has at `path`; None when it has nothing there.

    Names of mappings that people choose (environments, columns, gates …) match any key.
    """
    here: Any = Spec
    field: FieldInfo | None = None
    for part in path:
        section = as_section(here)
        if section is not None:
            field = next((f for n, f in section.model_fields.items() if key(n) == part), None)
            if field is None:
                return None
            here = annotation(field)
        else:
            here = inside(here)
            if here is None:
                return None
            field = None
    return Place(as_section(here), field)


def names(section: type[Section]) -> list[str]:
    """Keys of a section as they are written, in the order of the reference."""
    return [key(name) for name in section.model_fields]


def annotation(field: FieldInfo) -> Any:
    """The type of a field; the section that an overlay changes."""
    for extra in field.metadata:
        if isinstance(extra, Overlay):
            return extra.section
    return field.annotation


def as_section(kind: Any) -> type[Section] | None:
    """The section behind `Section`, `Section | None` or an annotated form of either."""
    kind = bare(kind)
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def shape() -> dict[str, Any]:
    """Every section by name: its keys, each with an example and what is inside.

    What is inside is the name of a section, a list of one such thing for a list or mapping, or None.
    """
    found: dict[str, Any] = {}
    _shape(Spec, found)
    return found


def _shape(section: type[Section], found: dict[str, Any]) -> str:
    name = section.__name__
    if name not in found:
        found[name] = {}
        for field_name, field in section.model_fields.items():
            example = field.examples[0] if field.examples else None
            found[name][key(field_name)] = (example, _inner(annotation(field), found))
    return name


def _inner(kind: Any, found: dict[str, Any]) -> Any:
    below = as_section(kind)
    if below is not None:
        return _shape(below, found)
    element = inside(kind)
    return [_inner(element, found)] if element is not None else None


def is_required(field: FieldInfo) -> bool:
    """Whether the field must be given."""
    return field.is_required()


def bare(kind: Any) -> Any:
    """The type without `Annotated` and without `| None`."""
    while True:
        origin = typing.get_origin(kind)
        if origin is typing.Annotated:
            kind = typing.get_args(kind)[0]
        elif origin in (typing.Union, types.UnionType):
            members = [a for a in typing.get_args(kind) if a is not type(None)]
            if len(members) != 1:
                return kind
            kind = members[0]
        else:
            return kind


def inside(kind: Any) -> Any:
    """Element type of a list or mapping."""
    kind = bare(kind)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is dict:
        return args[1]
    if origin is tuple:
        return args[0]
    return None
