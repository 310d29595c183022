"""A draft as a file for people: every value with its place, every gap marked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlopsgen.adoption.draft import Draft, Taken
from mlopsgen.render.scalar import scalar
from mlopsgen.spec.document import Spec
from mlopsgen.spec.fields import names
from mlopsgen.spec.tree import Path, dotted

SCHEMA = "# yaml-language-server: $schema=./schemas/mlops.v1.schema.json"
HEAD = "# Taken from what was there; everything that was not is told by `mlopsgen import --dry-run`."
GAP = "# FILL IN: nothing that was read says it"


def text(draft: Draft) -> str:
    """The whole file."""
    tree: dict[Any, Any] = {}
    for path, taken in draft.taken.items():
        _put(tree, path, taken)
    for path in draft.missing:
        _put(tree, path, None)
    rows = [SCHEMA, HEAD, "version: 1"]
    order = names(Spec)
    for section in sorted(tree, key=lambda one: order.index(one) if one in order else len(order)):
        rows += ["", *_rows(draft, (section,), tree[section], 0)]
    return "\n".join(rows) + "\n"


def _put(tree: dict[Any, Any], path: Path, value: Taken | None) -> None:
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    tree[path[-1]] = value


def _rows(draft: Draft, path: Path, value: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    head = f"{indent}{scalar(path[-1])}:"
    if value is None:
        yield f"{head}  {GAP}{_hint(draft, path)}"
    elif isinstance(value, Taken):
        yield f"{head} {_flow(value.value)}  {_comment(value)}"
    elif value and all(isinstance(key, int) for key in value):
        yield head
        for key in sorted(value):
            yield from _entry(value[key], indent + "  ")
    else:
        yield head
        for key, child in value.items():
            yield from _rows(draft, (*path, key), child, depth + 1)


def _entry(taken: Taken, indent: str) -> Iterator[str]:
    """A mapping in a list."""
    for number, (key, value) in enumerate(taken.value.items()):
        start = "  " if number else "- "
        yield f"{indent}{start}{key}: {_flow(value)}" + ("" if number else f"  {_comment(taken)}")


def _flow(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inner(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key, flow=True)}: {_inner(one)}" for key, one in value.items()) + "}"
    return scalar(value)


def _inner(value: Any) -> str:
    return _flow(value) if isinstance(value, list | tuple | dict) else scalar(value, flow=True)


def _comment(taken: Taken) -> str:
    note = f" ({taken.note})" if taken.note else ""
    return f"# from {taken.file}:{taken.line}{note}".replace("\n", " ")


def _hint(draft: Draft, path: Path) -> str:
    found = draft.hints.get(path, [])
    if path == ("model", "base"):
        return ": a hub id or folder, or `architecture:` instead"
    return f"; it could be {', '.join(found[:4])}" if found else f": {dotted(path)}"
