"""Plain data as the YAML of a spec, in the style of what stood there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlopsgen.render import scalar as rendered
from mlopsgen.review.writing.layout import Piece

WIDTH = 120
"""Columns up to which a collection stays on one line."""
CROWDED = 60
"""Characters from which a list of mappings is written one entry a line."""

_SHARE = re.compile(r"[0-9]+(?:\.[0-9]+)?%")
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def scalar(value: Any, *, flow: bool = False) -> str:
    """A scalar, in quotes where a reader would take it for something else."""
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str) and _SHARE.fullmatch(value):
        return value
    return rendered.scalar(value, flow=flow)


def _number(value: float) -> str:
    """A float as people write it: `2e-5`, `0.05`, `2.0`."""
    text = rendered.number(value)
    mantissa, mark, exponent = text.partition("e")
    if not mark:
        return text
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def quoted(text: str) -> str:
    """The string in double quotes."""
    return rendered.quoted(text)


def name(key: str) -> str:
    """A key of a mapping."""
    return scalar(key, flow=True) if _BARE.fullmatch(key) else quoted(key)


def like(style: str, value: Any, *, flow: bool) -> str:
    """A scalar in the style of another one, where it can be."""
    if isinstance(value, str):
        if style == '"':
            return quoted(value)
        if style == "'" and value.isprintable():
            return "'" + value.replace("'", "''") + "'"
    return scalar(value, flow=flow)


def flow(value: Any, *, quote: bool = False) -> str:
    """Anything on one line; `quote`: every string in double quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name(key)}: {flow(item, quote=quote)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item, quote=quote) for item in value) + "]"
    return quoted(value) if quote and isinstance(value, str) else scalar(value, flow=True)


_flow = flow


def ways(value: Any, piece: Piece, old: str, indent: int, *, flow: bool) -> Iterator[str]:
    """Texts for a value that takes the place of a piece, the one that resembles it most first."""
    if isinstance(value, dict | list):
        if not flow and piece.kind in ("mapping", "list") and not piece.flow and value:
            for column in (piece.column, indent):
                yield block(value, column)
        yield from (_flow(value), _flow(value, quote=True))
        return
    comment = ""
    if piece.style in ("|", ">"):
        if isinstance(value, str) and piece.style == "|" and "\n" in value:
            yield _literal(value, _indent_of(old, indent))
        head, _, _ = old.partition("\n")
        comment = head[head.index("#") - 1 :] if " #" in head else ""
    yield like(piece.style, value, flow=flow) + comment
    if isinstance(value, str):
        yield quoted(value) + comment


def _indent_of(old: str, indent: int) -> int:
    for line in old.split("\n")[1:]:
        if line.strip():
            return len(line) - len(line.lstrip(" "))
    return indent


def _literal(value: str, indent: int) -> str:
    pad = " " * indent
    body = "\n".join(pad + line if line else "" for line in value.rstrip("\n").split("\n"))
    return ("|" if value.endswith("\n") else "|-") + "\n" + body


def fresh(value: Any, indent: int, *, after: str) -> Iterator[str]:
    """Texts for a new value in a block.

    Args:
        indent: column of the block that it may become.
        after: what stands before it on the line: a key, or a dash.
    """
    if isinstance(value, str) and rendered.is_literal(value):
        yield f" {_literal(value, indent)}"
    line = flow(value) if isinstance(value, dict | list) else scalar(value)
    fits = indent + len(after) + len(line) <= WIDTH and not _crowded(value, line)
    if fits or not isinstance(value, dict | list) or not value:
        yield f" {line}"
        if isinstance(value, str):
            yield f" {quoted(value)}"
    if isinstance(value, dict | list) and value:
        yield block(value, indent, dash=after == "- ")
        yield f" {flow(value, quote=True)}"


def _crowded(value: Any, line: str) -> bool:
    return isinstance(value, list) and len(line) > CROWDED and any(isinstance(item, dict) for item in value)


def block(value: Any, indent: int, *, dash: bool = False) -> str:
    """A collection in block style: behind a key it begins on the next line, behind a dash on the same."""
    pad = "\n" + " " * indent
    if isinstance(value, dict):
        lines = [f"{name(key)}:{next(fresh(item, indent + 2, after=f'{name(key)}: '))}" for key, item in value.items()]
    else:
        lines = [f"-{next(fresh(item, indent + 2, after='- '))}" for item in value]
    return f" {pad.join(lines)}" if dash else pad + pad.join(lines)
