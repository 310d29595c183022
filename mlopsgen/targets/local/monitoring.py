"""Prometheus and Alertmanager on one machine: the rules of the last environment, under the name of this place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mlopsgen.contract.ports import METRICS, QUALITY, RETRAIN, ROLLOUT
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import Component, job
from mlopsgen.targets.local import envoy, ports, settings
from mlopsgen.targets.prometheus.scrape import TIMEOUT, span

RULES = "rules.yaml"
RETRAIN_TOKEN_FILE = "retrain-token"  # noqa: S105
"""Beside the configuration of Alertmanager, which reads it."""

CONTROLLED = "istio"
"""An engine whose weights our controller moves, as it does here."""


def here(environment: Environment) -> Environment:
    """The environment as rules see it here: our controller moves the weights, and nothing watches GPUs."""
    serving = environment.serving
    return replace(
        environment,
        name=settings.NAME,
        namespace=settings.NAME,
        rollout=environment.rollout.model_copy(update={"engine": CONTROLLED}),
        serving=serving.model_copy(update={"resources": serving.resources.model_copy(update={"gpu": 0})}),
    )


def prometheus(project: Project, environment: Environment) -> dict[str, Any]:
    """What `prometheus.yaml` takes."""
    interval = environment.monitoring.scrape_interval
    return {
        "interval": span(interval),
        "timeout": span(min(interval, TIMEOUT)),
        "rules": RULES,
        "alertmanager": f"127.0.0.1:{ports.ALERTMANAGER}",
        "path": METRICS,
        "jobs": [
            {"name": job(project, component), "targets": list(targets)} for component, targets in _jobs(environment)
        ],
    }


def alertmanager() -> dict[str, Any]:
    """What `alertmanager.yaml` takes."""
    return {"retrain": ports.address(QUALITY) + RETRAIN, "token": RETRAIN_TOKEN_FILE}


def _jobs(environment: Environment) -> Iterator[tuple[Component, Iterator[dict[str, Any]]]]:
    yield "serving", (_target(ports.SERVERS[name], name, name) for name in envoy.variants(environment))
    yield "quality", iter((_target(QUALITY, "quality"),))
    if environment.canary:
        yield "rollout", iter((_target(ROLLOUT, "rollout"),))


def _target(port: int, pod: str, variant: str | None = None) -> dict[str, Any]:
    """An address with the labels that the cluster's Prometheus would give it."""
    labels = {"environment": settings.NAME, "namespace": settings.NAME, "pod": pod}
    return {"address": f"127.0.0.1:{port}", "labels": {**labels, **({"variant": variant} if variant else {})}}
