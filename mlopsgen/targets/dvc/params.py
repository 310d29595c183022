"""`params.yaml`: everything that a stage of the pipeline reads, so that DVC knows when to run it again."""

from __future__ import annotations

from typing import Any

from mlopsgen.project.model import Project
from mlopsgen.spec.base import Section, key

MACHINES = {"resources", "engine", "requirements", "search"}
"""Fields of `training` that say where it runs, not what comes out."""


def parameters(project: Project) -> dict[str, Any]:
    """Sections of `params.yaml`, by the stages that read them."""
    evaluation = project.evaluation
    result = {
        "data": plain(project.data, leave={"remote", "drift"}),
        "drift": plain(project.data.drift),
        "model": plain(project.model),
        "train": plain(project.training, leave=MACHINES),
        "evaluate": {"gates": plain(evaluation.gates), "against_champion": plain(evaluation.against_champion)},
        "benchmark": plain(evaluation.benchmark),
        "safety": plain(evaluation.safety),
        "bias": plain(evaluation.bias),
        "register": plain(project.registry),
    }
    kept: dict[str, Any] = without_nothing(result)
    return kept


def plain(value: Any, leave: set[str] = frozenset()) -> Any:  # type: ignore[assignment]
    """A section as mappings, lists and scalars; scalars keep their origin."""
    if isinstance(value, Section):
        return {key(name): plain(item) for name, item in value.__dict__.items() if name not in leave}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if hasattr(value, "items"):
        return {name: plain(item) for name, item in value.items()}
    return value


def without_nothing(value: Any) -> Any:
    """The mapping without nulls and empty mappings."""
    if not isinstance(value, dict):
        return value
    kept = {key: without_nothing(item) for key, item in value.items()}
    return {key: item for key, item in kept.items() if item is not None and item != {}}
