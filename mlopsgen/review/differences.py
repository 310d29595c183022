"""A structural difference as text, Markdown and JSON."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Any

from mlopsgen.review import words
from mlopsgen.review.blocks import Block
from mlopsgen.review.compare import Change, dotted
from mlopsgen.review.documents import Pair

Style = Callable[[str, str], str]
SIGNS = {"add": "+", "remove": "-", "change": "~", "move": "↕"}
LOOKS = {"add": "good", "remove": "error", "change": "warning", "move": "warning"}
MOST = 40
"""Changes of one block that are shown as text; JSON has them all."""


def counts(blocks: Sequence[Block]) -> dict[str, int]:
    """How many objects come, go and change, how many files change in comments or layout only, how many fields."""
    found = {"created": 0, "removed": 0, "changed": 0, "layout": 0, "fields": 0}
    names = {"create": "created", "remove": "removed", "layout": "layout"}
    changed: set[tuple[str, str]] = set()
    for block in blocks:
        if block.kind == "change":
            changed |= {(pair.file, pair.name) for pair in block.objects}
            found["fields"] += len(block.changes) * len(block.objects)
        else:
            found[names[block.kind]] += len(block.objects)
    return {**found, "changed": len(changed)}


def headline(blocks: Sequence[Block]) -> str:
    """The counts in words."""
    found = counts(blocks)
    parts = [words.count(found["changed"], "object") + " changed"] if found["changed"] else []
    parts += [f"{found[kind]} {kind}" for kind in ("created", "removed") if found[kind]]
    if found["layout"]:
        parts.append(f"comments or layout of {words.count(found['layout'], 'file')}")
    return ", ".join(parts) or "nothing differs"


def text(blocks: Sequence[Block], style: Style) -> str:
    """For a terminal."""
    lines: list[str] = []
    for block in blocks:
        lines += [style(_title(block), "bold"), *_places(block, style, "    ")]
        shown = block.changes if len(block.changes) <= MOST else block.changes[: MOST - 1]
        for change in shown:
            lines += [f"  {style(line, LOOKS[change.kind])}" for line in _told(change)]
        if len(shown) < len(block.changes):
            lines.append(f"  … {len(block.changes) - len(shown)} more")
        lines.append("")
    return "\n".join(lines)


def markdown(blocks: Sequence[Block]) -> str:
    """For a pull request."""
    lines: list[str] = []
    for block in blocks:
        lines += [f"**{words.escaped(_title(block))}**", ""]
        lines += [f"- {line.strip()}" for line in _places(block, lambda text, look: f"`{text}`", "")]
        if block.changes:
            shown = block.changes if len(block.changes) <= MOST else block.changes[: MOST - 1]
            told = [line for change in shown for line in _diff(change)]
            if len(shown) < len(block.changes):
                told.append(f"# {len(block.changes) - len(shown)} more")
            fence = "`" * max(3, 1 + max(_backticks(line) for line in told))
            lines += ["", f"{fence}diff", *told, fence]
        lines.append("")
    return "\n".join(lines)


def as_json(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """For machines: every change with the objects that share it."""
    return [
        {
            "kind": block.kind,
            "objects": [{"file": pair.file.removeprefix("//"), "object": pair.name} for pair in block.objects],
            "changes": [
                {"kind": each.kind, "path": dotted(each.path), "old": each.old, "new": each.new}
                for each in block.changes
            ],
        }
        for block in blocks
    ]


def _backticks(text: str) -> int:
    """The longest run of backticks, which a fence must exceed."""
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _title(block: Block) -> str:
    number = len(block.objects)
    if block.kind in ("create", "remove"):
        return f"{words.count(number, 'object')} {'created' if block.kind == 'create' else 'removed'}"
    if block.kind == "layout":
        return f"{words.count(number, 'file')} with other comments or layout only"
    return block.objects[0].shown if number == 1 else f"{number} objects change alike"


def _places(block: Block, style: Style, indent: str) -> list[str]:
    """The objects of a block by file; none when the title says it."""
    if block.kind == "change" and len(block.objects) == 1:
        return []
    by_file: dict[str, list[Pair]] = {}
    for pair in block.objects:
        by_file.setdefault(pair.file, []).append(pair)
    rows = []
    for file, objects in by_file.items():
        names = words.some([pair.name for pair in objects if pair.name], 6)
        rows.append(indent + style(file.removeprefix("//"), "dim") + (f" {names}" if names else ""))
    return rows


def _told(change: Change) -> list[str]:
    """A change in lines: one, or for texts of several lines those that differ."""
    sign, path = SIGNS[change.kind], dotted(change.path)
    if change.kind == "change" and _is_long(change):
        return [f"{sign} {path}:", *(f"    {line}" for line in _lines(change))]
    if change.kind == "change":
        old, new = words.change(change.old, change.new)
        return [f"{sign} {path}: {old} → {new}"]
    if change.kind == "move":
        return [f"{sign} {path}: order {', '.join(change.old)} → {', '.join(change.new)}"]
    return [f"{sign} {path}: {words.value(change.old if change.kind == 'remove' else change.new)}"]


def _diff(change: Change) -> list[str]:
    path = dotted(change.path)
    if change.kind == "change" and _is_long(change):
        return [f"! {path}", *_lines(change)]
    if change.kind == "change":
        old, new = words.change(change.old, change.new)
        return [f"- {path}: {old}", f"+ {path}: {new}"]
    if change.kind == "move":
        return [f"- {path}: order {', '.join(change.old)}", f"+ {path}: order {', '.join(change.new)}"]
    return [f"{SIGNS[change.kind]} {path}: {words.value(change.old if change.kind == 'remove' else change.new)}"]


def _is_long(change: Change) -> bool:
    return isinstance(change.old, str) and isinstance(change.new, str) and "\n" in change.old + change.new


def _lines(change: Change) -> list[str]:
    rows = difflib.unified_diff(change.old.splitlines(), change.new.splitlines(), lineterm="", n=0)
    return [row[:200] for row in list(rows)[2:] if not row.startswith("@@")]
