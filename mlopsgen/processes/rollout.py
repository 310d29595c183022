"""The rollout's state as its controller writes it, brought to one shape: readers need not doubt any part of it."""

from __future__ import annotations

import json
import math
from typing import Any

LARGEST = 4 * 1024 * 1024
TEXTS = ("id", "phase", "champion", "canary", "reason", "text", "report")


def read(path: str) -> dict[str, Any] | None:
    """The rollout in a file; None before the first one, or when the file holds none."""
    try:
        with open(path, "rb") as stream:
            found = json.loads(stream.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    return _shaped(found) if isinstance(found, dict) and found else None


def _shaped(given: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: _text(given.get(name)) for name in TEXTS},
        "step": int(_number(given.get("step"))),
        "steps": [_number(each) for each in _list(given, "steps")],
        "weight": _number(given.get("weight")),
        "held": _number(given.get("held")),
        "history": [
            {"at": _number(each.get("at")), "weight": _number(each.get("weight"))}
            for each in _list(given, "history")
            if isinstance(each, dict)
        ],
        "decisions": [
            {"at": _number(each.get("at")), "outcome": _text(each.get("outcome")), "text": _text(each.get("text"))}
            for each in _list(given, "decisions")
            if isinstance(each, dict)
        ],
    }


def _list(given: dict[str, Any], name: str) -> list[Any]:
    found = given.get(name)
    return found if isinstance(found, list) else []


def _number(given: Any) -> float:
    number = isinstance(given, int | float) and not isinstance(given, bool)
    return float(given) if number and abs(given) < 1e15 and math.isfinite(given) else 0.0


def _text(given: Any) -> str:
    return str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
