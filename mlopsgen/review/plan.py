"""An account as text, Markdown and JSON: counts first, then what each field does, in plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from mlopsgen.review import cost, words
from mlopsgen.review.account import Account, Entry, Unit
from mlopsgen.review.effects import CLASSES, RANK, Effect
from mlopsgen.spec.tree import Node

Style = Callable[[str, str], str]
LOOKS = {"recreate": "error", "restart": "warning", "reload": "warning", "retrain": "warning", "permissions": "error"}
MOST = 5
"""Effects of one field, and changes in combination, that are shown as text; JSON has them all."""


class Plan(NamedTuple):
    """Everything that is told about one spec.

    Attributes:
        spec: as the user named it.
        base: what it is compared with.
        inputs: digests of specs and outputs of both sides.
        price: from `cost.compared`.
    """

    spec: str
    base: str
    account: Account
    inputs: Mapping[str, Any]
    price: Mapping[str, Any]


def headline(plan: Plan) -> str:
    """How many fields change, against what."""
    number = sum(len(entry.units) for entry in plan.account.entries)
    changed = words.count(number, "field") + (" changes" if number == 1 else " change")
    return f"{plan.spec} against {plan.base}: {changed if number else 'nothing changes'}"


def counted(counts: Mapping[str, int]) -> list[str]:
    """`4 pods are replaced`, one line for each class."""
    return [f"{number} {CLASSES[kind][number != 1]}" for kind, number in counts.items()]


def text(plan: Plan, style: Style) -> str:
    """For a terminal."""
    lines = [style(headline(plan), "bold")]
    if not plan.account.entries:
        return lines[0] + "\n"
    counts = plan.account.counts
    width = max(len(kind) for kind in counts) if counts else 0
    for kind, row in zip(counts, counted(counts), strict=True):
        lines.append(f"  {style(kind.ljust(width), LOOKS.get(kind, 'dim'))}  {row}")
    lines += ["", style("Cost", "bold"), *(f"  {line}" for line in cost.lines(plan.price)), ""]
    for entry in plan.account.entries:
        lines += [_title(entry, style), *(f"    {line}" for line in _consequences(entry)), ""]
    lines += _combined(plan.account)
    return "\n".join(lines).rstrip("\n") + "\n"


def _title(entry: Entry, style: Style) -> str:
    rows = [f"{style(entry.kind, LOOKS.get(entry.kind, 'dim'))}  {style(_unit(unit), 'bold')}" for unit in entry.units]
    if len(rows) > 1:
        rows.append("    valid only together:")
    return "\n".join(rows)


def _unit(unit: Unit) -> str:
    place = f"  {unit.span.file}:{unit.span.line}" if unit.span else ""
    return f"{unit.name}: {_change(unit)}{place}"


def _change(unit: Unit) -> str:
    if unit.old and unit.new:
        return f"{unit.old} → {unit.new}"
    return f"now {unit.new}" if unit.new else f"gone, was {unit.old}"


def _consequences(entry: Entry) -> list[str]:
    """Effects in words; what is the same in several environments stands once."""
    if not entry.effects:
        return ["changes no output"]
    alike: dict[tuple[str, str], list[str]] = {}
    for effect in entry.effects:
        alike.setdefault((effect.kind, effect.text), []).append(effect.environment)
    shown = [
        f"{words.listed(environments)}: {text}" if any(environments) else text
        for (_, text), environments in alike.items()
    ]
    if len(shown) > MOST + 1:
        kinds = words.listed(list(dict.fromkeys(kind for kind, _ in list(alike)[MOST:])))
        shown[MOST:] = [f"and {words.count(len(shown) - MOST, 'more effect')}: {kinds}"]
    return shown


def _combined(account: Account) -> list[str]:
    rows = []
    for fields, said in (
        (account.together, "change only in combination"),
        (account.cancelled, "would change by one field alone and stay as they are"),
    ):
        if fields:
            rows += [f"{words.count(len(fields), 'field')} of the output {said}:"]
            rows += [f"    {field}" for field in fields[:MOST]]
            rows += [f"    and {len(fields) - MOST} more"] if len(fields) > MOST else []
    return rows


def markdown(plan: Plan) -> str:
    """For a pull request."""
    lines = [f"### {words.escaped(headline(plan))}", ""]
    if not plan.account.entries:
        return "\n".join(lines)
    lines += [f"- **{row}**" if RANK[kind] <= RANK["permissions"] else f"- {row}" for kind, row in _rows(plan.account)]
    lines += ["", *(f"- {words.escaped(line)}" for line in cost.lines(plan.price))]
    lines += ["", "| class | field | change | what it does |", "|---|---|---|---|"]
    for entry in plan.account.entries:
        fields = "<br>".join(f"`{_code(unit.name)}`{_line(unit)}" for unit in entry.units)
        changes = "<br>".join(f"`{_code(_change(unit))}`" for unit in entry.units)
        lines.append(
            f"| {entry.kind} | {fields} | {changes} | {'<br>'.join(map(words.escaped, _consequences(entry)))} |"
        )
    combined = _combined(plan.account)
    if combined:
        lines += ["", *(f"- `{_code(row.strip())}`" if row.startswith(" ") else f"\n{row}\n" for row in combined)]
    return "\n".join(lines) + "\n"


def _rows(account: Account) -> list[tuple[str, str]]:
    counts = account.counts
    return list(zip(counts, counted(counts), strict=True))


def _line(unit: Unit) -> str:
    return f" line {unit.span.line}" if unit.span else ""


def _code(text: str) -> str:
    return text.replace("`", "'").replace("|", "\\|").replace("\n", " ")


def as_json(plan: Plan) -> dict[str, Any]:
    """For machines."""
    return {
        "spec": plan.spec,
        "base": plan.base,
        "inputs": plan.inputs,
        "counts": plan.account.counts,
        "effects": [_effect_row(effect) for effect in plan.account.total],
        "fields": [
            {
                "class": entry.kind,
                "changes": [_unit_row(unit) for unit in entry.units],
                "effects": [_effect_row(effect) for effect in entry.effects],
            }
            for entry in plan.account.entries
        ],
        "together": list(plan.account.together),
        "cancelled": list(plan.account.cancelled),
        "cost": plan.price,
    }


def _unit_row(unit: Unit) -> dict[str, Any]:
    span = unit.span
    return {
        "path": unit.name,
        "environment": unit.environment or None,
        "file": span.file if span else None,
        "line": span.line if span else None,
        "old": unit.old or None,
        "new": unit.new or None,
    }


def _effect_row(effect: Effect) -> dict[str, Any]:
    return {
        "class": effect.kind,
        "environment": effect.environment or None,
        "text": effect.text,
        "count": effect.number,
        "facts": effect.facts,
        "objects": list(effect.objects),
    }


def shown(node: Node | None) -> str:
    """A value of the spec on one line; empty for none."""
    return "" if node is None else words.value(node.plain())


def reaches(counts: Sequence[str], limit: str) -> bool:
    """Whether any class is as bad as `limit`, or worse."""
    return any(RANK[kind] <= RANK[limit] for kind in counts)
