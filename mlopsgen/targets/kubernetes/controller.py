"""Context of `controller.yaml`: the rollout controller and what it may touch."""

from __future__ import annotations

from typing import Any

from mlopsgen.contract.commands import PROGRAM
from mlopsgen.contract.ports import HEALTH, ROLLOUT
from mlopsgen.project import settings
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import labels, named
from mlopsgen.project.routing import mesh_label
from mlopsgen.targets.kubernetes import pods

WEIGHTS = {
    "istio": ("networking.istio.io", "virtualservices"),
    "gateway-api": ("gateway.networking.k8s.io", "httproutes"),
    "nginx": ("", "configmaps"),
}
"""API group and resource of the object that holds the weights, by engine. Its name is the project's."""


def context(project: Project, environment: Environment) -> dict[str, Any]:
    """What the template takes."""
    return pods.common(project, environment, "rollout", "rollout") | {
        "name": named(project, "rollout"),
        "settings": pods.settings(project, "rollout", settings.rollout(project, environment)),
        "pod_labels": {**labels(project, "rollout"), **mesh_label(environment)},
        "annotations": pods.scraped(ROLLOUT),
        "command": [PROGRAM, "rollout", "run"],
        "env": pods.variables(project, environment),
        "port": ROLLOUT,
        "health": HEALTH,
        "rules": rules(project, environment),
    }


def rules(project: Project, environment: Environment) -> list[dict[str, Any]]:
    """What the controller may do: move the weights, replace and scale both Deployments, hold its lease, tell of it."""
    group, resource = WEIGHTS[environment.rollout.engine]
    servers = [named(project, "champion"), named(project, "canary")]
    return [
        _rule(group, [resource], ["get", "watch", "update", "patch"], [project.name]),
        _rule("apps", ["deployments"], ["get", "watch", "patch"], servers),
        _rule("apps", ["deployments/scale"], ["get", "patch", "update"], servers),
        # A name cannot restrict `create`.
        _rule("coordination.k8s.io", ["leases"], ["create"], []),
        _rule("coordination.k8s.io", ["leases"], ["get", "update", "patch"], [named(project, "rollout")]),
        _rule("events.k8s.io", ["events"], ["create"], []),
    ]


def _rule(group: str, resources: list[str], verbs: list[str], names: list[Any]) -> dict[str, Any]:
    found = {"apiGroups": [group], "resources": resources, "verbs": verbs}
    return {**found, "resourceNames": names} if names else found
