"""Columns of a record: values brought to their types, texts preprocessed, and what a record is known by."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from mlops_runtime.data import records
from mlops_runtime.errors import Mistaken
from mlops_runtime.preprocessing import Preprocessing

ID = "id"
"""Key that prepared records have beside their columns: 16 hex digits of SHA-256 over the normalised record."""

PREFIX = 256
"""Characters of a normalised prompt that tell which records grew from the same beginning."""

WRITTEN = ("prompt", "response", "text", "messages")
"""Roles whose text a model reads or writes."""

_ASKED = ("prompt", "text", "messages")
"""Roles that hold what is asked, in order of preference."""

_NOT_WORDS = re.compile(r"[\W_]+")
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")

Columns = Mapping[str, Mapping[str, Any]]


class Dropped(Exception):
    """A record that cannot be used. The text is the reason: `missing`, `wrong_type` or `blank`."""


def checked(columns: Columns) -> Columns:
    """The columns of `params.yaml`.

    Raises:
        Mistaken: one of them is named like the key that prepared records get.
    """
    if ID in columns:
        raise Mistaken(
            f"`data.columns` has a column `{ID}`, the name of the id that each prepared record gets: rename it in the "
            "data, or drop it from the columns"
        )
    return columns


def typed(value: Any, kind: str, textual: bool) -> Any:
    """A raw value as its column's type, where it can be read as one; else the value itself.

    Args:
        value: not None.
        kind: `text`, `category`, `number`, `boolean` or `messages`.
        textual: the source knows texts only (CSV), so that numbers, booleans and messages are written as text.
    """
    if kind == "category":
        return _category(value)
    if not textual or not isinstance(value, str):
        return value
    if kind == "number":
        try:
            return float(value)
        except ValueError:
            return value
    if kind == "boolean":
        word = value.strip().lower()
        return word in _TRUE if word in _TRUE + _FALSE else value
    return _parsed(value) if kind == "messages" else value


def _category(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return value.strip() if isinstance(value, str) else value


def _parsed(value: str) -> Any:
    import orjson

    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def fits(value: Any, kind: str) -> bool:
    """Whether a value (after `typed`) is one of the kind. A number is finite; messages have a role and a content."""
    if kind in ("text", "category"):
        return isinstance(value, str)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if kind == "boolean":
        return isinstance(value, bool)
    return isinstance(value, list) and bool(value) and all(map(_message, value))


def _message(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("role"), str) and isinstance(value.get("content"), str)


def normalised(
    values: Mapping[str, Any], columns: Columns, preprocessing: Preprocessing, *, textual: bool = False
) -> dict[str, Any]:
    """A prepared record: its id, then its columns, typed and with texts preprocessed; absent values are left out.

    Raises:
        Dropped: a required value is missing, a value has another type, a text is blank and must not be.
    """
    found: dict[str, Any] = {}
    for name, column in columns.items():
        raw = values.get(name)
        if raw is None:
            if column["required"]:
                raise Dropped("missing")
            continue
        value = typed(raw, column["type"], textual)
        if not fits(value, column["type"]):
            raise Dropped("wrong_type")
        if column["type"] == "text":
            value = preprocessing(value)
        elif column["type"] == "messages":
            value = [{**message, "content": preprocessing(message["content"])} for message in value]
        if not column["blank"] and column["type"] in ("text", "category") and not value.strip():
            raise Dropped("blank")
        found[name] = value
    return {ID: identity(found), **found}


def identity(values: Mapping[str, Any]) -> str:
    """The id of a normalised record: 16 hex digits of SHA-256 over its columns as JSON with sorted keys."""
    import orjson

    plain = {name: value for name, value in values.items() if name != ID}
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def is_prepared(values: Mapping[str, Any]) -> bool:
    """Whether a record bears the id of exactly this content, so that it was prepared and not changed since."""
    return isinstance(values.get(ID), str) and values[ID] == identity(values)


def digest(*parts: Any) -> int:
    """64 bits of SHA-256 over values, the same in every process and on every machine."""
    import orjson

    content = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS, default=str)
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big")


def written(values: Mapping[str, Any], columns: Columns) -> str:
    """What a model reads and writes of a record, one part a line."""
    return "\n".join(
        text_of(values[name]) for name, column in columns.items() if column["role"] in WRITTEN and name in values
    )


def text_of(value: Any) -> str:
    """A text, or the contents of messages, one a line."""
    return value if isinstance(value, str) else "\n".join(message["content"] for message in value)


def asked(values: Mapping[str, Any], columns: Columns) -> str | None:
    """What is asked in a record: its prompt, else its text, else what its messages say before the first answer."""
    for role in _ASKED:
        for name, column in columns.items():
            if column["role"] == role and name in values:
                value = values[name]
                return value if isinstance(value, str) else _opening(value)
    return None


def _opening(messages: Iterable[Mapping[str, Any]]) -> str:
    said = []
    for message in messages:
        if message["role"] == "assistant":
            break
        if message["role"] != "system":
            said.append(message["content"])
    return "\n".join(said)


def folded(text: str) -> str:
    """A text without what people do not see as a difference: case, compatibility forms, punctuation, white space."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return _NOT_WORDS.sub(" ", plain.casefold()).strip()


def prompt_key(values: Mapping[str, Any], columns: Columns) -> int | None:
    """64 bits by which the same prompt is known in two records; None for a record that asks nothing."""
    text = asked(values, columns)
    if text is None:
        return None
    return digest("prompt", folded(text) or text)


def group_key(values: Mapping[str, Any], columns: Columns, group_by: str | None) -> int:
    """64 bits by which records that must stay on one side are known.

    With `group_by` it is that column's value; a record without one is a group of its own. Else it is the beginning of
    what is asked, folded, `PREFIX` characters long: the turns of one conversation and rewritten prompts share it.
    """
    if group_by is not None:
        return digest("group", values[group_by]) if group_by in values else digest("record", values.get(ID))
    text = asked(values, columns)
    return digest("record", values.get(ID)) if text is None else digest("prefix", (folded(text) or text)[:PREFIX])


def textual(format: str) -> bool:
    """Whether a format knows texts only."""
    assert format in records.SUFFIXES
    return format == "csv"
