"""What every section of the language is made of: the model base, documented fields, shared shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator
from pydantic_core import PydanticCustomError

T = TypeVar("T")

Items = Annotated[tuple[T, ...], Strict(False)]
"""A YAML list, held as a tuple."""


class Section(BaseModel):
    """A mapping of the language: unknown keys are errors, values keep their YAML type, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True, populate_by_name=True)


def field(
    default: Any,
    description: str,
    *,
    example: Any,
    unit: str | None = None,
    factory: Callable[[], Any] | None = None,
    derived: str | None = None,
    alias: str | None = None,
    **constraints: Any,
) -> Any:
    """A documented field.

    Args:
        default: value when absent; `...` makes the field required.
        description: what it means, one or two sentences.
        example: a value as one writes it in YAML.
        unit: the unit of the value, when it has one.
        factory: makes the default, for sections.
        derived: in words, what a missing value is taken from ("project.name").
        alias: the key in YAML where Python reserves the word.
        constraints: passed to pydantic (`ge`, `le`, `min_length` …).
    """
    extra = {key: value for key, value in (("x-unit", unit), ("x-derived", derived)) if value}
    if factory is not None:
        constraints["default_factory"] = factory
    else:
        constraints["default"] = default
    return Field(
        description=description, examples=[example], json_schema_extra=extra or None, alias=alias, **constraints
    )


class Bounds(Section, Generic[T]):
    """A range; either end may be absent, not both."""

    min: T | None = field(None, "Smallest value allowed.", example=0.5)
    max: T | None = field(None, "Largest value allowed.", example=2.0)

    @model_validator(mode="after")
    def _ordered(self) -> Bounds[T]:
        if self.min is None and self.max is None:
            raise PydanticCustomError("empty_bounds", "neither `min` nor `max` is given")
        if self.min is not None and self.max is not None and self.min > self.max:  # type: ignore[operator]
            raise PydanticCustomError(
                "crossed_bounds", "min {low} is above max {high}", {"low": self.min, "high": self.max}
            )
        return self
