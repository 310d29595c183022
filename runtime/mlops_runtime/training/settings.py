"""What a run is asked to do: `params.yaml` held to the language of mlops.yaml, and the digest that names the run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_runtime import parameters
from mlops_runtime.errors import Mistaken
from mlopsgen.contract.files import PARAMS

if TYPE_CHECKING:
    from mlopsgen.spec.model import Model
    from mlopsgen.spec.training import Training, TrainingResources

SECTIONS = ("data", "model", "train")
FORMAT = 1
"""Raised when a run of the same parameters and data would no longer come out the same."""

NO_INFLUENCE = {"checkpoint", "resources", "engine", "requirements", "search"}
"""Fields of `training` that do not change the weights."""


class Settings(NamedTuple):
    """Everything that decides a run but the data.

    Attributes:
        model: section `model`.
        training: section `training`.
        roles: the column of each role: `prompt`, `response`, `text`, `label`, `messages`.
    """

    model: Model
    training: Training
    roles: dict[str, str]

    @property
    def task(self) -> str:
        """The task; `params.yaml` always names one."""
        return self.model.task or "instruction-tuning"

    @property
    def spec_digest(self) -> str:
        """SHA-256 over the parameters that decide the weights."""
        training = {k: v for k, v in self.training.model_dump().items() if k not in NO_INFLUENCE}
        model = {k: v for k, v in self.model.model_dump().items() if k != "name"}
        plain = json.dumps([FORMAT, model, training, self.roles], sort_keys=True)
        return hashlib.sha256(plain.encode()).hexdigest()


def read(sections: Mapping[str, Any] | None = None) -> Settings:
    """The settings of a run.

    Args:
        sections: `data`, `model` and `train` as `params.yaml` holds them; read from there when not given.

    Raises:
        Mistaken: a section is missing, or a value is not what mlops.yaml allows.
    """
    from mlopsgen.spec.model import Model
    from mlopsgen.spec.training import Training

    given = parameters.read(*SECTIONS) if sections is None else sections
    model: Model = _section(Model, given["model"], "model")
    training: Training = _section(Training, given["train"], "train")
    if training.learning_rate is None:
        raise Mistaken(f"{PARAMS}: `train.learning_rate` is missing: run `mlopsgen build`")
    if training.packing and model.task == "text-classification":
        raise Mistaken(
            f"{PARAMS}: `train.packing` with text-classification, which has one label a sequence: turn it off"
        )
    if model.adapter is not None and model.base is None:
        raise Mistaken(f"{PARAMS}: `model.adapter` needs a pre-trained `model.base`")
    return Settings(model, training, _roles(given["data"], model.task or "instruction-tuning"))


def resources() -> TrainingResources | None:
    """`training.resources` of the mlops.yaml in this folder; None without one, as where only the pipeline is shipped.

    Raises:
        Mistaken: the file is there and cannot be read or is not valid.
    """
    if not os.path.exists(parameters.SPEC):
        return None
    from mlopsgen.diagnostics import Failed
    from mlopsgen.spec.load import parse
    from mlopsgen.spec.read import read as text
    from mlopsgen.spec.training import TrainingResources

    try:
        node = parse(text(parameters.SPEC), parameters.SPEC).find(("training", "resources"))
    except Failed as error:
        raise Mistaken(f"{parameters.SPEC} cannot be read: {error}; run `mlopsgen validate`") from None
    found: TrainingResources = _section(TrainingResources, node.plain() if node else {}, "training.resources")
    return found


def _section(kind: Any, given: Any, name: str) -> Any:
    from mlopsgen.spec.core import ValidationError

    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join([name, *(str(part) for part in first["loc"])])
        raise Mistaken(f"{PARAMS}: `{at}`: {first['msg']}; run `mlopsgen validate`, then `mlopsgen build`") from None


def _roles(data: Mapping[str, Any], task: str) -> dict[str, str]:
    columns = data.get("columns") or {}
    roles = {column["role"]: name for name, column in columns.items() if column.get("role")}
    needed = {
        "instruction-tuning": [["messages"], ["prompt", "response"]],
        "causal-lm": [["text"]],
        "text-classification": [["text", "label"]],
    }[task]
    for choice in needed:
        if set(choice) <= set(roles):
            return {role: roles[role] for role in choice}
    wanted = " or ".join(" and ".join(f"`{role}`" for role in choice) for choice in needed)
    raise Mistaken(f"{PARAMS}: {task} needs columns with the role {wanted} in `data.columns`; set `role:` there")
