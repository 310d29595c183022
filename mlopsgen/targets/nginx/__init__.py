"""nginx: splits the traffic between champion and canary, in environments whose `rollout.engine` is `nginx`."""

from __future__ import annotations

from collections.abc import Iterable

from mlopsgen.contract.split import split
from mlopsgen.project import deploy
from mlopsgen.project.model import Environment, Project
from mlopsgen.render.files import File
from mlopsgen.targets.nginx import config, manifests


def files(project: Project) -> Iterable[File]:
    """`deploy/<environment>/routing/`: its kustomization, the Deployment of nginx, its configuration and the split."""
    for environment in project.environments:
        if environment.rollout.engine == "nginx":
            yield from _environment(project, environment)


def _environment(project: Project, environment: Environment) -> Iterable[File]:
    folder = f"{deploy.folder(environment)}/{deploy.routing(environment)}"
    contexts = {
        "kustomization.yaml": manifests.kustomization(project, environment),
        "nginx.yaml": manifests.nginx(project, environment),
        "nginx.conf": config.context(project, environment),
        "run.sh": config.script(),
    }
    for name, context in contexts.items():
        yield File(path=f"{folder}/{name}", template=f"nginx/{name}", context=context)
    yield File(path=f"{folder}/{manifests.SPLIT}", text=split(0.0))
