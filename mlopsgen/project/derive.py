"""Values that follow from others: names, roles of columns, the task, environments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mlopsgen.spec.data import Column, Data
from mlopsgen.spec.document import Spec
from mlopsgen.spec.environments import Environment
from mlopsgen.spec.model import Model
from mlopsgen.spec.serving import Replicas, ScaleOn, Serving, ServingResources, Update
from mlopsgen.spec.traced import join, merged, traced
from mlopsgen.spec.tracking import Tracking
from mlopsgen.spec.training import Training

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


LEARNING_RATES = {"scratch": 1e-3, "adapter": 2e-4, "full": 2e-5}
"""Peak learning rates that people start from, by how a model is trained."""


def training(spec: Spec) -> Training:
    """`training` with the learning rate filled in."""
    if spec.training.learning_rate is not None:
        return spec.training
    method = "scratch" if spec.model.base is None else "full" if spec.model.adapter is None else "adapter"
    return spec.training.model_copy(update={"learning_rate": LEARNING_RATES[method]})


def tracking(spec: Spec) -> Tracking:
    """`tracking` with the experiment filled in."""
    mlflow = spec.tracking.mlflow
    if mlflow.experiment is None:
        mlflow = mlflow.model_copy(update={"experiment": spec.project.name})
    return spec.tracking.model_copy(update={"mlflow": mlflow})


SETTLE_SECONDS = 5
"""Time in which the cluster learns that a stopping server takes no more requests."""

MARGIN_SECONDS = 10
"""Time beyond the longest request in which a stopping server closes what is open."""

QUEUE_DEPTH = 8
"""Waiting requests per server that add one more, unless the spec says otherwise."""


def serving(spec: Spec) -> Serving:
    """`serving` with image, replicas, limits, update and grace filled in."""
    section = spec.serving
    image = section.image
    if image is None:
        repository = spec.project.repository
        image = join("ghcr.io/", _lower(repository)) if repository else spec.project.name
    return section.model_copy(
        update={
            "image": image,
            "replicas": replicas(section.replicas),
            "resources": resources(section.resources),
            "update": update(section),
            "grace": section.grace if section.grace is not None else grace(section.timeout),
        }
    )


def replicas(given: Replicas) -> Replicas:
    """A range without a signal to scale on scales on the queue."""
    most = given.max if given.max is not None else given.min
    scale_on = given.scale_on
    if scale_on is None and most > given.min:
        scale_on = ScaleOn.model_construct(queue_depth=QUEUE_DEPTH)
    return given.model_copy(update={"max": most, "scale_on": scale_on})


def resources(given: ServingResources) -> ServingResources:
    """What a server asks for in memory it may use, and no more."""
    if given.limits.memory is not None:
        return given
    return given.model_copy(update={"limits": given.limits.model_copy(update={"memory": given.memory})})


def update(section: Serving) -> Update:
    """GPUs are scarce: there a pod goes before the next one comes. A number that is not given keeps pods moving."""
    given, scarce = section.update, section.resources.gpu > 0
    surge, unavailable = given.surge, given.unavailable
    if surge is None:
        surge = 0 if scarce and unavailable != 0 else 1
    if unavailable is None:
        unavailable = 0 if surge and not scarce else 1
    return given.model_copy(update={"surge": surge, "unavailable": unavailable})


def grace(timeout: float) -> float:
    """Seconds between the signal to stop and the end: no new requests come, the longest one ends, a margin."""
    seconds: float = traced(float(math.ceil(SETTLE_SECONDS + timeout + MARGIN_SECONDS)), *merged(timeout))
    return seconds


def canary(name: str, spec: Spec, laid: Spec) -> bool:
    """Whether a new version takes over step by step: in the last environment, and wherever a person approves."""
    last = name == list(spec.environments)[-1]
    return len(laid.rollout.steps) > 1 and (last or spec.environments[name].approval)


def _lower(text: Any) -> Any:
    return traced(text.lower(), *getattr(text, "origins", ()))


def namespace(name: str, environment: Environment, project: str) -> str:
    """Kubernetes namespace of an environment."""
    return environment.namespace or join(project, "-", name)
