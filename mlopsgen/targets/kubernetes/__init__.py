"""Kubernetes: one folder of manifests per environment, which Kustomize, Argo CD and Flux take as it is."""

from __future__ import annotations

from collections.abc import Iterable

from mlopsgen.contract.files import release as release_file
from mlopsgen.project import deploy
from mlopsgen.project.model import Environment, Project
from mlopsgen.render.files import File
from mlopsgen.targets.kubernetes import (
    controller,
    kustomization,
    network,
    quality,
    readme,
    release,
    scaling,
    secrets,
    serving,
    training,
)


def files(project: Project) -> Iterable[File]:
    """`deploy/<environment>/`: one file per concern, the facts of a release, the folder `training/`."""
    for environment in project.environments:
        yield from _environment(project, environment)


def _environment(project: Project, environment: Environment) -> Iterable[File]:
    contexts = {
        "kustomization": kustomization.context(project, environment),
        "serving": serving.context(project, environment),
        "scaling": scaling.context(project, environment),
        "network": network.context(project, environment),
        "quality": quality.context(project, environment),
    }
    if deploy.controlled(environment):
        contexts["controller"] = controller.context(project, environment)
    if environment.secret_store is not None:
        contexts["secrets"] = secrets.context(project, environment)
    folder = deploy.folder(environment)
    for name, context in contexts.items():
        yield File(path=f"{folder}/{name}.yaml", template=f"kubernetes/{name}.yaml", context=context)
    facts = release.context(project, environment)
    yield File(path=release_file(environment.name), template="kubernetes/release.yaml", context=facts, keep=True)
    yield File(
        path=f"{folder}/README.md", template="kubernetes/README.md", context=readme.context(project, environment)
    )
    yield from training.files(project, environment)
