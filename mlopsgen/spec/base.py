"""What every section of the language is made of: the model base, documented fields, shared shapes.

In light mode (`mlopsgen.spec.mode`) the names here are stand-ins that cost nothing, and the rules come compiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from mlopsgen.spec import mode
from mlopsgen.spec.core import Mistake

T = TypeVar("T")

if TYPE_CHECKING or not mode.light:
    from pydantic import (
        AfterValidator,
        BaseModel,
        BeforeValidator,
        ConfigDict,
        Field,
        PlainValidator,
        Strict,
        WithJsonSchema,
        model_validator,
    )

    class Section(BaseModel):
        """A mapping of the language: unknown keys are errors, values keep their YAML type, nothing changes afterwards.

        A field whose name Python reserves ends in `_`; in YAML it does not.
        """

        model_config = ConfigDict(
            extra="forbid",
            strict=True,
            frozen=True,
            defer_build=True,
            validate_default=True,
            allow_inf_nan=False,
            alias_generator=lambda name: name.rstrip("_"),
        )

else:
    from mlopsgen.spec.light import (
        AfterValidator,
        BeforeValidator,
        Field,
        PlainValidator,
        Section,
        Strict,
        WithJsonSchema,
        model_validator,
    )

__all__ = [
    "AfterValidator",
    "BeforeValidator",
    "Bounds",
    "Field",
    "Items",
    "Mistake",
    "PlainValidator",
    "Section",
    "Strict",
    "WithJsonSchema",
    "field",
    "key",
    "model_validator",
]

Items = Annotated[tuple[T, ...], Strict(False)]
"""A YAML list, held as a tuple."""


def field(
    default: Any, description: str, *, example: Any, unit: str | None = None, derived: str | None = None, **limits: Any
) -> Any:
    """A documented field.

    Args:
        default: value when absent, as it would be written; `...` makes the field required.
        description: what it means, one or two sentences.
        example: a value as one writes it in YAML.
        unit: the unit of the value, when it has one.
        derived: in words, what a missing value is taken from ("project.name").
        limits: passed to pydantic (`ge`, `le`, `min_length` …).
    """
    extra: Any = {name: value for name, value in (("x-unit", unit), ("x-derived", derived)) if value}
    return Field(
        default=default, description=description, examples=[example], json_schema_extra=extra or None, **limits
    )


def key(name: str) -> str:
    """A field's name as it is written in YAML: `for_` is `for`."""
    return name.rstrip("_")


class Bounds(Section, Generic[T]):
    """A range; either end may be absent, not both."""

    min: T | None = field(None, "Smallest value allowed.", example=1)
    max: T | None = field(None, "Largest value allowed.", example=1)

    @model_validator(mode="after")
    def _ordered(self) -> Bounds[T]:
        if self.min is None and self.max is None:
            raise Mistake("empty_bounds", "neither `min` nor `max` is given")
        if self.min is not None and self.max is not None and self.min > self.max:  # type: ignore[operator]
            raise Mistake("crossed_bounds", "min {low} is above max {high}", {"low": self.min, "high": self.max})
        return self
