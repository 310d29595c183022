"""Values and counts as people read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

LONGEST = 72


def value(given: Any, longest: int = LONGEST) -> str:
    """A value on one short line."""
    if given is None:
        return "null"
    if isinstance(given, str):
        text = given if given and given.isprintable() and given.strip() == given else json.dumps(given)
    elif isinstance(given, float):
        text = f"{given:.10g}"
    else:
        text = json.dumps(given, ensure_ascii=False, default=str)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def change(old: Any, new: Any, longest: int = LONGEST) -> tuple[str, str]:
    """Two values on one line each, cut so that what differs is in sight."""
    before, after = value(old, 10**6), value(new, 10**6)
    if max(len(before), len(after)) <= longest:
        return before, after
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    begin = max(0, start - longest // 3)
    return _cut(before, begin, longest), _cut(after, begin, longest)


def _cut(text: str, begin: int, longest: int) -> str:
    shown = text[begin : begin + longest]
    return ("…" if begin else "") + shown + ("…" if begin + longest < len(text) else "")


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 pod`, `4 pods`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def some(items: Iterable[str], most: int = 4) -> str:
    """A few of them, and how many more there are."""
    every = list(items)
    shown = every if len(every) <= most + 1 else every[:most]
    text = ", ".join(shown)
    return text if len(shown) == len(every) else f"{text} and {len(every) - len(shown)} more"


def listed(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def duration(seconds: float) -> str:
    """Seconds in the unit that fits: `45 s`, `10 min`, `2.5 h`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def money(amount: float, currency: str) -> str:
    """`7,200 USD`."""
    return f"{amount:,.0f} {currency}" if amount >= 100 or amount == int(amount) else f"{amount:,.2f} {currency}"


def escaped(text: str) -> str:
    """Text for Markdown of which no letter is markup."""
    for mark in "\\`*_[]<>|#":
        text = text.replace(mark, {"<": "&lt;", ">": "&gt;"}.get(mark, f"\\{mark}"))
    return text.replace("\n", " ").replace("@", "@\u200b")
