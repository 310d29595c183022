"""Alerts that the spec brings along, narrowed to each environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mlopsgen.project.model import Environment, Project
from mlopsgen.project.promql.names import scoped
from mlopsgen.project.promql.parser import parse
from mlopsgen.spec.traced import merged, traced
from mlopsgen.targets.prometheus.model import Alert, Scope


def alerts(project: Project, environments: Iterable[Environment]) -> Iterator[Alert]:
    """Custom alerts: one per environment, because their expressions say nothing about where they hold."""
    for each in environments:
        labels = narrowed(project, each)
        for given in each.monitoring.alerts.custom:
            yield Alert(
                name=given.name,
                expr=traced(narrow(given.expr, labels), *merged(given.expr)),
                for_=given.for_,
                severity=given.severity,
                category="custom",
                summary=given.summary,
                description=given.summary,
                dashboard="service",
                retrain=given.retrain,
                labels={"environment": each.name},
                series={narrow(name, labels): values for name, values in (given.fires_on or {}).items()},
                sources=(given.expr,),
                literal=True,
            )


def narrowed(project: Project, environment: Environment) -> dict[str, str]:
    """Labels of an environment's series."""
    model: Any = Scope(project, (environment,)).model
    return {"environment": environment.name, "model_name": model, "namespace": environment.namespace}


def narrow(expression: str, labels: dict[str, str]) -> str:
    """An expression that looks at one environment only."""
    return scoped(expression, parse(expression), labels)
