"""Names and paths of workflows, jobs and GitHub environments."""

from __future__ import annotations

from mlopsgen.project.model import Project
from mlopsgen.spec.traced import Text, join

CI, TRAIN, RELEASE, RETRAIN = "ml-ci", "ml-train", "ml-release", "ml-retrain"

CHECK, BUILD = "ml-check", "ml-build"
"""GitHub environments that hold the secrets of jobs before a deployment: those of pull requests, and all others."""


def named(project: Project, name: str) -> Text:
    """`name`; with the project's name in front where several projects share a repository."""
    return join(project.name, "-", name) if project.folder else Text(name)


def path(project: Project, workflow: str) -> str:
    """A workflow's file, from the repository's root."""
    return f".github/workflows/{named(project, workflow)}.yaml"


def call(project: Project, workflow: str) -> Text:
    """A workflow's file, as another workflow of the repository calls it."""
    return join("./.github/workflows/", named(project, workflow), ".yaml")


def inside(project: Project, path: str) -> Text:
    """A path of the project, from the repository's root."""
    return join(project.folder, "/", path) if project.folder else join(path)


def others(project: Project) -> list[str]:
    """Path filters that leave out what belongs to other projects inside of this one's folder."""
    return [f"!{pattern}" for pattern in project.others]
