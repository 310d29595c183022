"""The report of a rollout: what was decided and why, with a picture of it, in one HTML file."""

from __future__ import annotations

import base64
import io
import os
import tempfile
from datetime import UTC, datetime
from html import escape
from typing import Any

from mlops_runtime.data import atomic, page
from mlops_runtime.rollout.settings import Settings
from mlops_runtime.rollout.state import Point, State

ENDS = {"promoted": "good", "rolled_back": "bad"}


def path(settings: Settings, state: State) -> str:
    """Where the report of a rollout lies; empty while it lasts."""
    if state.active:
        return ""
    folder = tempfile.gettempdir() if settings.local is None else os.path.dirname(settings.local["status"])
    return os.path.join(folder, f"{state.id}.html")


def write(settings: Settings, state: State) -> str:
    """Write the report of a rollout that ended.

    Returns:
        Its path.
    """
    found = path(settings, state)
    atomic.write(found, html(settings, state).encode())
    return found


def html(settings: Settings, state: State) -> str:
    """The page. The same rollout is the same page."""
    champion = f"version {state.champion}" if state.champion else "nothing"
    title = f"Rollout of version {state.canary} of {settings.model} in {settings.environment}"
    facts = [
        ("Champion before", champion),
        ("Began (UTC)", _time(state.began)),
        ("Ended (UTC)", _time(state.ended) if state.ended else "under way"),
        ("Looked at", _span(state.total)),
        ("Requests of the canary", str(sum(point.canary for point in state.points))),
        ("Requests of the champion", str(sum(point.champion for point in state.points))),
        ("Model's registry name", settings.model),
    ]
    outcome = f"{state.phase.replace('_', ' ')}{f' ({state.reason})' if state.reason else ''}: {state.text}"
    decisions = [(_time(one.at), one.outcome, one.text) for one in state.decisions]
    parts = [
        page.paragraph(outcome, ENDS.get(state.phase, "unknown")),
        _figure(state),
        page.heading("Facts"),
        page.rows(("What", "Value"), facts, [""] * len(facts)),
        page.heading("Decisions"),
        page.rows(("When (UTC)", "What", "Why"), decisions, [""] * len(decisions)),
    ]
    return page.document(title, parts)


def _figure(state: State) -> str:
    caption = "Share of the traffic that the canary had, and share of requests that failed."
    image = base64.b64encode(picture(state)).decode()
    text = escape(f"{caption} {state.text}")
    return (
        f'<figure><img alt="{text}" style="width:100%;background:#fff" src="data:image/png;base64,{image}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def picture(state: State) -> bytes:
    """Weights and failures over time, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), dpi=110, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    minutes = [(point.at - state.began) / 60 for point in state.points]
    above.step(minutes, [point.weight for point in state.points], where="post", color="#4269d0", linewidth=2)
    for step in state.steps:
        above.axhline(step, color="#8884", linewidth=0.8, zorder=0)
    above.set(ylabel="share of the canary", ylim=(-0.03, 1.05))
    above.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    for decision in state.decisions:
        if decision.outcome in ("rollback", "promote"):
            colour = "#c0392b" if decision.outcome == "rollback" else "#2e8b57"
            for axes in (above, below):
                axes.axvline((decision.at - state.began) / 60, color=colour, linestyle="--", linewidth=1.2)
    _failures(below, state, minutes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _failures(axes: Any, state: State, minutes: list[float]) -> None:
    for name, colour in (("champion", "#6b7280"), ("canary", "#c0392b")):
        pairs = [
            (minute, failed / requests)
            for minute, point in zip(minutes, state.points, strict=True)
            for requests, failed in [_counts(point, name)]
            if requests
        ]
        axes.plot([x for x, _ in pairs], [y for _, y in pairs], color=colour, marker=".", markersize=4, label=name)
    axes.set(xlabel="minutes", ylabel="failed")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


def _counts(point: Point, name: str) -> tuple[int, int]:
    if name == "champion":
        return point.champion, point.champion_failed
    return point.canary, point.canary_failed


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _span(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600} h {whole % 3600 // 60} min {whole % 60} s"
