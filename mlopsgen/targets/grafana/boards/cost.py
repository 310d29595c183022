"""Dashboard `cost`: what the service costs, and what an answer costs."""

from __future__ import annotations

from collections.abc import Iterator

from mlopsgen.contract.promql import aggregate, ratio
from mlopsgen.targets.grafana.boards.service import REQUESTS
from mlopsgen.targets.grafana.model import Board, Limit, Panel, Query, Row
from mlopsgen.targets.grafana.queries import RANGE, increase, level, rate
from mlopsgen.targets.grafana.view import View
from mlopsgen.targets.prometheus.lifecycle import MONTH_DAYS

COST = "model_cost_total"
INPUT, OUTPUT = "model_input_tokens", "model_output_tokens"
DEVICES = "model_gpu_memory_total_bytes"


def board(view: View) -> Board:
    """The dashboard."""
    return Board(
        "cost",
        "Cost",
        "What the service costs, and what an answer costs.",
        REQUESTS,
        (
            Row("range", "In the time shown", tuple(_range(view))),
            Row("time", "Over time", tuple(_time(view))),
        ),
    )


def tokens(view: View, window: str) -> str:
    """Tokens of prompts and answers over a window."""
    parts = [increase(name, part="_sum", window=window) for name in (INPUT, OUTPUT)]
    return f"({' + '.join(part for part in parts if view.exports(part))})"


def _unit(view: View) -> str:
    """Grafana's unit of the prices: the number and the currency's code behind it."""
    price = view.last.serving.cost
    return "short" if price is None else f"suffix: {price.currency}"


def _range(view: View) -> Iterator[Panel]:
    unit = _unit(view)
    yield Panel(
        key="spent",
        title="Spent",
        text="Price of the GPUs that servers held, busy or idle.",
        kind="stat",
        now=True,
        unit=unit,
        queries=(Query(increase(COST, window=RANGE)),),
    )
    yield Panel(
        key="per-tokens",
        title="Per 1,000 tokens",
        text="Prompt and answer together. Idle servers make tokens dear: compare with the load.",
        kind="stat",
        now=True,
        unit=unit,
        queries=(Query(f"1000 * {ratio(increase(COST, window=RANGE), tokens(view, RANGE))}"),),
    )
    yield Panel(
        key="per-requests",
        title="Per 1,000 requests",
        text="What a product manager asks for.",
        kind="stat",
        now=True,
        unit=unit,
        queries=(Query(f"1000 * {ratio(increase(COST, window=RANGE), increase(REQUESTS, window=RANGE))}"),),
    )
    yield Panel(
        key="month",
        title=f"{MONTH_DAYS} days at this rate",
        text=f"The last day's price, held for {MONTH_DAYS} days.",
        kind="stat",
        now=True,
        unit=unit,
        limit=_budget(view),
        alerts=("ModelCostOverBudget",),
        queries=(Query(f"{MONTH_DAYS} * {increase(COST, window='1d')}"),),
    )
    yield Panel(
        key="gpu-hours",
        title="GPU hours",
        text="GPUs that servers held, times hours.",
        kind="stat",
        now=True,
        unit="h",
        # One sample of each device every 30 seconds.
        queries=(Query(f"sum_over_time({aggregate('count', level(DEVICES))}[{RANGE}:30s]) / 120"),),
    )
    yield Panel(
        key="tokens-in-all",
        title="Tokens",
        text="Of prompts and answers.",
        kind="stat",
        now=True,
        queries=(Query(tokens(view, RANGE)),),
    )


def _time(view: View) -> Iterator[Panel]:
    unit = _unit(view)
    yield Panel(
        key="rate",
        title="Price per hour",
        text="Steps are servers that come and go. Flat at night with little traffic: fewer servers would do.",
        unit=unit,
        stacked=True,
        queries=(Query(f"{rate(COST, ('variant',))} * 3600", "{{variant}}"),),
    )
    yield Panel(
        key="per-tokens-over-time",
        title="Price per 1,000 tokens",
        text="Falls with load, rises when servers idle. A step at a release: longer answers or less batching.",
        unit=unit,
        queries=(Query(f"1000 * {ratio(rate(COST), _token_rate(view))}", "per 1,000 tokens"),),
    )
    yield Panel(
        key="gpus",
        title="GPUs held",
        text="By servers of each variant. Training is not among them.",
        stacked=True,
        queries=(Query(aggregate("count", level(DEVICES), ("variant",)), "{{variant}}"),),
    )
    yield Panel(
        key="tokens",
        title="Tokens per second",
        text="What the money buys.",
        stacked=True,
        queries=(Query(rate(INPUT, part="_sum"), "input"), Query(rate(OUTPUT, part="_sum"), "output")),
    )
    yield Panel(
        key="tokens-by-variant",
        title="Tokens per request by variant",
        text="A version that talks more costs more at the same price per token.",
        queries=(
            Query(ratio(rate(OUTPUT, ("variant",), "_sum"), rate(REQUESTS, ("variant",))), "output {{variant}}"),
            Query(ratio(rate(INPUT, ("variant",), "_sum"), rate(REQUESTS, ("variant",))), "input {{variant}}"),
        ),
    )


def _token_rate(view: View) -> str:
    parts = [rate(name, part="_sum") for name in (INPUT, OUTPUT)]
    return f"({' + '.join(part for part in parts if view.exports(part))})"


def _budget(view: View) -> Limit | None:
    price = view.last.serving.cost
    if price is None or price.budget is None:
        return None
    return Limit(price.budget, "above", f"the budget of {view.last.name}")
