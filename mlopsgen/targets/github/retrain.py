"""Context of `ml-retrain.yaml`."""

from __future__ import annotations

from typing import Any

from mlopsgen.project.model import Project
from mlopsgen.spec.traced import join
from mlopsgen.targets.github import access, steps
from mlopsgen.targets.github.names import RETRAIN, TRAIN, call


def context(project: Project) -> dict[str, Any]:
    """What the template takes."""
    return steps.common(project, RETRAIN) | {
        "condition": join(
            "github.event_name == 'workflow_dispatch' || github.event.client_payload.project == '", project.name, "'"
        ),
        "workflow": call(project, TRAIN),
        "secrets": access.values(access.every(project)),
    }
