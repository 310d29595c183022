"""Limits that different parts set to the same quantity, so that they can be seen on one scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mlopsgen.overview import values
from mlopsgen.project.model import Environment, Project


class Mark(NamedTuple):
    """A limit; `look` is `objective`, `gate`, or the severity of an alert."""

    value: float
    text: str
    look: str


class Scale(NamedTuple):
    """A quantity with its limits, the smallest first.

    Attributes:
        worse: `above` when large values are bad, else `below`.
    """

    name: str
    unit: values.Unit
    worse: str
    marks: tuple[Mark, ...]


def scales(project: Project) -> list[Scale]:
    """Quantities with two limits or more, as they hold in the last environment."""
    last = project.environments[-1]
    every = [
        Scale("Error rate", "percent", "above", _sorted(_errors(last))),
        Scale("Latency, 95th percentile", "duration", "above", _sorted(_latency(project, last))),
        Scale("Accuracy", "percent", "below", _sorted(_accuracy(project, last))),
    ]
    return [each for each in every if len(each.marks) > 1]


def _sorted(marks: Iterator[Mark]) -> tuple[Mark, ...]:
    return tuple(sorted(marks, key=lambda mark: mark.value))


def _errors(given: Environment) -> Iterator[Mark]:
    slo, alert, gate = given.monitoring.slo, given.monitoring.alerts.error_rate, given.rollout.gates.error_rate
    if slo is not None:
        yield Mark(round(1 - slo.availability, 9), f"objective over {values.span(slo.window)}", "objective")
    if alert is not None:
        yield Mark(alert.max, f"alert after {values.span(alert.for_)}, {alert.severity}", str(alert.severity))
    if gate is not None and gate.max is not None and given.canary:
        yield Mark(gate.max, "the canary is taken back", "gate")


def _latency(project: Project, given: Environment) -> Iterator[Mark]:
    slo, alert, gate = given.monitoring.slo, given.monitoring.alerts.latency_p95, given.rollout.gates.latency_p95
    bench = project.evaluation.benchmark
    if bench is not None and bench.latency_p95 is not None and bench.latency_p95.max is not None:
        yield Mark(bench.latency_p95.max, "benchmark before registration", "gate")
    if slo is not None and slo.latency.quantile == 0.95:
        yield Mark(slo.latency.max, f"objective over {values.span(slo.window)}", "objective")
    if alert is not None:
        yield Mark(alert.max, f"alert after {values.span(alert.for_)}, {alert.severity}", str(alert.severity))
    if gate is not None and gate.max is not None and given.canary:
        yield Mark(gate.max, "the canary is taken back", "gate")


def _accuracy(project: Project, given: Environment) -> Iterator[Mark]:
    gate, alert = project.evaluation.gates.get("val_accuracy"), given.monitoring.alerts.accuracy
    if gate is not None and gate.min is not None:
        yield Mark(gate.min, "gate before registration", "gate")
    if alert is not None:
        yield Mark(alert.min, f"alert after {values.span(alert.for_)}, {alert.severity}", str(alert.severity))
