"""In the making."""

from __future__ import annotations

from collections.abc import Iterable

from mlopsgen.project.model import Project
from mlopsgen.render.files import File


def files(project: Project) -> Iterable[File]:
    """Nothing yet."""
    return ()
