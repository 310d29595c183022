"""Alerts as data: the rule, and how its tests make it fire."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from mlopsgen.project.model import Environment, Project
from mlopsgen.project.plain import plain

BY_VARIANT = ("environment", "model_name", "variant")
BY_MODEL = ("environment", "model_name")

BAD_EVENTS = 5
"""Failures in a window below which a share says nothing: one of one is 100%."""

Category = Literal[
    "availability",
    "latency",
    "traffic",
    "saturation",
    "quality",
    "drift",
    "rollout",
    "training",
    "hardware",
    "cost",
    "telemetry",
    "custom",
]
"""What an alert is about. A critical one mutes the warnings of its category."""

Unit = Literal["percent", "duration", "number"]


class Line(NamedTuple):
    """An input series of a test.

    Attributes:
        series: name and labels.
        good: growth per step of a counter, or value of a gauge, when all is well; None for no sample.
        bad: the same when the alert must fire.
        edge: the same just inside of the limit.
        counter: whether it counts.
    """

    series: str
    good: float | None
    bad: float | None
    edge: float | None
    counter: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How an alert is made to fire.

    Attributes:
        lines: the series.
        value: what the expression then gives, or a function of the time of looking in seconds.
        labels: labels of the result.
        others: labels of further results, of the same value.
        lead: seconds during which all is well first.
        settle: seconds from there until the condition holds for sure.
        sudden: it holds from exactly then on, and not before.
        resolve: seconds of good values until it no longer holds.
        quiet: further states that must not fire: a title and the values of all lines.
        interval: seconds between two samples; the file's step when absent.
    """

    lines: tuple[Line, ...]
    value: float | Callable[[float], float]
    labels: Mapping[str, str]
    others: tuple[Mapping[str, str], ...] = ()
    lead: float = 0.0
    settle: float = 120.0
    sudden: bool = False
    resolve: float = 600.0
    quiet: tuple[tuple[str, tuple[float | None, ...]], ...] = ()
    interval: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alerting rule.

    Attributes:
        name: CamelCase; its runbook has the same name.
        expr: PromQL.
        for_: seconds that it must hold.
        category: what it is about.
        summary: one line; `$label` stands for a label of the result.
        description: sentences; `$value` stands for the value in `unit`.
        dashboard: the dashboard that shows it.
        retrain: whether it starts a training.
        labels: further labels.
        proof: how it is made to fire.
        sources: values of the spec that it depends on.
        absent: for an alert on absence, labels of its results when nothing is there.
        series: for a custom alert, series that make it fire.
        literal: the texts are the user's own and stay as they are.
    """

    name: str
    expr: str
    for_: float
    severity: str
    category: Category
    summary: str
    description: str
    dashboard: str
    unit: Unit = "number"
    retrain: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    proof: Proof | None = None
    sources: tuple[Any, ...] = ()
    absent: tuple[Mapping[str, str], ...] = ()
    series: Mapping[str, str] | None = None
    literal: bool = False


class Record(NamedTuple):
    """A recording rule."""

    name: str
    expr: str
    labels: Mapping[str, str]


class Scope(NamedTuple):
    """Environments for which one rule holds, because all that it depends on is the same there.

    Attributes:
        project: the project.
        environments: at least one.
        apart: whether there is the same rule for other environments too.
    """

    project: Project
    environments: tuple[Environment, ...]
    apart: bool = False

    @property
    def first(self) -> Environment:
        """The environment whose settings speak for all, and in which the tests play."""
        return self.environments[0]

    def labels(self, **more: Any) -> dict[str, Any]:
        """Matchers of the environments' series."""
        return {
            "environment": tuple(each.name for each in self.environments),
            "model_name": self.model,
            **more,
        }

    @property
    def model(self) -> str:
        """Name of the model, as its series have it."""
        return self.project.model.name or self.project.name

    @property
    def fixed(self) -> dict[str, str]:
        """What tells the rule from the same rule for other environments."""
        return {"environment": self.first.name} if self.apart and len(self.environments) == 1 else {}

    def result(self, **more: str) -> dict[str, str]:
        """Labels of a result in the tests."""
        return {"environment": self.first.name, "model_name": self.model, **more}


def scopes(
    project: Project, environments: Iterable[Environment], key: Callable[[Environment], Hashable | None]
) -> list[Scope]:
    """Environments grouped by what a rule depends on, in order; those whose key is None have no such rule.

    One rule for all environments that agree keeps the files short; a changed overlay makes a second rule and leaves
    the first one's text alone but for the names of environments.
    """
    found: dict[Hashable, list[Environment]] = {}
    for each in environments:
        value = key(each)
        if value is not None:
            found.setdefault(value, []).append(each)
    result: list[tuple[Environment, ...]] = []
    for agreeing in found.values():
        if any(len(each) > 1 for each in result):  # two rules for several environments could not be told apart
            result += [(each,) for each in agreeing]
        else:
            result.append(tuple(agreeing))
    return [Scope(project, each, len(result) > 1) for each in result]


def same(*values: Any) -> str:
    """A key of sections and scalars for `scopes`."""
    return repr([plain(value) for value in values])


def number(value: float) -> str:
    """A number as PromQL reads it."""
    return f"{value:.12g}"


def above(limit: float, most: float = float("inf")) -> float:
    """A value that is clearly above a limit and at most `most`."""
    if limit <= 0:
        return min(1.0, most) / 2
    return min(limit * 1.2, (limit + most) / 2)


def readable(value: float, unit: Unit) -> str:
    """A value as Prometheus' templates print it."""
    if unit == "percent":
        return f"{value * 100:.4g}%"
    if unit == "number":
        return f"{value:.4g}"
    if abs(value) < 1:
        return f"{value:.4g}s" if value == 0 else _small(value)
    sign, seconds = ("-" if value < 0 else ""), int(abs(value))
    minutes, hours, days = seconds // 60 % 60, seconds // 3600 % 24, seconds // 86400
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds % 60}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds % 60}s"
    if minutes:
        return f"{sign}{minutes}m {seconds % 60}s"
    return f"{sign}{abs(value):.4g}s"


def _small(value: float) -> str:
    for prefix, size in (("m", 1e3), ("u", 1e6)):
        if abs(value) * size >= 1:
            return f"{value * size:.4g}{prefix}s"
    return f"{value * 1e9:.4g}ns"


TEMPLATES = {
    "percent": "{{ $value | humanizePercentage }}",
    "duration": "{{ $value | humanizeDuration }}",
    "number": '{{ printf "%.4g" $value }}',
}
_PLACE = re.compile(r"\$([A-Za-z][A-Za-z_]*)")


def template(text: str, unit: Unit, fixed: Mapping[str, str]) -> str:
    """The text as a template of Prometheus, which does not see the labels that the rule itself gives."""
    return _PLACE.sub(
        lambda m: TEMPLATES[unit] if m[1] == "value" else str(fixed.get(m[1], f"{{{{ $labels.{m[1]} }}}}")), text
    )


def filled(text: str, unit: Unit, value: float, labels: Mapping[str, str]) -> str:
    """The text as Prometheus fills its template."""
    return _PLACE.sub(lambda m: readable(value, unit) if m[1] == "value" else str(labels.get(m[1], "")), text)
