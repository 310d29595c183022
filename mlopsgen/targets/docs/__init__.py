"""Docs: a runbook per alert, and pictures of the pipeline, the release and the monitoring."""

from __future__ import annotations

from collections.abc import Iterable

from mlopsgen.project.model import Project
from mlopsgen.render.files import File
from mlopsgen.targets.docs import pages, pipeline
from mlopsgen.targets.prometheus.rules import RUNBOOKS


def files(project: Project) -> Iterable[File]:
    """`docs/pipeline.md`, and `docs/runbooks/` with a page per alert and an index."""
    yield File(path="docs/pipeline.md", template="docs/pipeline.md", context=pipeline.context(project))
    found = pages.pages(project)
    yield File(path=f"{RUNBOOKS}/README.md", template="docs/README.md", context=pages.index(project, found))
    names = {page.name for page in found}
    for page in found:
        context = pages.context(page, names)
        yield File(path=pages.path(page), template=f"docs/runbooks/{page.kind}.md", context=context)
