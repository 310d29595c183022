"""Objectives: how fast the error budget burns, over pairs of windows, and the recording rules for it.

Source: The Site Reliability Workbook, chapter 5, "Alerting on SLOs", multiwindow, multi-burn-rate alerts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mlopsgen.contract.metrics import FAILED, Family, bound
from mlopsgen.contract.promql import duration, increase, matchers, rate, ratio, recorded, total
from mlopsgen.project.model import Environment, Project
from mlopsgen.spec.monitoring import Slo
from mlopsgen.targets.prometheus.model import (
    BAD_EVENTS,
    BY_MODEL,
    Alert,
    Category,
    Line,
    Proof,
    Record,
    Scope,
    above,
    number,
    same,
    scopes,
)
from mlopsgen.targets.prometheus.service import LATENCY, PER_STEP, REQUESTS

MONTH = 30 * 86400.0
HOLD = 120.0
"""The windows do the waiting; this only keeps a single evaluation from calling anybody."""


class Burn(NamedTuple):
    """A pair of windows: over both the budget burns `factor` times as fast as it may."""

    name: str
    factor: float
    long: float
    short: float
    severity: str


BURNS = (
    Burn("PageFast", 14.4, 3600.0, 300.0, "critical"),
    Burn("PageSlow", 6.0, 21600.0, 1800.0, "critical"),
    Burn("TicketFast", 3.0, 86400.0, 7200.0, "warning"),
    Burn("TicketSlow", 1.0, 259200.0, 21600.0, "warning"),
)
"""For a budget of 30 days; the windows of another budget are as much longer or shorter."""


class Objective(NamedTuple):
    """What of all events is bad, over a window, and what the tests feed it with."""

    name: str
    metric: Family
    category: Category
    budget: float
    meaning: str
    limit: float = 0.0

    def share(self, scope: Scope, span: str) -> str:
        """Share of bad events."""
        if self.limit:
            good = total(rate(LATENCY, span, self._fast(scope), "_bucket"), BY_MODEL)
            return f"1 - {ratio(good, total(rate(LATENCY, span, scope.labels()), BY_MODEL))}"
        failed = total(rate(REQUESTS, span, scope.labels(status=FAILED)), BY_MODEL)
        return ratio(failed, total(rate(REQUESTS, span, scope.labels()), BY_MODEL))

    def events(self, scope: Scope, span: str) -> str:
        """Number of bad events."""
        if self.limit:
            fast = total(increase(LATENCY, span, self._fast(scope), "_bucket"), BY_MODEL)
            return f"{total(increase(LATENCY, span, scope.labels()), BY_MODEL)} - {fast}"
        return total(increase(REQUESTS, span, scope.labels(status=FAILED)), BY_MODEL)

    def lines(self, scope: Scope, bad: float, edge: float) -> tuple[Line, ...]:
        """Series with a share of bad events."""
        labels = scope.result(variant="champion")
        fine, poor = PER_STEP * (1 - edge), PER_STEP * (1 - bad)
        if self.limit:
            fast = LATENCY.name + "_bucket" + matchers({**labels, "le": bound(self.limit)})
            whole = LATENCY.name + "_count" + matchers(labels)
            return Line(fast, PER_STEP, poor, fine), Line(whole, PER_STEP, PER_STEP, PER_STEP)
        failed = REQUESTS.name + matchers({**labels, "status": "error"})
        served = REQUESTS.name + matchers({**labels, "status": "success"})
        return Line(failed, 0, bad * PER_STEP, edge * PER_STEP), Line(served, PER_STEP, poor, fine)

    def few(self) -> tuple[float, ...]:
        """Growth of `lines` when all of very few events are bad."""
        return (0.0, 0.1) if self.limit else (0.1, 0.0)

    def _fast(self, scope: Scope) -> dict[str, str]:
        return scope.labels(le=bound(self.limit))


def objectives(slo: Slo) -> tuple[Objective, ...]:
    """The objectives of a spec."""
    limit = float(slo.latency.max)
    return (
        Objective("Availability", REQUESTS, "availability", 1 - slo.availability, "failed"),
        Objective(
            "Latency", LATENCY, "latency", 1 - slo.latency.quantile, f"took longer than {duration(limit)}", limit
        ),
    )


def burns(slo: Slo, budget: float, scrape_interval: float) -> Iterator[Burn]:
    """Pairs of windows for a budget. One that asks for more than all events to be bad is left out."""
    for burn in BURNS:
        scale, least = slo.window / MONTH, 4 * scrape_interval
        if burn.factor * budget < 1:
            long, short = _whole(burn.long * scale, 12 * least), _whole(burn.short * scale, least)
            yield burn._replace(long=long, short=short)


def _whole(seconds: float, least: float) -> float:
    """Whole minutes, at least `least` seconds."""
    return max(round(seconds / 60) * 60.0, float(-(-least // 60) * 60))


def records(project: Project, environments: Iterable[Environment]) -> Iterator[Record]:
    """Shares of bad events over every window."""
    for scope in _scopes(project, environments):
        slo, interval = scope.first.monitoring.slo, scope.first.monitoring.scrape_interval
        assert slo is not None
        for objective in objectives(slo):
            spans = {span for burn in burns(slo, objective.budget, interval) for span in (burn.long, burn.short)}
            for span in sorted(spans):
                yield Record(_name(objective, duration(span)), objective.share(scope, duration(span)), scope.fixed)


def alerts(project: Project, environments: Iterable[Environment]) -> Iterator[Alert]:
    """Pages and tickets per objective."""
    for scope in _scopes(project, environments):
        slo = scope.first.monitoring.slo
        assert slo is not None
        for objective in objectives(slo):
            for burn in burns(slo, objective.budget, scope.first.monitoring.scrape_interval):
                yield _alert(scope, slo, objective, burn)


def _alert(scope: Scope, slo: Slo, objective: Objective, burn: Burn) -> Alert:
    limit = burn.factor * objective.budget
    names = matchers(scope.labels())
    long, short = (f"{_name(objective, duration(span))}{names}" for span in (burn.long, burn.short))
    events = objective.events(scope, duration(burn.long))
    bad = above(limit, 1.0)
    part = burn.factor * burn.long / slo.window
    return Alert(
        name=f"Model{objective.name}Burn{burn.name}",
        expr=f"{long} > {number(limit)}\nand {short} > {number(limit)}\nand {events} >= {BAD_EVENTS}",
        for_=HOLD,
        severity=burn.severity,
        category=objective.category,
        summary=f"$model_name in $environment burns its {objective.name.lower()} budget",
        description=f"$value of the requests to $model_name in $environment {objective.meaning} over "
        f"{duration(burn.long)}, and as many lately: {burn.factor:g} times what the objective allows, or "
        f"{part * 100:.3g}% of the budget of {duration(slo.window)} in {duration(burn.long)}.",
        unit="percent",
        dashboard="service",
        labels=scope.fixed,
        sources=(slo.window, slo.latency.quantile, slo.latency.max)
        if objective.limit
        else (slo.window, slo.availability),
        proof=Proof(
            lines=objective.lines(scope, bad, limit * 0.95),
            value=bad,
            labels=scope.result(),
            resolve=bad / limit * (HOLD + 900),
            quiet=(("too few bad events to tell", objective.few()),),
        ),
    )


def _name(objective: Objective, span: str) -> str:
    name = "model_requests_failed" if not objective.limit else "model_requests_slow"
    return recorded(BY_MODEL, name, f"ratio_rate{span}")


def _scopes(project: Project, environments: Iterable[Environment]) -> list[Scope]:
    def key(each: Environment) -> str | None:
        slo = each.monitoring.slo
        return same(slo, each.monitoring.scrape_interval) if slo is not None else None

    return scopes(project, environments, key)
