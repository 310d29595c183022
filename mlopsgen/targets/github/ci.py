"""Context of `ml-ci.yaml`."""

from __future__ import annotations

from typing import Any

from mlopsgen.contract.files import DATA_VALIDATION
from mlopsgen.project.model import Project
from mlopsgen.targets.github import access, steps
from mlopsgen.targets.github.names import CHECK, CI, RELEASE, RETRAIN, TRAIN, inside, named, others


def context(project: Project) -> dict[str, Any]:
    """What the template takes."""
    return steps.common(project, CI) | {
        "paths": _paths(project),
        "quality": _quality(project),
        "tests": project.ci.quality.tests,
        "trusted": not steps.hosted(project.ci.runners.default),
        "environment": named(project, CHECK),
        "guarded": access.guarded(project),
        "secrets": access.values(access.secrets(project)),
        "spec": project.spec_file,
        "raw": project.data.raw,
        "collects": project.data.collect is not None,
        "reachable": steps.reachable(project),
        "drift_stage": project.data.drift.reference != "champion",
        "reports": inside(project, DATA_VALIDATION.rpartition("/")[0]),
    }


def _paths(project: Project) -> list[Any]:
    if not project.folder and not project.others:
        return []
    workflows = [f".github/workflows/{named(project, workflow)}.yaml" for workflow in (CI, TRAIN, RELEASE, RETRAIN)]
    shared = [project.workspace] if project.workspace else []
    if not project.folder:
        return ["**", *others(project), "!.github/**", *workflows]
    return [inside(project, "**"), *others(project), *workflows, *shared]


def _quality(project: Project) -> list[dict[str, Any]]:
    quality = project.ci.quality
    given = (("Formatting", quality.format), ("Lint", quality.lint), ("Types", quality.types))
    return [{"name": name, "run": command} for name, command in given if command is not None]
