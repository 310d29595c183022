"""Scalars that remember which places of mlops.yaml they came from.

They behave as plain `str`, `int` and `float`. `origins` holds dotted spec paths, in the order in which
they joined the value. Booleans and nulls cannot carry origins.
"""

from __future__ import annotations

from typing import Any


class Text(str):
    """A string with origins; joining keeps them."""

    __slots__ = ("origins",)
    origins: tuple[str, ...]

    def __new__(cls, value: str, origins: tuple[str, ...] = ()) -> Text:
        self = super().__new__(cls, value)
        self.origins = origins
        return self

    def __add__(self, other: str) -> Text:
        return Text(str(self) + other, merged(self, other))

    def __radd__(self, other: str) -> Text:
        return Text(other + str(self), merged(other, self))

    def __str__(self) -> str:
        return str.__str__(self)


class Int(int):
    """A whole number with origins."""

    origins: tuple[str, ...]

    def __new__(cls, value: int, origins: tuple[str, ...] = ()) -> Int:
        self = super().__new__(cls, value)
        self.origins = origins
        return self


class Float(float):
    """A number with origins."""

    origins: tuple[str, ...]

    def __new__(cls, value: float, origins: tuple[str, ...] = ()) -> Float:
        self = super().__new__(cls, value)
        self.origins = origins
        return self


def origins(value: Any) -> tuple[str, ...]:
    """Spec paths of a scalar, empty for one that has none."""
    found: tuple[str, ...] = getattr(value, "origins", ())
    return found


def merged(*values: Any) -> tuple[str, ...]:
    """Origins of several scalars, each once, in order."""
    return tuple(dict.fromkeys(path for value in values for path in origins(value)))


def traced(value: Any, *sources: str) -> Any:
    """The scalar with `sources` as its origins; other kinds of values come back as they are."""
    if isinstance(value, str):
        return Text(value, sources)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return Int(value, sources)
    if isinstance(value, float):
        return Float(value, sources)
    return value


def join(*parts: Any) -> Text:
    """Concatenate, keeping the origins of every part."""
    return Text("".join(str(part) for part in parts), merged(*parts))
