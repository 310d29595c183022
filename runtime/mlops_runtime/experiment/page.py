"""The analysis for people: tables on the terminal, and a page with pictures. The same input gives the same bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlops_runtime.data import page as html
from mlops_runtime.experiment.analysis import facts
from mlops_runtime.experiment.assignment import CANARY, CHAMPION
from mlops_runtime.experiment.metrics import METRICS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLES = {"ship": "Ship the challenger", "keep": "Keep the champion", "more": "Wait for more users"}
KINDS = {"ship": "good", "keep": "bad", "more": "unknown"}
HEADERS = ("metric", "users", "champion", "canary", "effect", "at any look", "at one look", "p", "Cohen's d")
_STYLE: Any = {"svg.hashsalt": "experiment", "svg.fonttype": "path", "font.family": "DejaVu Sans"}
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_COLOURS = {CHAMPION: "#4269d0", CANARY: "#c77700"}


def decision_text(found: Mapping[str, Any]) -> str:
    """The decision in one sentence."""
    made = found["decision"]
    more = f": about {made['more']:,} more on the canary" if made["more"] is not None else ""
    return f"{TITLES[made['verdict']]}{more}. {made['reason'][:1].upper()}{made['reason'][1:]}."


def metric_rows(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row for each metric, the experiment's own first; `-` where too few users are known."""
    own = found["settings"]["metric"]
    rows: list[tuple[str, ...]] = []
    for name in sorted(METRICS, key=lambda name: name != own):
        metric, one = METRICS[name], found["metrics"][name]
        users = f"{one['users']['champion']:,} / {one['users']['canary']:,}"
        label = metric.title if name == own else f"{metric.title} (guardrail)"
        if "effect" not in one:
            rows.append((label, users, *("-",) * (len(HEADERS) - 2)))
            continue
        d = one["cohen_d"]
        spans = [metric.span_text(*one[method]["interval"]) for method in ("sequence", "welch")]
        rows.append(
            (
                label,
                users,
                metric.level_text(one["champion"]),
                metric.level_text(one["canary"]),
                metric.effect_text(one["effect"]),
                *spans,
                f"{one['sequence']['p']:.2g} / {one['welch']['p']:.2g}",
                "-" if d is None else f"{d['value']:+.3f} ({d['interval'][0]:+.3f} to {d['interval'][1]:+.3f})",
            )
        )
    return rows


def balance_rows(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row for each stage."""
    rows: list[tuple[str, ...]] = []
    for one in found["balance"]["stages"]:
        total = one["champion"] + one["canary"]
        share = f"{one['canary'] / total:.2%}" if total else "-"
        counts = (f"{one['champion']:,}", f"{one['canary']:,}", f"{one['in_both_arms']:,}")
        numbers = (f"{one['share']:.2%}", share, f"{one['chi_square']:.2f}", f"{one['p']:.3g}")
        rows.append((one["begin"] or "always", *counts, *numbers))
    return rows


BALANCE_HEADERS = ("stage", "champion", "canary", "in both", "scheduled", "canary's share", "χ²", "p")


def show(found: Mapping[str, Any]) -> None:
    """Print the analysis."""
    import click

    from mlops_runtime.terminal import table

    click.echo(f"{decision_text(found)}\n")
    table(HEADERS, metric_rows(found))
    click.echo()
    table(BALANCE_HEADERS, balance_rows(found))
    click.echo()
    for name, fact in facts(found):
        click.echo(f"{name}: {fact}")


def page(found: Mapping[str, Any]) -> str:
    """The page."""
    return html.document(f"Experiment of {found['settings']['project']}", list(_body(found)))


def _body(found: Mapping[str, Any]) -> Iterator[str]:
    verdict, settings = found["decision"]["verdict"], found["settings"]
    yield html.paragraph(decision_text(found), KINDS[verdict])
    yield html.rows(("", ""), facts(found), [""] * len(facts(found)))
    yield html.heading("Metrics")
    rows = metric_rows(found)
    yield html.rows(HEADERS, rows, [""] * len(rows))
    yield html.paragraph(
        f"A user's mean is one observation, in each stage apart. Effects are canary minus champion; that of latency "
        f"is the ratio of geometric means. Intervals miss in {settings['alpha']:.2%} of all experiments: those at any "
        f"look may be looked at as often as one likes, Welch's at one look is for the planned users, once. Worth "
        f"shipping: {settings['min_effect']:g} standard deviations. Both p in the same order."
    )
    if found["looks"]:
        yield html.heading("Over time")
        yield _figure(found, means, "Means of both arms with intervals of one look, by the time at which users came")
        yield _figure(found, narrowing, "Difference of the arms with the confidence sequence, by users seen")
    yield html.heading("Users by stage")
    rows = balance_rows(found)
    kinds = ["bad" if found["balance"]["alarm"] and one["p"] < 0.001 else "" for one in found["balance"]["stages"]]
    yield html.rows(BALANCE_HEADERS, rows, kinds)
    yield html.paragraph(f"Sample ratio over all stages: p = {found['balance']['p']:.3g}; below 0.001 nothing counts.")
    if found["latency_quantiles"] is not None:
        yield html.heading("Latency of requests")
        rows = [
            (name, *(f"{one[arm]:.4g} s" for arm in (CHAMPION, CANARY)), f"{one['difference']:+.4g} s",
             " to ".join(f"{end:+.4g} s" for end in one["interval"]))
            for name, one in found["latency_quantiles"].items()
        ]  # fmt: skip
        yield html.rows(("", CHAMPION, CANARY, "difference", "interval"), rows, [""] * len(rows))


def _figure(found: Mapping[str, Any], draw: Callable[[Mapping[str, Any]], Figure], caption: str) -> str:
    from matplotlib import style

    stream = io.BytesIO()
    # A style of the user's own must not change the bytes.
    with style.context(["default", _STYLE]):
        draw(found).savefig(stream, format="svg", metadata=_NO_METADATA)
    shown = base64.b64encode(stream.getvalue()).decode()
    picture = f'<img alt="{caption}" style="max-width:100%" src="data:image/svg+xml;base64,{shown}">'
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def _axes(label: str, below: str) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=below, ylabel=label)
    axes.grid(alpha=0.3)
    return figure, axes


def means(found: Mapping[str, Any]) -> Figure:
    """Means of both arms with intervals, up to the time at which users came."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    metric = METRICS[found["settings"]["metric"]]
    figure, axes = _axes(metric.title, "time (UTC)")
    times = [datetime.fromisoformat(one["time"]) for one in found["looks"]]
    locator = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    for arm in (CHAMPION, CANARY):
        points = [one[arm] for one in found["looks"]]
        ends = [[metric.level(mean + side * reach) for mean, reach in points] for side in (-1, 0, 1)]
        axes.plot(times, ends[1], color=_COLOURS[arm], label=arm)
        axes.fill_between(times, ends[0], ends[2], color=_COLOURS[arm], alpha=0.2, linewidth=0)
    axes.legend(loc="best")
    return figure


def narrowing(found: Mapping[str, Any]) -> Figure:
    """The difference with its confidence sequence, and the effect worth shipping."""
    metric = METRICS[found["settings"]["metric"]]
    figure, axes = _axes("canary to champion" if metric.log else "canary minus champion", "users seen")
    users = [one["users"] for one in found["looks"]]
    points = [one["difference"] for one in found["looks"]]
    ends = [[metric.effect(middle + side * reach) for middle, reach in points] for side in (-1, 0, 1)]
    axes.fill_between(users, ends[0], ends[2], color="#4269d0", alpha=0.2, linewidth=0, label="confidence sequence")
    axes.plot(users, ends[1], color="#4269d0", label="difference")
    axes.axhline(0, color="black", linewidth=1)
    worth = found["metrics"][metric.name]["min_effect"]
    axes.axhline(worth, color="#2e8b57", linestyle="--", linewidth=1, label="worth shipping")
    axes.legend(loc="best")
    return figure
