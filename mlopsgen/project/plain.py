"""Sections as plain data."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from mlopsgen.spec.base import Section, key


def plain(value: Any, leave: Set[str] = frozenset()) -> Any:
    """A section as mappings, lists and scalars, which keep their origins.

    Args:
        value: a section, or anything in one.
        leave: fields of the section itself that stay out.
    """
    if isinstance(value, Section):
        return {key(name): plain(item) for name, item in value.__dict__.items() if name not in leave}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if hasattr(value, "items"):
        return {name: plain(item) for name, item in value.items()}
    return value
