"""A rollout as people and pages see it."""

from __future__ import annotations

from typing import Any

from mlops_runtime.rollout.state import State


def content(state: State, report: str = "") -> dict[str, Any]:
    """Plain data: what `rollout status --format json` prints and the status page shows."""
    return {
        "id": state.id,
        "phase": state.phase,
        "champion": state.champion,
        "canary": state.canary,
        "step": state.step,
        "steps": list(state.steps),
        "weight": state.weight,
        "held": round(state.held, 1),
        "total": round(state.total, 1),
        "began": state.began,
        "ended": state.ended or None,
        "reason": state.reason,
        "text": state.text,
        "stages": _stages(state),
        "history": [{"at": point.at, "weight": point.weight} for point in state.points],
        "decisions": [decision._asdict() for decision in state.decisions],
        "report": report,
    }


def _stages(state: State) -> list[dict[str, float]]:
    """When each share began, for `mlops-runtime experiment analyze --stages`."""
    found: list[dict[str, float]] = []
    for point in state.points:
        if not found or found[-1]["share"] != point.weight:
            found.append({"at": point.at, "share": point.weight})
    return found


def show(found: dict[str, Any] | None) -> None:
    """Print it for people."""
    from datetime import UTC, datetime

    from mlops_runtime.terminal import table

    if found is None:
        print("no rollout yet: `mlops-runtime rollout start` begins one")
        return
    phase, share = found["phase"].replace("_", " "), found["weight"] * 100
    step = f"step {found['step'] + 1} of {len(found['steps'])}"
    print(f"version {found['canary']} against version {found['champion'] or 'none'}: {phase}")
    print(f"{step}, {share:.4g}% of the traffic, held for {found['held']:.0f} s")
    print(found["text"])
    if found["report"]:
        print(f"report: {found['report']}")
    rows = [
        (datetime.fromtimestamp(one["at"], UTC).strftime("%m-%d %H:%M:%S"), one["outcome"], one["text"])
        for one in found["decisions"]
    ]
    table(("when (UTC)", "what", "why"), rows)
