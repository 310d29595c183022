"""GitHub: the workflows that check, train, release and retrain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlopsgen.project.model import Project
from mlopsgen.render.files import File
from mlopsgen.targets.github import ci, release, retrain, train
from mlopsgen.targets.github.names import CI, RELEASE, RETRAIN, TRAIN, path


def files(project: Project) -> Iterable[File]:
    """`ml-ci.yaml`, `ml-train.yaml`, `ml-release.yaml` and `ml-retrain.yaml`."""
    yield _workflow(project, CI, ci.context(project))
    yield _workflow(project, TRAIN, train.context(project))
    yield _workflow(project, RELEASE, release.context(project))
    yield _workflow(project, RETRAIN, retrain.context(project))


def _workflow(project: Project, workflow: str, context: Mapping[str, Any]) -> File:
    return File(path=path(project, workflow), root="repository", template=f"github/{workflow}.yaml", context=context)
