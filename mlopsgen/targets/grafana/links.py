"""Addresses that dashboards lead to."""

from __future__ import annotations

from mlopsgen.project.model import Project
from mlopsgen.spec.traced import join
from mlopsgen.targets.prometheus.rules import RUNBOOKS, groups

INDEX = ""
"""Key of the index in `runbooks`."""


def runbooks(project: Project) -> dict[str, str]:
    """Address of the runbook of each alert, and of their index.

    A browser cannot follow a path in a repository: without `monitoring.links.runbooks` or `project.repository` there
    are none.
    """
    base = project.monitoring.links.runbooks
    if base is None:
        if project.repository is None or not project.targets.docs:
            return {}
        folder = f"{project.folder}/" if project.folder else ""
        base = join("https://github.com/", project.repository, "/blob/HEAD/", folder, RUNBOOKS)
    alerts = [alert.name for group in groups(project, project.environments) for alert in group.alerts]
    return {INDEX: join(base, "/README.md"), **{name: join(base, "/", name, ".md") for name in alerts}}
