"""What was in production when, from the ledger."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from mlops_runtime.registry import promotion, state
from mlops_runtime.tracking import server


def history() -> list[dict[str, Any]]:
    """Times in production, the latest first. Nothing is changed: what was left undone, the next operation does.

    Returns:
        For each: `version` (None: nothing was), `semantic_version`, `from` and `until` (UTC, ISO 8601; `until` is None
        while it lasts), `action`, `by`, `run_id`.

    Raises:
        Mistaken: no parameters, no such model, or no answer from the server.
    """
    with server.answering():
        client, name, _ = promotion.opened()
        found = state.look(client, name)
    entries = found.entries
    last = entries[-1].version if entries else None
    if found.champion != last:
        state.say(
            f"the alias points to version {found.champion} and the last entry is {last}: the next operation settles it"
        )
    ends: list[str | None] = [later.done or later.at for _, later in pairwise(entries)]
    spans = [
        {
            "version": entry.version,
            "semantic_version": entry.semantic_version,
            "from": entry.done or entry.at,
            "until": end,
            "action": entry.action,
            "by": entry.by,
            "run_id": entry.run_id,
        }
        for entry, end in zip(entries, [*ends, None][: len(entries)], strict=True)
    ]
    return spans[::-1]


def show(spans: list[dict[str, Any]]) -> None:
    """Print times in production as a table."""
    from mlops_runtime.terminal import table

    rows = [
        (
            span["version"] or "none",
            span["semantic_version"] or "",
            _shown(span["from"]),
            _shown(span["until"]),
            span["action"],
            span["by"],
            (span["run_id"] or "")[:8],
        )
        for span in spans
    ]
    table(("version", "semantic", "from (UTC)", "until", "by", "who", "run"), rows)


def _shown(moment: str | None) -> str:
    return moment[:19].replace("T", " ") if moment else "now"
