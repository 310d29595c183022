"""What judges said, as text and for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlopsgen.cli import asking, words

if TYPE_CHECKING:
    from mlopsgen.cli.blame import Blame
    from mlopsgen.verify.bench import Verdict
    from mlopsgen.verify.judge import Remark

STATES = {
    "clean": ("nothing", "good"),
    "found": ("finds", "error"),
    "failed": ("no verdict", "error"),
    "missing": ("not installed", "dim"),
    "idle": ("nothing to look at", "dim"),
}
"""How states are called, and how they look."""


def text(spec: str, verdicts: Sequence[Verdict]) -> str:
    """One line for each judge."""
    from mlopsgen.review.words import count

    rows = [words.styled(spec, "bold")]
    width = max(len(verdict.judge.name) for verdict in verdicts)
    for verdict in verdicts:
        if verdict.state == "idle":
            continue
        said, look = STATES[verdict.state]
        if verdict.state == "found":
            said = count(len(verdict.remarks), "finding")
        looked = count(verdict.files, "file") if verdict.installed else ""
        rows.append(
            f"  {verdict.judge.name:<{width}}  {verdict.version:<8}  {looked:<9}  {words.styled(said, look)}"
            + (f"  {verdict.judge.install}" if verdict.state == "missing" else "")
        )
        rows += [f"  {'':<{width}}  {words.styled(note, 'dim')}" for note in verdict.notes]
        for rule, places in _accepted(verdict).items():
            where = f"{count(len(places), 'line')} with {rule}, accepted: see docs/workflows.md"
            rows.append(f"  {'':<{width}}  {words.styled(where, 'dim')}")
    idle = [verdict.judge.name for verdict in verdicts if verdict.state == "idle"]
    rows += [f"  nothing to look at: {', '.join(idle)}"] if idle else []
    return "\n".join(rows)


def _accepted(verdict: Verdict) -> dict[str, list[Remark]]:
    found: dict[str, list[Remark]] = {}
    for remark in verdict.accepted:
        found.setdefault(remark.rule, []).append(remark)
    return found


def row(spec: str, verdicts: Sequence[Verdict], blames: Mapping[tuple[str, int], Blame]) -> dict[str, Any]:
    """The same for machines, with every finding."""
    from mlopsgen.verify.bench import ACCEPTED

    return {
        "spec": spec,
        "judges": [
            {
                "name": verdict.judge.name,
                "state": verdict.state,
                "installed": verdict.installed,
                "version": verdict.version or None,
                "install": verdict.judge.install,
                "files": verdict.files,
                "notes": list(verdict.notes),
                "seconds": round(verdict.seconds, 3),
                "findings": [_finding(one, blames.get((one.key, one.line))) for one in verdict.remarks],
                "accepted": [
                    {**_finding(one, None), "because": ACCEPTED[verdict.judge.name, one.rule]}
                    for one in verdict.accepted
                ],
            }
            for verdict in verdicts
        ],
    }


def _finding(remark: Remark, blame: Blame | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "file": remark.key.removeprefix("//"),
        "line": remark.line or None,
        "column": remark.column or None,
        "severity": remark.level,
        "rule": remark.rule or None,
        "message": remark.message,
    }
    if blame is not None:
        found |= {
            "text": blame.text or None,
            "kind": blame.kind,
            "target": blame.made.target,
            "template": blame.made.template or None,
            "fields": [asking.row(one) for one in blame.inputs],
            "patches": list(blame.patches),
        }
    return found
