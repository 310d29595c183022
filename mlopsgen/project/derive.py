"""Values that follow from others: names, roles of columns, the task, environments."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mlopsgen.spec.data import Column, Data
from mlopsgen.spec.document import Spec
from mlopsgen.spec.environments import Environment
from mlopsgen.spec.model import Model
from mlopsgen.spec.serving import Serving
from mlopsgen.spec.traced import join, traced
from mlopsgen.spec.tracking import Tracking

ROLES = {
    "prompt": ("prompt", "instruction", "input", "question"),
    "response": ("response", "output", "completion", "answer"),
    "text": ("text",),
    "label": ("label", "category"),
    "messages": ("messages",),
}
"""Names of columns that have a role by themselves."""

DEFAULT_TASK = "instruction-tuning"

NEEDED = {
    "instruction-tuning": (("prompt", "response"), ("messages",)),
    "causal-lm": (("text",),),
    "text-classification": (("text", "label"), ("prompt", "label")),
}
"""Roles that a task needs, alternatives in order of preference."""


def role(name: str, column: Column) -> str:
    """Role of a column: as given, else after its name, else `other`."""
    if column.role is not None:
        return column.role
    return next((role for role, known in ROLES.items() if name in known), "other")


ENVIRONMENTS = {"staging": {"branch": "dev"}, "production": {"branch": "main", "approval": True}}
"""Environments of a spec that names none."""


def filled(plain: dict[str, Any]) -> dict[str, Any]:
    """The document with the usual environments and columns where it names none; anything odd is left as it is."""
    if plain.get("environments", {}) == {}:
        plain = {**plain, "environments": ENVIRONMENTS}
    data, model = plain.get("data"), plain.get("model")
    if isinstance(data, dict) and isinstance(model, dict) and data.get("columns", {}) == {}:
        task = model.get("task") or DEFAULT_TASK
        if isinstance(task, str) and task in NEEDED:
            kinds = {"label": "category", "messages": "messages"}
            columns = {name: {"type": kinds.get(name, "text"), "role": name} for name in NEEDED[task][0]}
            plain = {**plain, "data": {**data, "columns": columns}}
    return plain


def task(spec: Spec) -> str:
    """The task as given, or the one that the columns are made for."""
    if spec.model.task is not None:
        return spec.model.task
    roles = {role(name, column) for name, column in spec.data.columns.items()}
    for candidate in ("instruction-tuning", "text-classification", "causal-lm"):
        if any(set(needed) <= roles for needed in NEEDED[candidate]):
            return candidate
    return DEFAULT_TASK


def columns(given: Mapping[str, Column]) -> dict[str, Column]:
    """The columns with their roles."""
    return {name: column.model_copy(update={"role": role(name, column)}) for name, column in given.items()}


def features(columns: Mapping[str, Column]) -> dict[str, tuple[str, ...]]:
    """Features that drift is looked for in when none are named."""
    known = {"text": ("length", "words"), "category": ("category",), "boolean": ("category",), "number": ("value",)}
    return {name: known[column.type] for name, column in columns.items() if column.type in known}


def data(spec: Spec) -> Data:
    """`data` with columns, roles and drift features filled in."""
    found = columns(spec.data.columns)
    drift = spec.data.drift
    if not drift.features:
        drift = drift.model_copy(update={"features": MappingProxyType(features(found))})
    return spec.data.model_copy(update={"columns": MappingProxyType(found), "drift": drift})


def model(spec: Spec) -> Model:
    """`model` with name and task filled in."""
    return spec.model.model_copy(update={"name": spec.model.name or spec.project.name, "task": task(spec)})


def tracking(spec: Spec) -> Tracking:
    """`tracking` with the experiment filled in."""
    mlflow = spec.tracking.mlflow
    if mlflow.experiment is None:
        mlflow = mlflow.model_copy(update={"experiment": spec.project.name})
    return spec.tracking.model_copy(update={"mlflow": mlflow})


def serving(spec: Spec) -> Serving:
    """`serving` with the image and the upper end of the replicas filled in."""
    section, update = spec.serving, {}
    if section.image is None:
        repository = spec.project.repository
        update["image"] = join("ghcr.io/", _lower(repository)) if repository else spec.project.name
    if section.replicas.max is None:
        update["replicas"] = section.replicas.model_copy(update={"max": section.replicas.min})
    return section.model_copy(update=update)


def _lower(text: Any) -> Any:
    return traced(text.lower(), *getattr(text, "origins", ()))


def namespace(name: str, environment: Environment, project: str) -> str:
    """Kubernetes namespace of an environment."""
    return environment.namespace or join(project, "-", name)
