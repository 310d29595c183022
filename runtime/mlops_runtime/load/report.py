"""What was measured: numbers, a table, JSON, a page or a picture."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_runtime.data import page
from mlops_runtime.data.atomic import write
from mlops_runtime.errors import Mistaken
from mlops_runtime.load.caller import OK, Sample

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}

SPREADS = {
    "latency": "latency, s",
    "first_token": "to the first token, s",
    "per_token": "per later token, s",
    "lag": "lag of the generator, s",
}
"""Distributions of the report, and how people read them."""

LATE = 0.1
"""Share of the median latency that the generator's p99 lag may be."""

ENDINGS = (".html", ".png")


def numbers(samples: Sequence[Sample]) -> dict[str, Any]:
    """The numbers of a run.

    Args:
        samples: of all requests, one or more.

    Returns:
        `requests`, `answered`, `errors` (number by outcome), `seconds` (first sent to last end), `requests_per_second`
        and `tokens_per_second` (of answered requests over that time), and quantiles with their mean of `latency`,
        `first_token`, `per_token` (between the first and the last token of an answer) and `lag` (sent after it was
        due), in seconds; those of which there are no values are absent.
    """
    answered = [one for one in samples if one.outcome == OK]
    seconds = max(one.end for one in samples) - min(one.sent for one in samples)
    tokens = sum(one.tokens for one in answered)
    firsts = [(one, one.first) for one in answered if one.first is not None]
    found: dict[str, Any] = {
        "requests": len(samples),
        "answered": len(answered),
        "errors": dict(sorted(Counter(one.outcome for one in samples if one.outcome != OK).items())),
        "seconds": seconds,
        "requests_per_second": len(answered) / seconds if seconds else 0.0,
        "output_tokens": tokens,
        "tokens_per_second": tokens / seconds if seconds else 0.0,
    }
    values = {
        "latency": [one.latency for one in answered],
        "first_token": [first - one.due for one, first in firsts],
        "per_token": [(one.end - first) / (one.tokens - 1) for one, first in firsts if one.tokens > 1],
        "lag": [one.sent - one.due for one in samples],
    }
    return found | {name: _spread(given) for name, given in values.items() if given}


def _spread(values: Sequence[float]) -> dict[str, float]:
    import numpy as np

    quantiles = np.quantile(values, list(QUANTILES.values())).tolist()
    return {**dict(zip(QUANTILES, quantiles, strict=True)), "mean": float(np.mean(values))}


def late(found: Mapping[str, Any]) -> bool:
    """Whether the generator could not keep up, so that its own lag is part of what was measured."""
    return "latency" in found and bool(found["lag"]["p99"] > LATE * found["latency"]["p50"])


def facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a report says beside the distributions."""
    errors = ", ".join(f"{count:,} × {name}" for name, count in found["errors"].items()) or "none"
    rows = [
        ("model", found["model"]),
        ("load", found["load"]),
        ("requests", f"{found['requests']:,} in {found['seconds']:.1f} s"),
        ("answered", f"{found['answered']:,}, {found['requests_per_second']:.2f} a second"),
        ("errors", errors),
    ]
    if "first_token" in found:
        rows.append(("output tokens", f"{found['output_tokens']:,}, {found['tokens_per_second']:.1f} a second"))
    if found["interrupted"]:
        rows.append(("stopped", f"by Ctrl-C; {found['unfinished']:,} requests under way are not counted"))
    if late(found):
        rows.append(("beware", "the generator was late: its lag is part of the latencies; use more processes"))
    return rows


def spreads(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows of the distributions."""
    columns = (*QUANTILES, "mean")
    return [
        (shown, *(f"{found[name][column]:.4g}" for column in columns))
        for name, shown in SPREADS.items()
        if name in found
    ]


def demand(path: str) -> None:
    """Refuse a file that no report can be written to.

    Raises:
        Mistaken: its name ends otherwise.
    """
    if not path.endswith(ENDINGS):
        raise Mistaken(f"`--report` is {path!r}: a file that ends in {' or '.join(ENDINGS)}")


def save(path: str, found: Mapping[str, Any], samples: Sequence[Sample]) -> None:
    """Write the report: a page, or only its picture where the name ends in `.png`."""
    stream = io.BytesIO()
    picture(samples).savefig(stream, format="png", metadata={"Software": None})
    if path.endswith(".png"):
        write(path, stream.getvalue())
        return
    shown = base64.b64encode(stream.getvalue()).decode()
    alt = "Latency of each request over time, and how latencies are distributed"
    body = [
        page.rows(("", ""), facts(found), ["" for _ in facts(found)]),
        page.heading("Distributions"),
        page.rows(("", *QUANTILES, "mean"), spreads(found), ["" for _ in spreads(found)]),
        page.heading("Over time"),
        f'<figure><img alt="{alt}" style="max-width:100%" src="data:image/png;base64,{shown}"></figure>',
        page.paragraph(
            "Latencies count from the time at which a request was meant to be sent. Requests without an answer are "
            "marked at the bottom and are in no distribution."
        ),
    ]
    write(path, page.document(f"Load on {found['model']}", body).encode())


def picture(samples: Sequence[Sample]) -> Figure:
    """Latency of each request by the time at which it was due, and the distribution."""
    from matplotlib.figure import Figure

    answered = [one for one in samples if one.outcome == OK]
    failed = [one.due for one in samples if one.outcome != OK]
    figure = Figure(figsize=(9, 7), dpi=110, layout="constrained")
    over, spread = figure.subplots(2, 1)
    over.set(xlabel="due, seconds after the start", ylabel="seconds")
    spread.set(xlabel="seconds", ylabel="requests")
    kinds = {
        "answer complete": [(one.due, one.latency) for one in answered],
        "first token": [(one.due, one.first - one.due) for one in answered if one.first is not None],
    }
    for label, points in kinds.items():
        if points:
            over.scatter(*zip(*points, strict=True), s=6, alpha=0.6, label=label)
            spread.hist([value for _, value in points], bins=40, alpha=0.6, label=label)
    if failed:
        over.plot(failed, [0.0] * len(failed), "x", color="#c0392b", label="no answer", clip_on=False)
    for axes in (over, spread):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper right")
    return figure
