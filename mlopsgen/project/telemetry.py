"""What an environment's parts export, and how finely they count latency."""

from __future__ import annotations

from mlopsgen.contract.metrics import Setup, latency_buckets
from mlopsgen.project.deploy import controlled
from mlopsgen.project.model import Environment, Project


def setup(project: Project, environment: Environment) -> Setup:
    """What decides which metric families there are."""
    given = environment.serving
    return Setup(
        engine=given.engine,
        task=project.model.task or "",
        gpu=given.resources.gpu > 0,
        cost=given.cost is not None,
        canary=controlled(environment),
    )


def latency_limits(environment: Environment) -> list[float]:
    """Latencies in seconds that an alert, a gate or an objective judges by."""
    alert, gate = environment.monitoring.alerts.latency_p95, environment.rollout.gates.latency_p95
    slo = environment.monitoring.slo
    found = [alert.max] if alert is not None else []
    if gate is not None:
        found += [limit for limit in (gate.min, gate.max) if limit is not None]
    return [*found, slo.latency.max] if slo is not None else found


def buckets(environment: Environment) -> tuple[float, ...]:
    """Upper bounds in seconds of the environment's latency histogram."""
    return latency_buckets(latency_limits(environment))
