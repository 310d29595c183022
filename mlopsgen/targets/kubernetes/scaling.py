"""Context of `scaling.yaml`: how many servers there are, and how many must stay."""

from __future__ import annotations

from typing import Any

from mlopsgen.contract import promql
from mlopsgen.project import deploy
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import Variant, labels, named, selector
from mlopsgen.spec.traced import join, merged, traced

QUEUE = promql.family("model_queue_depth")


def context(project: Project, environment: Environment) -> dict[str, Any]:
    """What the template takes."""
    replicas = environment.serving.replicas
    champion = named(project, "champion")
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": champion}
    if deploy.argo(environment):
        target = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": project.name}
    return {
        "namespace": environment.namespace,
        "labels": labels(project, "serving"),
        "champion": champion,
        "scaler": replicas.autoscaler if replicas.scale_on is not None else None,
        "target": target,
        "min": replicas.min,
        "max": replicas.max,
        "depth": replicas.scale_on.queue_depth if replicas.scale_on is not None else None,
        "threshold": join(replicas.scale_on.queue_depth) if replicas.scale_on is not None else None,
        "metric": QUEUE.name,
        "prometheus": environment.monitoring.prometheus,
        "query": _query(environment),
        "budgets": [_budget(project, environment, variant) for variant in deploy.variants(environment)],
    }


def _query(environment: Environment) -> Any:
    """Requests that wait, over all servers of the champion; nothing when nobody says so."""
    within = {"namespace": environment.namespace, "variant": "champion"}
    query = promql.total(promql.selector(QUEUE, within))
    return traced(query, *merged(environment.namespace))


def _budget(project: Project, environment: Environment, variant: Variant) -> dict[str, Any]:
    fewest = environment.serving.replicas.min_available
    stays = {"minAvailable": fewest} if fewest is not None and variant == "champion" else {"maxUnavailable": 1}
    return {
        "name": named(project, variant),
        "labels": labels(project, "serving", variant),
        "selector": selector(project, "serving", variant),
        "stays": stays,
    }
