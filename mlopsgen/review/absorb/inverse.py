"""Which value a field would need for a line to say what it says now."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlopsgen.spec import written
from mlopsgen.spec.scalars import SECONDS

_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|[smhdw]))+")
_PART = re.compile(r"([0-9.]+)(ms|[smhdw])")
_SIZE = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(Ki|Mi|Gi|Ti|Pi|k|M|G|T)")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_VALUE = re.compile(
    r"^\s*(?:- )*(?:\"(?:[^\"\\]|\\.)*\"|[\w./()$ -]+?)\s?[:=]\s+(?P<value>.+?),?$|^\s*- (?P<item>.+?)$"
)
_WORD = re.compile(r"[\w.%/@:+-]")
_DIGIT = re.compile(r"[0-9.]")


def pairs(old: str, new: str) -> list[tuple[str, str]]:
    """What differs between two lines: the whole value, then the words, the numbers and the characters that differ."""
    found: list[tuple[str, str]] = []
    values = value_of(old), value_of(new)
    if None not in values and values[0] != values[1]:
        found.append(values)  # type: ignore[arg-type]
    begin = 0
    while begin < min(len(old), len(new)) and old[begin] == new[begin]:
        begin += 1
    end = 0
    while end < min(len(old), len(new)) - begin and old[-1 - end] == new[-1 - end]:
        end += 1
    for pattern in (_WORD, _DIGIT, None):
        left, right = begin, end
        while pattern and left and pattern.fullmatch(old[left - 1]):
            left -= 1
        while pattern and right and pattern.fullmatch(old[len(old) - right]):
            right -= 1
        found.append((old[left : len(old) - right], new[left : len(new) - right]))
    return list(dict.fromkeys(found))


def value_of(line: str) -> str | None:
    """The scalar on a line of YAML or JSON, without its quotes; None when there is none."""
    match = _VALUE.match(line)
    if match is None:
        return None
    text = match["value"] or match["item"] or ""
    text = text.removesuffix(",")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return _unquoted(text)
    return text.partition(" #")[0]


def _unquoted(text: str) -> str:
    import yaml

    try:
        return str(yaml.safe_load(text))
    except yaml.YAMLError:
        return text[1:-1]


def values(given: Any, old: str, new: str) -> Iterator[Any]:
    """Values of a field, `given` now, with which what said `old` may say `new`; the likeliest first.

    The text of a value is tried as it is, inside of a longer text, and as a number: in another unit, times a factor,
    plus or minus what was added.
    """
    if isinstance(given, bool):
        yield not given
        return
    if given is None:
        yield plain(new)
        return
    if isinstance(given, list | dict):
        return
    if str(given) == old:
        yield from _typed(given, new)
    if isinstance(given, str) and len(given) > 1 and given != old:
        yield from _within(given, old, new)
    yield from _numbers(given, old, new)


def is_derivable(old: str, new: str) -> bool:
    """Whether both may be made from a field that says neither: numbers with or without a unit, true and false."""
    if {old, new} == {"true", "false"}:
        return True
    return number(old) is not None and number(new) is not None


def plain(text: str) -> Any:
    """A text of a line as the value that it is."""
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        return int(text) if re.fullmatch(r"[-+]?[0-9]+", text) else float(text)
    return text


def _typed(given: Any, new: str) -> Iterator[Any]:
    if isinstance(given, str):
        yield new
        return
    value = plain(new)
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield value
        if isinstance(given, float):
            yield float(value)
    else:
        yield new


def _within(given: str, old: str, new: str) -> Iterator[str]:
    at = old.find(given)
    while at >= 0:
        before, after = old[:at], old[at + len(given) :]
        if new.startswith(before) and new.endswith(after) and len(new) > len(before) + len(after):
            yield new[len(before) : len(new) - len(after)]
        at = old.find(given, at + 1)


def _numbers(given: Any, old: str, new: str) -> Iterator[Any]:
    now, was, will = number(given), number(old), number(new)
    if now is None or was is None or will is None:
        return
    found = [will] if now == was else []
    if was and now:
        found.append(now * will / was)
    found += [now + (will - was), now - (will - was)]
    for value in dict.fromkeys(float(f"{each:.12g}") for each in found):
        yield from _styled(given, value)


def number(value: Any) -> float | None:
    """What a value or a text measures: seconds, a share of one, bytes, or a plain number."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    text = str(value).strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    if text.endswith("%") and _NUMBER.fullmatch(text[:-1]):
        return float(f"{float(text[:-1]) / 100:.12g}")
    if _DURATION.fullmatch(text):
        return sum(float(count) * SECONDS[unit] for count, unit in _PART.findall(text))
    memory = _MEMORY.fullmatch(text)
    return float(memory[1]) * _SIZE[memory[2]] if memory else None


def _styled(given: Any, value: float) -> Iterator[Any]:
    """A number written as the field's value is written."""
    if isinstance(given, float):
        yield value
    elif isinstance(given, int):
        yield int(value) if value == int(value) else value
    elif str(given).endswith("%"):
        yield f"{float(f'{value * 100:.10g}'):.10g}%"
    elif _DURATION.fullmatch(str(given)):
        if value > 0:
            yield from _durations(str(given), value)
    elif memory := _MEMORY.fullmatch(str(given)):
        yield f"{value / _SIZE[memory[2]]:.10g}{memory[2]}"
    elif value == int(value):
        yield str(int(value))


def _durations(given: str, seconds: float) -> Iterator[str]:
    parts = _PART.findall(given)
    if len(parts) == 1:
        count = float(f"{seconds / SECONDS[parts[0][1]]:.10g}")
        if count == int(count):
            yield f"{int(count)}{parts[0][1]}"
    yield written.duration(seconds)
