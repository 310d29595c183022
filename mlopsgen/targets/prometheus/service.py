"""Alerts on the service: errors, latency, traffic, GPU memory, the queue, servers that are gone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from mlopsgen.contract.metrics import FAILED, bound, exported
from mlopsgen.contract.promql import (
    UP,
    aggregate,
    duration,
    family,
    increase,
    matchers,
    quantile,
    rate,
    ratio,
    selector,
    total,
    window,
)
from mlopsgen.project.alerts import WINDOW, impossible
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import job
from mlopsgen.project.telemetry import buckets, setup
from mlopsgen.targets.prometheus.model import (
    BAD_EVENTS,
    BY_MODEL,
    BY_VARIANT,
    Alert,
    Line,
    Proof,
    Scope,
    above,
    number,
    same,
    scopes,
)

ENOUGH = 20
"""Requests in a window before their 95th percentile is more than the slowest of them."""

PAST = 30
"""Requests in the earlier window before a fall against it means anything."""

FULL_QUEUE = 0.9
"""Share of `serving.queue` at which the queue counts as full; at the limit itself it empties and fills by turns."""

REQUESTS = family("model_requests_total")
LATENCY = family("model_inference_duration_seconds")
MEMORY = family("model_gpu_memory_bytes")
MEMORY_TOTAL = family("model_gpu_memory_total_bytes")
QUEUE = family("model_queue_depth")

PER_STEP = 1000.0
"""Requests per step in the tests."""


def alerts(project: Project, environments: Iterable[Environment]) -> Iterator[Alert]:
    """The alerts of the service."""
    given = tuple(environments)
    yield from _each(project, given, "error_rate", error_rate)
    yield from _each(project, given, "latency_p95", latency)
    yield from _each(project, given, "traffic_drop", traffic_drop)
    yield from _each(project, given, "gpu_memory", gpu_memory)
    for scope in scopes(project, given, lambda each: same(each.serving.queue)):
        yield queue_full(scope)
    for scope in scopes(project, given, lambda each: ""):
        yield server_down(scope)


def looking_back(environment: Environment, seconds: float = WINDOW) -> str:
    """A window of an environment: `seconds`, or four scrapes."""
    return window(seconds, environment.monitoring.scrape_interval)


def _each(project: Project, environments: tuple[Environment, ...], name: str, make: object) -> Iterator[Alert]:
    def key(each: Environment) -> str | None:
        given = getattr(each.monitoring.alerts, name)
        if given is None or impossible(name, given, each.monitoring.scrape_interval):
            return None
        if name == "gpu_memory" and exported(MEMORY, setup(project, each)):
            return None
        return same(given, looking_back(each))

    for scope in scopes(project, environments, key):
        yield make(scope)  # type: ignore[operator]


def error_rate(scope: Scope) -> Alert:
    """Share of requests that failed, per variant, so that a bad canary does not hide behind the champion."""
    given, span = scope.first.monitoring.alerts.error_rate, looking_back(scope.first)
    assert given is not None
    failed = scope.labels(status=FAILED)
    share = ratio(
        total(rate(REQUESTS, span, failed), BY_VARIANT), total(rate(REQUESTS, span, scope.labels()), BY_VARIANT)
    )
    enough = total(increase(REQUESTS, span, failed), BY_VARIANT)
    labels = scope.result(variant="champion")
    bad = above(given.max, 1.0) * PER_STEP
    return Alert(
        name="ModelErrorRateHigh",
        expr=f"{share} > {number(given.max)}\nand {enough} >= {BAD_EVENTS}",
        for_=given.for_,
        severity=given.severity,
        category="availability",
        summary="$model_name in $environment fails requests ($variant)",
        description=f"$value of the requests to the $variant of $model_name in $environment failed over {span}; "
        f"{given.max * 100:.4g}% is the limit.",
        unit="percent",
        dashboard="service",
        labels=scope.fixed,
        retrain=given.retrain,
        sources=(given.max,),
        proof=Proof(
            lines=(
                Line(_series(labels, status="error"), 0, bad, given.max * 0.95 * PER_STEP),
                Line(_series(labels, status="success"), PER_STEP, PER_STEP - bad, (1 - given.max * 0.95) * PER_STEP),
            ),
            value=bad / PER_STEP,
            labels=labels,
            quiet=(("too few failures to tell", (0.1, 0.0)),),
        ),
    )


def latency(scope: Scope) -> Alert:
    """95th percentile of latency, per variant."""
    given, span = scope.first.monitoring.alerts.latency_p95, looking_back(scope.first)
    assert given is not None
    slow = quantile(0.95, LATENCY, span, scope.labels(), BY_VARIANT)
    enough = total(increase(LATENCY, span, scope.labels()), BY_VARIANT)
    labels = scope.result(variant="champion")
    bounds = buckets(scope.first)
    following = bounds[bounds.index(float(given.max)) + 1]
    at = {edge: LATENCY.name + "_bucket" + matchers({**labels, "le": bound(edge)}) for edge in (given.max, following)}
    rest = LATENCY.name + "_bucket" + matchers({**labels, "le": "+Inf"})
    count = LATENCY.name + "_count" + matchers(labels)
    return Alert(
        name="ModelLatencyHigh",
        expr=f"{slow} > {number(given.max)}\nand {enough} >= {ENOUGH}",
        for_=given.for_,
        severity=given.severity,
        category="latency",
        summary="$model_name in $environment answers slowly ($variant)",
        description=f"The 95th percentile of latency of the $variant of $model_name in $environment was $value over "
        f"{span}; {duration(given.max)} is the limit.",
        unit="duration",
        dashboard="service",
        labels=scope.fixed,
        retrain=given.retrain,
        sources=(given.max,),
        proof=Proof(
            lines=(
                Line(at[given.max], PER_STEP, 0, PER_STEP),
                Line(at[following], PER_STEP, PER_STEP, PER_STEP),
                Line(rest, PER_STEP, PER_STEP, PER_STEP),
                Line(count, PER_STEP, PER_STEP, PER_STEP),
            ),
            value=given.max + (following - given.max) * 0.95,
            labels=labels,
            quiet=(("too few requests to tell", (0.0, 1.0, 1.0, 1.0)),),
        ),
    )


def traffic_drop(scope: Scope) -> Alert:
    """Fall of the request rate, over both variants: a rollout moves traffic between them."""
    given, span = scope.first.monitoring.alerts.traffic_drop, looking_back(scope.first)
    assert given is not None
    before = duration(given.compared_to)
    now = total(rate(REQUESTS, span, scope.labels()), BY_MODEL)
    past = total(rate(REQUESTS, span, scope.labels(), offset=before), BY_MODEL)
    enough = total(increase(REQUESTS, span, scope.labels(), offset=before), BY_MODEL)
    seconds = max(WINDOW, 4 * scope.first.monitoring.scrape_interval)
    series = _series(scope.result(variant="champion"), status="success")
    return Alert(
        name="ModelTrafficDrop",
        expr=f"1 - {ratio(now, past)} > {number(given.max)}\nand {enough} >= {PAST}",
        for_=given.for_,
        severity=given.severity,
        category="traffic",
        summary="Traffic of $model_name in $environment fell",
        description=f"$model_name in $environment gets $value fewer requests than {before} ago; "
        f"{given.max * 100:.4g}% is the limit.",
        unit="percent",
        dashboard="service",
        labels=scope.fixed,
        retrain=given.retrain,
        sources=(given.max,),
        proof=Proof(
            lines=(Line(series, PER_STEP, 0, PER_STEP),),
            value=1.0,
            labels=scope.result(),
            lead=given.compared_to + seconds,
            settle=seconds,
            resolve=seconds * 2,
        ),
    )


def gpu_memory(scope: Scope) -> Alert:
    """Share of GPU memory in use, per device of each pod."""
    given = scope.first.monitoring.alerts.gpu_memory
    assert given is not None
    by = (*BY_VARIANT, "pod", "device")
    used = aggregate("max", selector(MEMORY, scope.labels()), by)
    whole = aggregate("max", selector(MEMORY_TOTAL, scope.labels()), by)
    labels = scope.result(variant="champion", pod="server-0", device="0")
    size = float(80 * 1024**3)
    bad = above(given.max, 1.0)
    return Alert(
        name="ModelGpuMemoryHigh",
        expr=f"{used} / {whole} > {number(given.max)}",
        for_=given.for_,
        severity=given.severity,
        category="saturation",
        summary="GPU memory of $model_name in $environment is nearly full",
        description=f"$value of the memory of GPU $device of pod $pod is in use; {given.max * 100:.4g}% is the limit.",
        unit="percent",
        dashboard="gpu",
        labels=scope.fixed,
        retrain=given.retrain,
        sources=(given.max,),
        proof=Proof(
            lines=(
                Line(
                    MEMORY.name + matchers(labels),
                    0,
                    math.floor(size * bad),
                    math.floor(size * given.max * 0.95),
                    False,
                ),
                Line(MEMORY_TOTAL.name + matchers(labels), size, size, size, False),
            ),
            value=math.floor(size * bad) / size,
            labels=labels,
        ),
    )


def queue_full(scope: Scope) -> Alert:
    """A queue about to turn requests away, per pod: one slow server fills its own."""
    most = scope.first.serving.queue
    limit = max(1, math.ceil(FULL_QUEUE * most))
    by = (*BY_VARIANT, "pod")
    labels = scope.result(variant="champion", pod="server-0")
    return Alert(
        name="ModelQueueFull",
        expr=f"{aggregate('max', selector(QUEUE, scope.labels()), by)} >= {limit}",
        for_=WINDOW,
        severity="warning",
        category="saturation",
        summary="The queue of $model_name in $environment is full",
        description=f"$value requests wait in pod $pod; from {most} on it answers 429.",
        dashboard="service",
        labels=scope.fixed,
        sources=(most,),
        proof=Proof(
            lines=(Line(QUEUE.name + matchers(labels), 0, limit, limit - 1, False),), value=float(limit), labels=labels
        ),
    )


def server_down(scope: Scope) -> Alert:
    """Every server of an environment fails its scrapes."""
    name = str(job(scope.project, "serving"))
    chosen = selector(UP, {"environment": scope.labels()["environment"], "job": name})
    labels = {"environment": scope.first.name, "job": name}
    return Alert(
        name="ModelServerDown",
        expr=f"{aggregate('max', chosen, ('environment', 'job'))} == 0",
        for_=120.0,
        severity="critical",
        category="availability",
        summary=f"No server of {scope.model} in $environment answers",
        description="None of the targets of $job in $environment could be scraped.",
        dashboard="service",
        labels=scope.fixed,
        proof=Proof(lines=(Line(UP.name + matchers(labels), 1, 0, 1, False),), value=0.0, labels=labels),
    )


def _series(labels: dict[str, str], **more: str) -> str:
    return REQUESTS.name + matchers({**labels, **more})
