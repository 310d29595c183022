"""What Prometheus Operator takes instead: an environment's scrapes and rules as objects of its namespace."""

from __future__ import annotations

from typing import Any

from mlopsgen.contract import ports
from mlopsgen.project import names
from mlopsgen.project.deploy import controlled, folder
from mlopsgen.project.model import Environment, Project
from mlopsgen.render.files import File
from mlopsgen.targets.prometheus import rules
from mlopsgen.targets.prometheus.scrape import COMPONENTS, TIMEOUT, port, span


def file(project: Project, environment: Environment) -> File:
    """`deploy/<environment>/monitoring.yaml`: a PodMonitor per component and a PrometheusRule."""
    interval = environment.monitoring.scrape_interval
    context = {
        "name": names.named(project, "monitoring"),
        "environment": environment.name,
        "namespace": environment.namespace,
        "labels": names.labels(project, "monitoring"),
        "path": ports.METRICS,
        "interval": span(interval),
        "timeout": span(min(interval, TIMEOUT)),
        "parts": [_part(project, each) for each in COMPONENTS if each != "rollout" or controlled(environment)],
        "rules": rules.document(project, rules.groups(project, (environment,))),
    }
    return File(path=f"{folder(environment)}/monitoring.yaml", template="prometheus/monitoring.yaml", context=context)


def _part(project: Project, component: names.Component) -> dict[str, Any]:
    return {
        "name": names.job(project, component),
        "job": names.job(project, component),
        "labels": names.labels(project, component),
        "selector": names.selector(project, component),
        "port": port(component),
    }
