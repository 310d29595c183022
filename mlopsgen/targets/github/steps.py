"""What several workflows have in common: triggers' paths, runners, environment variables, pinned actions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlopsgen.contract import environment as variables
from mlopsgen.contract.pins import ACTIONS
from mlopsgen.project.model import Project
from mlopsgen.render.files import Commented
from mlopsgen.targets.github import access
from mlopsgen.targets.github.names import named

HOSTED = ("ubuntu-", "windows-", "macos-")
"""Beginnings of the labels of GitHub's own runners: fresh machines, six hours at most."""

DEVELOPMENT = "requirements-dev.txt"
"""Packages of the checks on code, when the project has such a file."""


def common(project: Project, workflow: str) -> dict[str, Any]:
    """Context of every workflow."""
    return {
        "title": named(project, workflow),
        "project": project.name,
        "folder": project.folder,
        "python": project.ci.python,
        "runner": labels(project.ci.runners.default),
        "requirements": project.training.requirements,
        "development": DEVELOPMENT,
        "index": access.index(project),
        "uses": {
            name: Commented(f"{name}@{project.pins[name].digest}", project.pins[name].version) for name in ACTIONS
        },
        "env": environment(project),
        "aws": project.ci.credentials.aws,
        "gcp": project.ci.credentials.gcp,
        "signs_in": access.signs_in(project),
        "registry": access.registry(project),
    }


def environment(project: Project) -> dict[str, str]:
    """Environment variables of every job: no telemetry, where runs are tracked."""
    result: dict[str, str] = dict(variables.QUIET)
    mlflow = project.tracking.mlflow
    if mlflow.uri is not None:
        result[variables.TRACKING_URI] = mlflow.uri
    if mlflow.experiment is not None:
        result[variables.TRACKING_EXPERIMENT] = mlflow.experiment
    return result


def labels(runner: tuple[str, ...]) -> Any:
    """`runs-on` of a runner: its one label, or the list of them."""
    return runner[0] if len(runner) == 1 else list(runner)


def hosted(runner: Iterable[str]) -> bool:
    """Whether GitHub hosts the runner."""
    return all(label.startswith(HOSTED) for label in runner)


def reachable(project: Project) -> bool:
    """Whether the DVC remote can be reached from a runner; a folder cannot."""
    return "://" in project.data.remote
