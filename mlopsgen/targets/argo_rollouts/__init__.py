"""Argo Rollouts: the canary's steps, and the analyses that let it go on, hold it or roll it back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from mlopsgen.project import deploy, routing
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import labels, named
from mlopsgen.render.files import File
from mlopsgen.spec.traced import Int, join, merged
from mlopsgen.targets.argo_rollouts import gates
from mlopsgen.targets.kubernetes.serving import startup_seconds

DEADLINE = "deadline"

STARTING = 300
"""Seconds beyond the start of a server after which a rollout that does not move is reported."""


def files(project: Project) -> Iterable[File]:
    """`deploy/<environment>/rollout.yaml` of every environment in which Argo Rollouts takes a canary step by step."""
    for environment in project.environments:
        if deploy.argo(environment):
            path = f"{deploy.folder(environment)}/rollout.yaml"
            yield File(path=path, template="argo_rollouts/rollout.yaml", context=_context(project, environment))


def _context(project: Project, environment: Environment) -> dict[str, Any]:
    given, rollout = environment.serving, environment.rollout
    found = gates.gates(project, environment)
    templates = [{"templateName": join(project.name, "-", gate.name)} for gate in found]
    return {
        "name": project.name,
        "namespace": environment.namespace,
        "labels": labels(project, "routing"),
        "replicas": given.replicas.min if given.replicas.scale_on is None else None,
        "workload": named(project, "champion"),
        "progress": math.ceil(startup_seconds(given)) + STARTING,
        "champion": named(project, "champion"),
        "canary": named(project, "canary"),
        "gpu": given.resources.gpu > 0,
        "route": routing.main_rule(project, environment),
        "weights": weights(environment),
        "hold": routing.span(rollout.hold),
        "templates": templates,
        "deadline_template": {"templateName": join(project.name, "-", DEADLINE)},
        "deadline": routing.span(rollout.deadline),
        "gates": [{**gate._asdict(), "template": join(project.name, "-", gate.name)} for gate in found],
        "interval": routing.span(rollout.check_every),
        "looks": gates.looks(rollout.deadline, rollout.check_every),
        "tries": gates.looks(rollout.deadline, min(rollout.check_every, gates.RETRY_SECONDS)),
        "prometheus": environment.monitoring.prometheus,
        "rating": rollout.gates.rating is not None,
    }


def weights(environment: Environment) -> list[Int]:
    """The canary's share at each step in whole percent, as Argo Rollouts takes it; the last 100% follows by itself."""
    found: list[Int] = []
    for share in environment.rollout.steps:
        weight = max(1, round(share * 100))
        if weight < 100 and (not found or weight > found[-1]):
            found.append(Int(weight, merged(share)))
    return found
