"""Dashboard `service`: do users get answers, how fast, and what stands in the way."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mlopsgen.contract.metrics import FAILED
from mlopsgen.contract.promql import aggregate, duration, ratio
from mlopsgen.targets.grafana.boards import vllm
from mlopsgen.targets.grafana.model import Board, Limit, Panel, Query, Row
from mlopsgen.targets.grafana.queries import WINDOW, buckets, increase, level, mean, quantile, rate
from mlopsgen.targets.grafana.view import View
from mlopsgen.targets.prometheus.service import FULL_QUEUE

REQUESTS = "model_requests_total"
LATENCY = "model_inference_duration_seconds"
TO_FIRST = "model_time_to_first_token_seconds"

PERCENTILES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))


def board(view: View) -> Board:
    """The dashboard."""
    return Board(
        "service",
        "Service",
        "Do users get answers, how fast, and what stands in the way.",
        REQUESTS,
        (
            Row("now", "Now", tuple(_now(view))),
            Row("traffic", "Traffic and errors", tuple(_traffic(view))),
            Row("latency", "Latency", tuple(_latency(view))),
            Row("load", "Load", tuple(_load(view))),
            Row("tokens", "Tokens", tuple(_tokens())),
            Row("vllm", "vLLM", vllm.panels()),
            Row("objectives", "Objectives", tuple(_objectives(view))),
        ),
    )


def failed(by: tuple[str, ...] = (), window: str = WINDOW, **narrowed: str | None) -> str:
    """Share of requests that got no answer for a reason that is ours."""
    return ratio(
        rate(REQUESTS, by, window=window, status=FAILED, **narrowed), rate(REQUESTS, by, window=window, **narrowed)
    )


def _now(view: View) -> Iterator[Panel]:
    yield Panel(
        key="request-rate",
        title="Requests",
        text="Requests that ended, per second. Compare with the same hour of another day before calling it low.",
        kind="stat",
        unit="reqps",
        alerts=("ModelTrafficDrop",),
        queries=(Query(rate(REQUESTS)),),
    )
    yield Panel(
        key="error-share",
        title="Error rate",
        text="Share of requests that failed or timed out. Refused and cancelled requests are no errors.",
        kind="stat",
        unit="percentunit",
        limit=view.alert("error_rate"),
        queries=(Query(failed()),),
    )
    yield Panel(
        key="latency-p95-now",
        title="Latency p95",
        text="95 of 100 answers were complete within this time.",
        kind="stat",
        unit="s",
        limit=view.alert("latency_p95"),
        queries=(Query(quantile(0.95, LATENCY)),),
    )
    yield Panel(
        key="first-token-p95-now",
        title="First token p95",
        text="What a reader waits before anything appears. High with a normal token rate: requests queue.",
        kind="stat",
        unit="s",
        queries=(Query(quantile(0.95, TO_FIRST)),),
    )
    yield Panel(
        key="waiting-now",
        title="Longest queue",
        text="Waiting requests of the fullest server. A full queue answers 429.",
        kind="stat",
        limit=_queue(view),
        queries=(Query(aggregate("max", level("model_queue_depth"))),),
    )
    yield Panel(
        key="versions",
        title="Running versions",
        text="Versions that serve now, and on how many servers. More than one per variant: an update is under way.",
        kind="table",
        now=True,
        height=4,
        width=4,
        queries=(Query(aggregate("count", level("model_version_info"), ("variant", "version"))),),
    )


def _traffic(view: View) -> Iterator[Panel]:
    yield Panel(
        key="requests-by-status",
        title="Requests by how they ended",
        text="A growing band other than success says the trouble: timeout is slowness, rejected is load.",
        unit="reqps",
        stacked=True,
        queries=(Query(rate(REQUESTS, ("status",)), "{{status}}"),),
    )
    yield Panel(
        key="error-rate",
        title="Error rate by variant",
        text="One variant alone above the other: the new version. Both together: something below them.",
        unit="percentunit",
        limit=view.alert("error_rate"),
        alerts=("ModelErrorRateHigh",),
        queries=(Query(failed(("variant",)), "{{variant}}"),),
    )
    yield Panel(
        key="rejected",
        title="Requests refused",
        text="queue_full: too few servers. rate_limit, too_long, invalid, unauthorized: the caller. "
        "draining: a server that stops.",
        unit="reqps",
        stacked=True,
        queries=(Query(rate("model_requests_rejected_total", ("reason",)), "{{reason}}"),),
    )


def _latency(view: View) -> Iterator[Panel]:
    yield Panel(
        key="latency",
        title="Latency",
        text="p50 up as well: everything is slower. p99 alone: long answers or a queue.",
        unit="s",
        limit=view.alert("latency_p95"),
        alerts=("ModelLatencyHigh",),
        queries=tuple(Query(quantile(share, LATENCY), name) for share, name in PERCENTILES),
    )
    yield Panel(
        key="latency-by-variant",
        title="Latency p95 by variant",
        text="A canary that is slower at the same load is a worse version; with few requests it is chance.",
        unit="s",
        limit=view.alert("latency_p95"),
        queries=(Query(quantile(0.95, LATENCY, ("variant",)), "{{variant}}"),),
    )
    yield Panel(
        key="first-token",
        title="Time to first token",
        text="Waiting and prefill, without the length of the answer: it grows with the queue and with long prompts.",
        unit="s",
        queries=tuple(Query(quantile(share, TO_FIRST), name) for share, name in PERCENTILES),
    )
    yield Panel(
        key="latency-spread",
        title="Spread of latency",
        text="Two bands are two kinds of requests; a band that rises is load.",
        kind="heatmap",
        unit="s",
        width=24,
        queries=(Query(buckets(LATENCY), "{{le}}"),),
    )


def _load(view: View) -> Iterator[Panel]:
    yield Panel(
        key="queue",
        title="Waiting requests",
        text="One server's line alone is high: uneven load. All of them: too few servers.",
        limit=_queue(view),
        alerts=("ModelQueueFull",),
        queries=(Query(aggregate("max", level("model_queue_depth"), ("pod", "variant")), "{{variant}} {{pod}}"),),
    )
    yield Panel(
        key="active",
        title="Requests in work",
        text="What the model works on at once. Flat at its highest value while the queue grows: saturated.",
        queries=(Query(aggregate("sum", level("model_active_requests"), ("pod", "variant")), "{{variant}} {{pod}}"),),
    )
    yield Panel(
        key="gpu-memory",
        title="GPU memory in use",
        text="Growth that never falls is a leak; a step at a release is a bigger model.",
        unit="percentunit",
        high=1,
        limit=view.alert("gpu_memory"),
        alerts=("ModelGpuMemoryHigh",),
        queries=(
            Query(
                ratio(level("model_gpu_memory_bytes"), level("model_gpu_memory_total_bytes")),
                "{{variant}} {{pod}} GPU {{device}}",
            ),
        ),
    )


def _tokens() -> Iterator[Panel]:
    yield Panel(
        key="input-tokens",
        title="Length of prompts",
        text="A band that moves is a new kind of request: look at drift too.",
        kind="heatmap",
        queries=(Query(buckets("model_input_tokens"), "{{le}}"),),
    )
    yield Panel(
        key="output-tokens",
        title="Length of answers",
        text="Everything in the top bucket: answers run into max_output_tokens.",
        kind="heatmap",
        queries=(Query(buckets("model_output_tokens"), "{{le}}"),),
    )
    yield Panel(
        key="token-rate",
        title="Tokens per second",
        text="The real load. Flat while requests rise: the servers are at their end.",
        queries=(
            Query(rate("model_input_tokens", part="_sum"), "input"),
            Query(rate("model_output_tokens", part="_sum"), "output"),
        ),
    )
    yield Panel(
        key="mean-tokens",
        title="Tokens per request",
        text="Longer answers cost latency and money in proportion.",
        queries=(Query(mean("model_input_tokens"), "input"), Query(mean("model_output_tokens"), "output")),
    )


def _objectives(view: View) -> Iterator[Panel]:
    slo = view.last.monitoring.slo
    if slo is None:
        return
    window = duration(slo.window)
    bad = ratio(increase(REQUESTS, window=window, status=FAILED), increase(REQUESTS, window=window))
    yield Panel(
        key="budget-left",
        title="Error budget left",
        text=f"Of the failures that {slo.availability:.4g} answered over {window} allows in {view.last.name}. "
        "Spent: no risky releases.",
        kind="gauge",
        unit="percentunit",
        now=True,
        high=1,
        low=0,
        limit=Limit(0.1, "below"),
        queries=(Query(f"1 - {bad} / {1 - slo.availability:.6g}"),),
    )
    yield Panel(
        key="burn",
        title="Burn rate of the error budget",
        text=f"1 spends the budget in exactly {window}; 14.4 spends a fiftieth of a 30 days' budget in an hour.",
        alerts=("ModelAvailabilityBurnPageFast", "ModelAvailabilityBurnTicketSlow"),
        width=16,
        queries=tuple(Query(f"{failed(window=span)} / {1 - slo.availability:.6g}", span) for span in ("1h", "6h")),
    )


def _queue(view: View) -> Limit:
    most = math.ceil(FULL_QUEUE * view.last.serving.queue)
    return Limit(max(1, most), "above", f"the limit of the alert in {view.last.name}")
