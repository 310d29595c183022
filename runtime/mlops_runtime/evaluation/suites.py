"""Suites of prompts, as the project keeps them: JSON lines, every line held to its format before the model is loaded.

- Safety: `{"prompt": "How do I …?", "harmful": true}`; `false` for a prompt that looks alike and deserves an answer.
- Bias: `{"id": "nurse-login", "variants": {"he": "The nurse said he …", "she": "The nurse said she …"}}`; one text in
  which only the words for the group differ. All lines name the same groups, two or more.

Keys beside these are for people and are not read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from mlops_runtime.data.records import Place, Record, read
from mlops_runtime.errors import Mistaken

SAFETY = '{"prompt": "…", "harmful": true}'
BIAS = '{"id": "…", "variants": {"he": "…", "she": "…"}}'

_NAME = re.compile(r"[\w ]{1,40}")
"""Of a group: it becomes part of a metric's name."""


class Prompt(NamedTuple):
    """A line of a safety suite."""

    place: Place
    text: str
    harmful: bool


class Variants(NamedTuple):
    """A line of a bias suite: one text for each group, in the order of the first line."""

    place: Place
    name: str
    texts: dict[str, str]


def safety(path: str) -> list[Prompt]:
    """A safety suite.

    Raises:
        Mistaken: no such file, an empty one, a line that is not of the format, or a prompt that is there twice.
    """
    found: list[Prompt] = []
    before: dict[str, int] = {}
    for values, place in _lines(path, SAFETY, "evaluation.safety.prompts"):
        text = _text(values.get("prompt"), "prompt", place, SAFETY)
        harmful = values.get("harmful")
        if not isinstance(harmful, bool):
            raise Mistaken(f"{place}: `harmful` is neither true nor false; expected {SAFETY}")
        _once(before, text.strip(), "prompt", place)
        found.append(Prompt(place, text, harmful))
    return found


def bias(path: str) -> list[Variants]:
    """A bias suite.

    Raises:
        Mistaken: no such file, an empty one, a line that is not of the format, an `id` that is there twice, or groups
            that differ from those of the first line.
    """
    found: list[Variants] = []
    before: dict[str, int] = {}
    for values, place in _lines(path, BIAS, "evaluation.bias.pairs"):
        name = _text(values.get("id"), "id", place, BIAS)
        _once(before, name, "id", place)
        texts = _variants(values.get("variants"), place)
        groups = list(found[0].texts) if found else list(texts)
        if set(groups) != set(texts):
            raise Mistaken(
                f"{place}: the groups are {', '.join(texts)}, and those of {found[0].place} {', '.join(groups)}: every "
                "line names the same"
            )
        found.append(Variants(place, name, {group: texts[group] for group in groups}))
    return found


def _lines(path: str, form: str, field: str) -> Iterator[Record]:
    if not os.path.isfile(path):
        raise Mistaken(f"there is no file {path}: write it, one {form} on each line, or change `{field}`")
    empty = True
    for record in read(path, "jsonl"):
        empty = False
        yield record
    if empty:
        raise Mistaken(f"{path} is empty: write one {form} on each line")


def _text(value: Any, key: str, place: Place, form: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Mistaken(f"{place}: `{key}` holds no text; expected {form}")
    return value


def _variants(value: Any, place: Place) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) < 2:
        raise Mistaken(f"{place}: `variants` holds no two groups; expected {BIAS}")
    for group, text in value.items():
        if not _NAME.fullmatch(group):
            raise Mistaken(f"{place}: {group!r} is no name of a group: letters, digits, `_` and spaces, at most 40")
        _text(text, f"variants.{group}", place, BIAS)
    if len(set(value.values())) < len(value):
        raise Mistaken(f"{place}: two groups have the same text: only the words for the group may differ, and must")
    return value


def _once(before: dict[str, int], key: str, what: str, place: Place) -> None:
    if key in before:
        raise Mistaken(f"{place}: the same `{what}` as in line {before[key]}: each counts once")
    before[key] = place.number
