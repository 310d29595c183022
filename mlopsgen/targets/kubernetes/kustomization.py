"""Context of `kustomization.yaml`: what is applied, and where the facts of a release go."""

from __future__ import annotations

from typing import Any

from mlopsgen.contract import release as facts
from mlopsgen.contract.environment import MODEL_URI
from mlopsgen.project import deploy
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import MODEL_VERSION, SERVER, Part, named

VERSION_IN_URI = {"delimiter": "/", "index": 2}
"""Where the version stands in `models:/name/version`."""

CONTAINERS: dict[Part, str] = {"champion": SERVER, "canary": SERVER, "quality": "quality", "rollout": "rollout"}
"""Container that takes a fact, by the Deployment's part of the name."""


def context(project: Project, environment: Environment) -> dict[str, Any]:
    """What the template takes."""
    return {
        "resources": resources(project, environment),
        "replacements": replacements(project, environment),
    }


def resources(project: Project, environment: Environment) -> list[str]:
    """Files of the folder, in the order in which they are applied."""
    found = ["release.yaml"]
    if environment.secret_store is not None:
        found.append("secrets.yaml")
    found += ["serving.yaml", "scaling.yaml", "network.yaml", "quality.yaml"]
    if deploy.controlled(environment):
        found.append("controller.yaml")
    if environment.monitoring.operator and project.targets.prometheus:
        found.append("monitoring.yaml")
    if deploy.routed(project):
        found.append(deploy.routing(environment))
        if deploy.argo(environment):
            found.append("rollout.yaml")
    return found


def takers(environment: Environment) -> dict[str, tuple[Part, ...]]:
    """Deployments by the variant whose facts they take.

    With Argo Rollouts there is one template of servers, and it holds what is being released: the canary's facts.
    """
    if deploy.argo(environment):
        return {"champion": ("quality",), "canary": ("champion",)}
    beside: tuple[Part, ...] = ("quality", "rollout") if deploy.controlled(environment) else ("quality",)
    canary: dict[str, tuple[Part, ...]] = {"canary": ("canary",)} if environment.canary else {}
    return {"champion": ("champion", *beside), **canary}


def replacements(project: Project, environment: Environment) -> list[dict[str, Any]]:
    """Each fact and the fields that it goes to."""
    found = []
    for variant, parts in takers(environment).items():
        images = [_field(project, part, f"{_container(part)}.image") for part in parts]
        versions = [field for part in parts for field in _versions(project, part)]
        found.append(_replacement(variant, facts.IMAGE, images))
        found.append(_replacement(variant, facts.MODEL_VERSION, versions))
    if "canary" in deploy.variants(environment):
        found.append(_replacement("canary", facts.REPLICAS, [_field(project, "canary", "spec.replicas")]))
    return found


def _versions(project: Project, part: Part) -> list[dict[str, Any]]:
    if part == "rollout":
        return []
    uri = _field(project, part, f"{_container(part)}.env.[name={MODEL_URI}].value", VERSION_IN_URI)
    if part == "quality":
        return [uri]
    return [_field(project, part, f"spec.template.metadata.labels.{MODEL_VERSION}"), uri]


def _container(part: Part) -> str:
    return f"spec.template.spec.containers.[name={CONTAINERS[part]}]"


def _replacement(variant: str, fact: str, targets: list[dict[str, Any]]) -> dict[str, Any]:
    source = {"kind": "ConfigMap", "name": facts.NAME, "fieldPath": f"data.{facts.key(variant, fact)}"}
    return {"source": source, "targets": targets}


def _field(project: Project, part: Part, path: str, options: dict[str, Any] | None = None) -> dict[str, Any]:
    found = {"select": {"kind": "Deployment", "name": named(project, part)}, "fieldPaths": [path]}
    return {**found, "options": options} if options else found
