"""Section `project`: what this is and whose."""

from __future__ import annotations

from mlopsgen.spec.base import Section, field
from mlopsgen.spec.scalars import LabelValue, ProjectName, Slug, Text


class ProjectInfo(Section):
    """Identity of the project; goes on every resource, run and alert."""

    name: ProjectName = field(..., "Name of the project, a DNS label. Prefixes every resource.", example="docstrings")
    owner: LabelValue | None = field(
        None, "Team that answers for it. Goes on alerts, runs and manifests.", example="nlp-research"
    )
    repository: Slug | None = field(None, "GitHub repository, `owner/name`.", example="acme/support-assistant")
    description: Text | None = field(None, "One sentence for people.", example="Answers first-line support questions.")
