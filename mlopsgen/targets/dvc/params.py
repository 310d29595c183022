"""`params.yaml`: everything that a stage of the pipeline reads, so that DVC knows when to run it again."""

from __future__ import annotations

from typing import Any

from mlopsgen.project.model import Project
from mlopsgen.project.plain import plain

MACHINES = {"resources", "engine", "requirements", "search"}
"""Fields of `training` that say where it runs, not what comes out."""


VOLUME = {"size"}
"""Fields of `training.checkpoint` that do the same."""


def parameters(project: Project) -> dict[str, Any]:
    """Sections of `params.yaml`, by the stages that read them."""
    evaluation = project.evaluation
    result = {
        "data": plain(project.data, leave={"remote", "drift"}),
        "drift": plain(project.data.drift),
        "model": plain(project.model),
        "train": {
            **plain(project.training, leave=MACHINES),
            "checkpoint": plain(project.training.checkpoint, leave=VOLUME),
        },
        "evaluate": {"gates": plain(evaluation.gates), "against_champion": plain(evaluation.against_champion)},
        "benchmark": plain(evaluation.benchmark),
        "safety": plain(evaluation.safety),
        "bias": plain(evaluation.bias),
        "register": plain(project.registry),
    }
    kept: dict[str, Any] = without_nothing(result)
    return kept


def without_nothing(value: Any) -> Any:
    """The mapping without nulls and empty mappings."""
    if not isinstance(value, dict):
        return value
    kept = {key: without_nothing(item) for key, item in value.items()}
    return {key: item for key, item in kept.items() if item is not None and item != {}}
