"""Which lines of a text are others, or are gone, in another text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Literal

Role = Literal["value", "presence", "file"]
"""The line says something else; it is not there; the whole file is not there."""

_HEAD = re.compile(r"[ \-]*(?:\"(?:[^\"\\]|\\.)*\"|[\w./-]+) ?[:=]")


def changed(old: Sequence[str], new: Sequence[str]) -> dict[int, Role]:
    """Lines of `old`, from 1, that are not so in `new`; what is certain only.

    Where no line comes or goes, that is what says something else in its place. Otherwise a line that is there as often
    as before may only have moved, and one like those around it does not tell which of them is gone.
    """
    if len(old) == len(new):
        differing = [number for number, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
        if all(_head(old[number]) == _head(new[number]) for number in differing):
            return {number + 1: "value" for number in differing}
    before, after = Counter(old), Counter(new)
    return {
        number: role for number, role in _laid(old, new).items() if after[old[number - 1]] < before[old[number - 1]]
    }


def is_kept(old: Sequence[str], new: Sequence[str], number: int) -> bool:
    """Whether a line, from 1, is certainly in the new text as it was."""
    text = old[number - 1]
    if len(old) == len(new):
        return new[number - 1] == text
    if new.count(text) < old.count(text):
        return False
    return any(kind == "equal" and i < number <= i_end for kind, i, i_end, _, _ in opcodes(old, new))


def _laid(old: Sequence[str], new: Sequence[str]) -> dict[int, Role]:
    """The same by laying both texts side by side."""
    found: dict[int, Role] = {}
    for kind, i, i_end, j, j_end in opcodes(old, new):
        if kind == "replace":
            found |= _replaced(old, new, range(i, i_end), range(j, j_end))
        elif kind == "delete":
            found |= {number + 1: "presence" for number in _certain(old, i, i_end)}
    return found


def opcodes(old: Sequence[str], new: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    """As `SequenceMatcher` has them; what both begin and end with is not looked at."""
    most = min(len(old), len(new))
    begin = next((number for number in range(most) if old[number] != new[number]), most)
    most -= begin
    end = next((number for number in range(most) if old[-1 - number] != new[-1 - number]), most)
    middle = SequenceMatcher(None, old[begin : len(old) - end], new[begin : len(new) - end], autojunk=False)
    found = [("equal", 0, begin, 0, begin)] if begin else []
    found += [(kind, i + begin, k + begin, j + begin, m + begin) for kind, i, k, j, m in middle.get_opcodes()]
    return [*found, ("equal", len(old) - end, len(old), len(new) - end, len(new))] if end else found


def _replaced(old: Sequence[str], new: Sequence[str], left: range, right: range) -> dict[int, Role]:
    if len(left) == len(right):
        return {number + 1: "value" for number in left}
    heads = [_head(new[number]) for number in right]
    found: dict[int, Role] = {}
    for number in left:
        head = _head(old[number])
        found[number + 1] = "value" if head and head in heads else "presence"
    return found


def _certain(old: Sequence[str], begin: int, end: int) -> range:
    """Of lines that are gone, those that are gone however the texts are laid side by side."""
    down = up = 0
    while end + down < len(old) and old[begin + down] == old[end + down]:
        down += 1
    while begin - up > 0 and old[begin - up - 1] == old[end - up - 1]:
        up += 1
    return range(begin + down, end - up)


def _head(line: str) -> str:
    found = _HEAD.match(line)
    return found[0] if found else line[: len(line) - len(line.lstrip())]


def aligned(old: Sequence[str], new: Sequence[str]) -> dict[int, int]:
    """Lines of `new`, from 1, that stand in `old` as well, with their place there."""
    found: dict[int, int] = {}
    for kind, i, _, j, j_end in opcodes(old, new):
        if kind == "equal":
            found |= {j + step + 1: i + step + 1 for step in range(j_end - j)}
    return found


def ranges(numbers: Iterable[int]) -> str:
    """`3, 5-7` for 3, 5, 6 and 7."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(begin) if begin == end else f"{begin}-{end}" for begin, end in found)
