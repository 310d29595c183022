"""Validation of a document, and the names of what it may hold; the same answers in light mode and without it."""

from __future__ import annotations

from typing import Any, NamedTuple

from mlopsgen.spec import mode
from mlopsgen.spec.core import SchemaValidator
from mlopsgen.spec.document import Spec
from mlopsgen.spec.tree import Path

_rules: Any = None
_validator: Any = None
_sections: dict[str, Any] = {}
_shape: dict[str, Any] | None = None


class Named(NamedTuple):
    """What the language has at a path.

    Attributes:
        names: keys of the section there, None when it is no section.
        example: of the field there, None when there is none.
        scalar: whether the value is neither a section nor a list or mapping of them.
    """

    names: list[str] | None
    example: Any
    scalar: bool


def validate(plain: Any) -> Spec:
    """The document as sections.

    Raises:
        pydantic_core.ValidationError: with every finding.
    """
    if _validator is None:
        _start()
    spec: Spec = _validator.validate_python(plain)
    return spec


def validate_section(name: str, plain: Any) -> None:
    """Check one section of the document alone.

    Raises:
        pydantic_core.ValidationError: with every finding; places are relative to the section.
    """
    if name not in _sections:
        if _validator is None:
            _start()
        document = _rules
        while "fields" not in document:
            document = document["schema"]
        section = document["fields"][name]["schema"]
        definitions = _rules.get("definitions", [])
        _sections[name] = SchemaValidator({"type": "definitions", "schema": section, "definitions": definitions})
    _sections[name].validate_python(plain)


def find(path: Path) -> Named | None:
    """What the language has at `path`; None when it has nothing there. Names that people choose match any key."""
    if _shape is None:
        _start()
    assert _shape is not None
    here: Any = "Spec"
    example: Any = None
    for part in path:
        if isinstance(here, str):
            if part not in _shape[here]:
                return None
            example, here = _shape[here][part]
        elif here is not None:
            example, here = None, here[0]
        else:
            return None
    return Named(list(_shape[here]) if isinstance(here, str) else None, example, here is None)


def _start() -> None:
    global _rules, _validator, _shape
    if mode.light:
        from mlopsgen.spec import compiled

        found = compiled.load()
        assert found is not None, "light mode is chosen only when the compiled form is there"
        _rules, _shape = compiled.bound(found[0]), found[1]
        _validator = SchemaValidator(_rules)
        return
    from mlopsgen.spec import fields

    Spec.model_rebuild()
    _rules, _validator, _shape = Spec.__pydantic_core_schema__, Spec.__pydantic_validator__, fields.shape()


def remember() -> None:
    """Leave the compiled form for the next start."""
    if not mode.light:
        from mlopsgen.spec import compiled, fields

        Spec.model_rebuild()
        compiled.save(Spec.__pydantic_core_schema__, fields.shape())
