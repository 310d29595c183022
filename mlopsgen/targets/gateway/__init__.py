"""Gateway API: who gets which version, for whatever implements the standard."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlopsgen.project import deploy, routing
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import labels, named
from mlopsgen.render.files import File


def files(project: Project) -> Iterable[File]:
    """`deploy/<environment>/routing.yaml` of every environment whose `rollout.engine` is `gateway-api`."""
    for environment in project.environments:
        if environment.rollout.engine == "gateway-api":
            path = f"{deploy.folder(environment)}/routing.yaml"
            yield File(path=path, template="gateway/routing.yaml", context=_context(project, environment))


def _context(project: Project, environment: Environment) -> dict[str, Any]:
    space, name = routing.gateway(environment)
    public = routing.public_host(environment)
    return {
        "name": project.name,
        "namespace": environment.namespace,
        "labels": labels(project, "routing"),
        "gateway": {"namespace": space, "name": name},
        "hostnames": [public] if public is not None else [],
        "canary": environment.canary,
        "rules": _rules(project, environment),
        "port": environment.serving.port,
        "timeout": routing.timeout(environment),
    }


def _rules(project: Project, environment: Environment) -> list[dict[str, Any]]:
    """Rules in the order in which they are tried; backends with weights, canary first."""
    champion = {"name": named(project, "champion"), "weight": None}
    if not environment.canary:
        return [{"matches": _matches(), "backends": [champion]}]
    split = [{"name": named(project, "canary"), "weight": 0}, {**champion, "weight": 100}]
    rules = [{"matches": _matches(), "backends": split}]
    testers = environment.rollout.testers
    if testers is not None:
        header = {"type": "Exact", "name": testers.header, "value": testers.value}
        rules.insert(0, {"matches": _matches(headers=[header]), "backends": split})
    return rules


def _matches(**more: Any) -> list[dict[str, Any]]:
    """One match per public path."""
    return [{"path": {"type": "Exact", "value": path}, **more} for path in routing.PUBLIC]
