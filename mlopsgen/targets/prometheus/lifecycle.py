"""Alerts on quality, drift, canaries, training and cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlopsgen.contract.metrics import Family, exported
from mlopsgen.contract.promql import aggregate, duration, family, increase, matchers, selector, total
from mlopsgen.project.alerts import impossible
from mlopsgen.project.deploy import controlled
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.telemetry import setup
from mlopsgen.targets.prometheus.model import BY_MODEL, Alert, Line, Proof, Scope, above, number, same, scopes

ACCURACY = family("model_accuracy")
DRIFT = family("model_drift_score")
CYCLE = family("model_quality_timestamp_seconds")
ACTIVE = family("model_rollout_active")
STEP_BEGAN = family("model_rollout_step_timestamp_seconds")
TRAINED = family("model_training_step")
STORED = family("model_training_checkpoint_step")
COST = family("model_cost_total")

DAY = 86400.0
HOUR = 3600.0
FUTURE = 1e9
"""A time that no test reaches."""

MONTH_DAYS = 30

MISSED = 3
"""Cycles of the quality exporter, and intervals between checkpoints, after which something is wrong."""

HOLDS = 2
"""Holds that a step may take; a healthy one takes one."""


def alerts(project: Project, environments: Iterable[Environment]) -> Iterator[Alert]:
    """The alerts on a model's life."""
    given = tuple(environments)
    for name, make in (("accuracy", accuracy), ("drift", drift)):
        for scope in scopes(project, given, lambda each, name=name: _key(each, name)):  # type: ignore[misc]
            yield make(scope)
    for scope in scopes(project, given, lambda each: same(each.monitoring.quality.every)):
        yield quality_stale(scope)
    for scope in scopes(project, given, lambda each: same(each.rollout.hold) if controlled(each) else None):
        yield canary_stalled(scope)
    for scope in scopes(project, given, lambda each: ""):
        yield checkpoint_stale(scope)
    for scope in scopes(project, given, lambda each: _priced(project, each)):
        yield cost(scope)


def _key(each: Environment, name: str) -> str | None:
    given = getattr(each.monitoring.alerts, name)
    fires = given is not None and not impossible(name, given, each.monitoring.scrape_interval)
    return same(given) if fires else None


def _priced(project: Project, each: Environment) -> str | None:
    price = each.serving.cost
    if price is None or price.budget is None or exported(COST, setup(project, each)):
        return None
    return same(price.budget, price.currency)


def accuracy(scope: Scope) -> Alert:
    """Accuracy on the quality dataset."""
    given = scope.first.monitoring.alerts.accuracy
    assert given is not None
    labels = scope.result()
    bad = float(given.min) / 2
    return Alert(
        name="ModelAccuracyLow",
        expr=f"{aggregate('min', selector(ACCURACY, scope.labels()), BY_MODEL)} < {number(given.min)}",
        for_=given.for_,
        severity=given.severity,
        category="quality",
        summary="$model_name in $environment got worse",
        description=f"Accuracy of $model_name in $environment is $value; {given.min * 100:.4g}% is the least.",
        unit="percent",
        dashboard="quality",
        labels=scope.fixed,
        retrain=given.retrain,
        sources=(given.min,),
        proof=Proof(
            lines=(_gauge(ACCURACY, labels, 1.0, bad, given.min + (1 - given.min) * 0.05),), value=bad, labels=labels
        ),
    )


def drift(scope: Scope) -> Alert:
    """Distance of recent requests from the training data, per feature."""
    given = scope.first.monitoring.alerts.drift
    assert given is not None
    labels = scope.result(feature="prompt.length")
    bad = above(given.max, 1.0)
    by = (*BY_MODEL, "feature")
    return Alert(
        name="ModelInputDrift",
        expr=f"{aggregate('max', selector(DRIFT, scope.labels()), by)} > {number(given.max)}",
        for_=given.for_,
        severity=given.severity,
        category="drift",
        summary="Requests to $model_name in $environment have changed",
        description="The feature $feature of requests to $model_name in $environment is at a distance of $value from "
        f"the training data; {given.max:.4g} is the limit.",
        dashboard="quality",
        labels=scope.fixed,
        retrain=given.retrain,
        sources=(given.max,),
        proof=Proof(lines=(_gauge(DRIFT, labels, 0.0, bad, given.max * 0.95),), value=bad, labels=labels),
    )


def quality_stale(scope: Scope) -> Alert:
    """The quality exporter answers and measures nothing: what it shows is old."""
    every = scope.first.monitoring.quality.every
    limit, labels = MISSED * every, scope.result()
    age = f"time() - {aggregate('max', selector(CYCLE, scope.labels()), BY_MODEL)}"
    return Alert(
        name="ModelQualityStale",
        expr=f"{age} > {number(limit)}",
        for_=300.0,
        severity="warning",
        category="telemetry",
        summary="Quality of $model_name in $environment is no longer measured",
        description=f"The last cycle of the quality exporter ended $value ago; one comes every {duration(every)}.",
        unit="duration",
        dashboard="quality",
        labels=scope.fixed,
        sources=(every,),
        proof=_by_clock(CYCLE, limit, labels),
    )


def canary_stalled(scope: Scope) -> Alert:
    """A step of the canary that takes much longer than its hold: mostly too few requests to judge it by."""
    hold = scope.first.rollout.hold
    limit, labels = HOLDS * hold, scope.result()
    age = f"time() - {aggregate('max', selector(STEP_BEGAN, scope.labels()), BY_MODEL)}"
    active = aggregate("max", selector(ACTIVE, scope.labels()), BY_MODEL)
    proof = _by_clock(STEP_BEGAN, limit, labels)
    running = _gauge(ACTIVE, labels, 1.0, 1.0, 1.0)
    return Alert(
        name="ModelCanaryStalled",
        expr=f"{age} > {number(limit)}\nand {active} == 1",
        for_=300.0,
        severity="warning",
        category="rollout",
        summary="The canary of $model_name in $environment does not move",
        description=f"The current step has taken $value; it is held for {duration(hold)}. Most often too few requests "
        f"reach the canary: a step is judged by {scope.first.rollout.min_requests} of them.",
        unit="duration",
        dashboard="rollout",
        labels=scope.fixed,
        sources=(hold, scope.first.rollout.min_requests),
        proof=Proof(
            lines=(*proof.lines, running),
            value=proof.value,
            labels=labels,
            quiet=(("no canary", (-limit, 0.0)),),
        ),
    )


def checkpoint_stale(scope: Scope) -> Alert:
    """A training that would lose many steps if it died now."""
    every = scope.project.training.checkpoint.every
    limit, labels = MISSED * every, scope.result()
    done = aggregate("max", selector(TRAINED, scope.labels()), BY_MODEL)
    stored = aggregate("max", selector(STORED, scope.labels()), BY_MODEL)
    return Alert(
        name="ModelCheckpointStale",
        expr=f"{done} - {stored} > {number(limit)}",
        for_=300.0,
        severity="warning",
        category="training",
        summary="The training of $model_name in $environment stores no checkpoints",
        description=f"$value steps have been trained since the last checkpoint; one is due every {every} steps.",
        dashboard="training",
        labels=scope.fixed,
        sources=(every,),
        proof=Proof(
            lines=(
                _gauge(TRAINED, labels, 10.0 * every, 10.0 * every, 10.0 * every),
                _gauge(STORED, labels, 10.0 * every, 10.0 * every - limit - 1, 10.0 * every - limit),
            ),
            value=limit + 1.0,
            labels=labels,
        ),
    )


def cost(scope: Scope) -> Alert:
    """What a month would cost at the last day's price."""
    price = scope.first.serving.cost
    assert price is not None
    assert price.budget is not None
    month = f"{MONTH_DAYS} * {total(increase(COST, duration(DAY), scope.labels()), BY_MODEL)}"
    labels = scope.result()
    series = COST.name + matchers({**labels, "variant": "champion"})
    hourly = price.budget / MONTH_DAYS / 24
    return Alert(
        name="ModelCostOverBudget",
        expr=f"{month} > {number(price.budget)}",
        for_=HOUR,
        severity="warning",
        category="cost",
        summary="$model_name in $environment costs more than planned",
        description=f"At the last day's price $model_name in $environment costs $value {price.currency} in "
        f"{MONTH_DAYS} days; the budget is {price.budget:.4g} {price.currency}.",
        dashboard="cost",
        labels=scope.fixed,
        sources=(price.budget, price.currency),
        proof=Proof(
            # Hourly samples, the first after an hour: at 2.1 times the price a day's budget is passed after 13 hours,
            # and the alert is looked at after 15.
            lines=(Line(series, hourly / 2, hourly * 2.1, hourly * 0.95 * 24 / 14),),
            value=lambda now: MONTH_DAYS * hourly * 2.1 * (now / HOUR - 1),
            labels=labels,
            settle=13 * HOUR,
            sudden=True,
            resolve=DAY,
            interval=HOUR,
        ),
    )


def _gauge(given: Family, labels: dict[str, str], good: float, bad: float, edge: float) -> Line:
    return Line(given.name + matchers(labels), good, bad, edge, False)


def _by_clock(given: Family, limit: float, labels: dict[str, str]) -> Proof:
    """A time stamp that is too old from the start; tests begin at the time 0."""
    edge = -limit / 2 if limit > HOUR else FUTURE
    return Proof(lines=(_gauge(given, labels, FUTURE, -limit, edge),), value=lambda now: now + limit, labels=labels)
