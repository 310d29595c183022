"""What lies in an environment's folder, and who puts it there."""

from __future__ import annotations

from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import Variant

WEIGHED = ("istio", "gateway-api", "nginx")
"""Engines whose weights our rollout controller moves; Argo Rollouts has a controller of its own."""

KEEPS_USERS = ("istio", "argo-rollouts", "nginx")
"""Engines that can hold a user on one version while the canary grows."""


def folder(environment: Environment) -> str:
    """The environment's folder, relative to that of mlops.yaml."""
    return f"deploy/{environment.name}"


def routed(project: Project) -> bool:
    """Whether a target writes the environments' routing."""
    return project.targets.routing


def controlled(environment: Environment) -> bool:
    """Whether our controller runs in the environment."""
    return environment.canary and environment.rollout.engine in WEIGHED


def argo(environment: Environment) -> bool:
    """Whether Argo Rollouts replaces the Deployments of the environment."""
    return environment.canary and environment.rollout.engine == "argo-rollouts"


def variants(environment: Environment) -> tuple[Variant, ...]:
    """Deployments that serve. Argo Rollouts takes the pods of both versions from one."""
    return ("champion", "canary") if environment.canary and not argo(environment) else ("champion",)


def routing(environment: Environment) -> str:
    """Entry of `resources:` that holds the routing: a file, or a folder with files that a ConfigMap is made of."""
    return "routing" if environment.rollout.engine == "nginx" else "routing.yaml"
