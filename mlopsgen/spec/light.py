"""Stand-ins for pydantic in light mode: sections are plain classes that pydantic-core fills."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Section:
    """A validated section. The slots are those that pydantic-core sets on a model."""

    __slots__ = ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__")

    @property
    def model_fields_set(self) -> set[str]:
        """Fields that were given."""
        return self.__pydantic_fields_set__  # type: ignore[attr-defined,no-any-return]

    def model_copy(self, *, update: dict[str, Any]) -> Section:
        """A copy with some values replaced, without validation."""
        copy = object.__new__(type(self))
        for name in ("__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__"):
            object.__setattr__(copy, name, getattr(self, name))
        object.__setattr__(copy, "__dict__", {**self.__dict__, **update})
        return copy

    @classmethod
    def model_construct(cls, **values: Any) -> Section:
        """A section of valid values, all of them given."""
        made = object.__new__(cls)
        object.__setattr__(made, "__pydantic_extra__", None)
        object.__setattr__(made, "__pydantic_fields_set__", set(values))
        object.__setattr__(made, "__pydantic_private__", None)
        object.__setattr__(made, "__dict__", values)
        return made

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")


def Field(**documented: Any) -> Any:  # noqa: N802
    """Nothing: defaults and limits are in the compiled rules."""


def model_validator(*, mode: str) -> Callable[[Any], Any]:
    """The method as it is; the compiled rules call it."""
    return lambda method: method


def _marker(*arguments: Any, **options: Any) -> None:
    """Nothing: the compiled rules hold it."""


AfterValidator = BeforeValidator = PlainValidator = Strict = WithJsonSchema = _marker
