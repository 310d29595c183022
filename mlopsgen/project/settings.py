"""Settings that long-running parts read at `MLOPS_CONFIG`: the parts of the spec that they need, as resolved.

Keys are those of mlops.yaml; durations are numbers of seconds, shares numbers from 0 to 1. What is absent in the spec
is null. No secret stands in them: a part finds those in its environment.
"""

from __future__ import annotations

from typing import Any

from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import named
from mlopsgen.project.plain import plain
from mlopsgen.project.routing import TESTERS, main_rule
from mlopsgen.project.telemetry import buckets
from mlopsgen.spec.data import ANSWERS
from mlopsgen.spec.traced import join


def serving(project: Project, environment: Environment) -> dict[str, Any]:
    """Settings of the serving app. Where it runs and how often is none of its business."""
    given = environment.serving
    names = ("engine", "port", "max_input_tokens", "max_output_tokens", "timeout", "queue", "rate_limit", "address")
    return {
        **_common(project, environment),
        "model": {
            "name": project.model.name,
            "task": project.model.task,
            "precision": project.training.precision,
            "preprocess": plain(project.model.preprocess),
        },
        "serving": {name: plain(getattr(given, name)) for name in names}
        | {
            "auth": given.auth is not None,
            "latency_buckets": list(buckets(environment)),
            "cost": plain(given.cost),
            "gpu": given.resources.gpu,
            "cpu": given.resources.limits.cpu or given.resources.cpu,
        },
        "drift": {"features": plain(project.data.drift.features)},
        "experiment": None if environment.experiment is None else {"sticky": plain(environment.experiment.sticky)},
    }


def quality(project: Project, environment: Environment) -> dict[str, Any]:
    """Settings of the quality exporter, which asks each pod of the champion for itself."""
    drift = project.data.drift
    asked = {name: kinds for name, kinds in drift.features.items() if project.data.columns[name].role not in ANSWERS}
    return {
        **_common(project, environment),
        "server": address(project, environment, "pods"),
        "model": {"name": project.model.name, "task": project.model.task},
        "quality": {
            **plain(environment.monitoring.quality),
            "drift": {"features": plain(asked), "alpha": drift.alpha, "min_effect": drift.min_effect},
        },
        "retrain": {
            "repository": project.repository,
            "commands": None,
            "max_per_day": environment.monitoring.notify.retrain.max_per_day,
            "min_interval": environment.monitoring.notify.retrain.min_interval,
        },
    }


def rollout(project: Project, environment: Environment) -> dict[str, Any]:
    """Settings of the rollout controller."""
    names = ("engine", "steps", "hold", "check_every", "min_requests", "gates", "against_champion", "deadline")
    given = environment.rollout
    return {
        **_common(project, environment),
        "model": {"name": project.model.name},
        "rollout": {name: plain(getattr(given, name)) for name in names}
        | {
            "sticky": plain(given.sticky),
            "testers": plain(given.testers),
            "latency_buckets": list(buckets(environment)),
            "scrape_interval": environment.monitoring.scrape_interval,
        },
        "experiment": plain(environment.experiment),
        "registry": {"keep": project.registry.keep},
        "prometheus": environment.monitoring.prometheus,
        "cluster": {
            "namespace": environment.namespace,
            "champion": named(project, "champion"),
            "canary": named(project, "canary"),
            "route": project.name,
            "lease": named(project, "rollout"),
            "rules": {"testers": TESTERS, "main": main_rule(project, environment)},
        },
    }


def address(project: Project, environment: Environment, part: Any) -> Any:
    """URL of a Service inside of its namespace."""
    return join("http://", named(project, part), ":", environment.serving.port)


def _common(project: Project, environment: Environment) -> dict[str, Any]:
    return {
        "project": project.name,
        "environment": environment.name,
        "tracking": {"uri": project.tracking.mlflow.uri, "experiment": project.tracking.mlflow.experiment},
    }
