"""Scalars as YAML text that every common reader, YAML 1.1 or 1.2, reads back as the same value."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "~", "none"])
_NUMBERISH = re.compile(
    r"[-+.]?[0-9][0-9_,]*([.:eE][-+]?[0-9._:eE+-]*)?|[-+]?0[xXoObB][0-9a-fA-F_]*|[-+]?\.[0-9_]+([eE][-+]?[0-9]*)?"
)
_DATEISH = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|[0-9]+(:[0-9]+)+(\.[0-9]*)?")
_FLOW_SAFE = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./@+=:\\~*$^ -]*")
_BLOCK_SAFE = re.compile(r"[A-Za-z0-9_./][\x20-\x22\x24-\x7e]*")
_ESCAPED = re.compile(
    "[\x00-\x1f\x7f-\xa0\xad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ud800-\udfff\ufeff\ufff0-\uffff]"
)


def scalar(value: Any, *, flow: bool = False) -> str:
    """One line of YAML for a string, number, boolean or null.

    Args:
        value: a Python scalar.
        flow: inside `[…]` or `{…}`, where more characters have a meaning.

    Raises:
        TypeError: not a scalar.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(value) if is_plain(value, flow=flow) else quoted(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return number(value)
    raise TypeError(f"{type(value).__name__} is not a YAML scalar")


def number(value: float) -> str:
    """A float with a dot, and a sign in its exponent, so that YAML 1.1 readers take it for one: `2.0e-05`."""
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    text = float.__repr__(value)
    mantissa, mark, exponent = text.partition("e")
    if mark and "." not in mantissa:
        mantissa += ".0"
    return mantissa + mark + exponent


def is_plain(text: str, *, flow: bool = False) -> bool:
    """Whether the string needs no quotes."""
    if not (_FLOW_SAFE if flow else _BLOCK_SAFE).fullmatch(text) or len(text) > 2000:
        return False
    if text.lower() in _WORDS or _NUMBERISH.fullmatch(text) or _DATEISH.fullmatch(text):
        return False
    if text[0] == "." and not text.startswith(("./", "../")) and not text[1:2].isalpha():
        return False
    if text.lower().startswith((".inf", ".nan")) or text in (".", "..") or text.startswith(("...", "---")):
        return False
    return ": " not in text and text[-1] not in " :" and (not flow or ":" not in text or "://" in text)


def quoted(text: str) -> str:
    """The string in double quotes; escapes are those that JSON and YAML share."""
    body = json.dumps(str(text), ensure_ascii=False)
    return _ESCAPED.sub(_escape, body)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def is_literal(text: str) -> bool:
    """Whether a text of several lines can stand in a block scalar (`|`) and be read back unchanged."""
    if "\n" not in text.rstrip("\n") or text[0] in " \t\n" or text.endswith("\n\n"):
        return False
    if _ESCAPED.search(text.replace("\n", "")):
        return False
    return all(line == line.rstrip(" \t") and not line.startswith("\t") for line in text.split("\n"))
