"""Alerts on the metrics themselves: exporters that are down, series that rules use and nobody gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlopsgen.contract.metrics import Family
from mlopsgen.contract.promql import UP, absent, aggregate, matchers, selector
from mlopsgen.project.deploy import controlled
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import job
from mlopsgen.project.promql.names import SERIES
from mlopsgen.project.promql.parser import parse
from mlopsgen.targets.prometheus.hardware import spellings
from mlopsgen.targets.prometheus.model import Alert, Line, Proof, Scope, scopes
from mlopsgen.targets.prometheus.service import REQUESTS

HOLD = 900.0
"""Longer than servers take to start with a large model."""

TRANSIENT = ("trainer",)
"""Parts that run at times only: nobody misses them."""


def exporters(project: Project, environments: Iterable[Environment]) -> Iterator[Alert]:
    """The quality exporter or the rollout controller fails its scrapes."""
    for scope in scopes(project, environments, lambda each: str(controlled(each))):
        parts = ("quality", "rollout") if controlled(scope.first) else ("quality",)
        jobs = [str(job(project, part)) for part in parts]  # type: ignore[arg-type]
        chosen = selector(UP, {"environment": scope.labels()["environment"], "job": jobs})
        labels = {"environment": scope.first.name, "job": jobs[0]}
        yield Alert(
            name="ModelExporterDown",
            expr=f"{aggregate('max', chosen, ('environment', 'job'))} == 0",
            for_=300.0,
            severity="warning",
            category="telemetry",
            summary="$job in $environment answers no scrapes",
            description="What $job of $environment exports is no longer known, and alerts on it cannot fire.",
            dashboard="quality",
            labels=scope.fixed,
            proof=Proof(lines=(Line(UP.name + matchers(labels), 1, 0, 1, False),), value=0.0, labels=labels),
        )


def used(expressions: Iterable[str]) -> list[Family]:
    """Families of the contract that expressions name, each once, in the order of the contract."""
    names = {selector.name for text in expressions for selector in parse(text).selectors}
    found = {SERIES[name].name: SERIES[name] for name in SERIES if name in names}
    return list(found.values())


def missing(
    project: Project, uses: Mapping[str, Iterable[Family]], environments: Iterable[Environment]
) -> Iterator[Alert]:
    """Absence of what rules use, so that a rule without data is not taken for good news.

    Args:
        project: the project.
        uses: families by the environment whose rules use them.
        environments: where.
    """
    given = tuple(environments)
    families = {each.name: each for found in uses.values() for each in found if each.source not in TRANSIENT}
    for family in families.values():
        using = tuple(each for each in given if family in uses[each.name])
        if family.source == "dcgm":
            for each in using:
                yield _alert(Scope(project, (each,)), family, {"environment": each.name})
        else:
            yield _alert(Scope(project, using), family, {})


def _alert(scope: Scope, family: Family, labels: dict[str, str]) -> Alert:
    if labels:
        expr = f"absent({' or '.join(spellings(family, scope.first))})"
    else:
        expr = "\nor ".join(
            absent(family, {"environment": each.name, "model_name": scope.model}) for each in scope.environments
        )
    return Alert(
        name="ModelMetricAbsent",
        expr=expr,
        for_=HOLD,
        severity="critical" if family is REQUESTS else "warning",
        category="telemetry",
        summary="$environment exports no $metric",
        description=f"Rules use {family.name}, and nobody exports it. {family.help}",
        dashboard="service",
        labels={"metric": family.name, **labels, **scope.fixed},
        proof=Proof(lines=tuple(_lines(scope, family)), value=1.0, labels={}),
        absent=tuple(labels or scope._replace(environments=(each,)).result() for each in scope.environments),
    )


def _lines(scope: Scope, family: Family) -> Iterator[Line]:
    """One series per environment; its labels without those of the metric's own are those of the alert."""
    name = family.name + ("_count" if family.kind == "histogram" else "")
    for each in scope.environments:
        if family.source == "dcgm":
            labels = {"namespace": each.namespace}
        else:
            labels = {"environment": each.name, "model_name": scope.model}
        yield Line(name + matchers(labels), 1, None, 1, False)
