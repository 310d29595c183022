"""How a test of the suite says what is wrong: one line first, then the places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import pytest


def fail(what: str, *, expected: object, found: object, at: Iterable[object] = ()) -> NoReturn:
    """End a test.

    Args:
        what: is judged.
        expected: in words.
        found: in words.
        at: places, one a line.
    """
    lines = [f"{what}: expected {expected}, found {found}", *(f"  at {place}" for place in at)]
    raise pytest.fail.Exception("\n".join(lines), pytrace=False) from None
