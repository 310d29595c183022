"""What a search may set: `training.search` of mlops.yaml, for Optuna and for W&B."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from mlops_runtime import parameters
from mlops_runtime.data.atomic import write
from mlops_runtime.errors import Mistaken
from mlopsgen.contract import files

AGENT = 'for value; do shift; set -- "$@" -S "$value"; done; exec dvc exp run --temp "$@"'
"""What an agent of W&B runs: it hands over `name=value`, and DVC wants `-S` before each."""


class Space(NamedTuple):
    """A search.

    Attributes:
        method: `bayes`, `random` or `grid`.
        metric: name of a metric of the evaluation.
        goal: `minimize` or `maximize`.
        trials: number of trials at most.
        gpus: that one training runs on.
        distributions: by parameter, the kind and its values: `uniform`, `log_uniform`, `int_uniform`, `choice`.
    """

    method: str
    metric: str
    goal: Literal["minimize", "maximize"]
    trials: int
    gpus: int
    distributions: dict[str, tuple[str, list[Any]]]

    def plain(self) -> dict[str, Any]:
        """For the run's parameters."""
        ranges = {name: {kind: list(values)} for name, (kind, values) in self.distributions.items()}
        return {"method": self.method, "metric": self.metric, "goal": self.goal, "parameters": ranges}


def read() -> Space:
    """The search of the mlops.yaml in the working directory.

    Raises:
        Mistaken: no file, none in it, or one that is not valid.
    """
    if not os.path.exists(parameters.SPEC):
        raise Mistaken(f"there is no {parameters.SPEC} here: run this in its folder")
    from mlopsgen.diagnostics import Failed
    from mlopsgen.spec.core import ValidationError
    from mlopsgen.spec.load import parse
    from mlopsgen.spec.read import read as text
    from mlopsgen.spec.training import Search

    try:
        document = parse(text(parameters.SPEC), parameters.SPEC)
        node, gpu = document.find(("training", "search")), document.find(("training", "resources", "gpu"))
        if node is None:
            raise Mistaken(f"{parameters.SPEC} has no `training.search`: name the parameters and their ranges there")
        found = Search.model_validate(node.plain())
    except (Failed, ValidationError):
        raise Mistaken(f"{parameters.SPEC} is not valid: run `mlopsgen validate`") from None
    distributions = {}
    for name, given in found.parameters.items():
        kind = next(k for k in ("uniform", "log_uniform", "int_uniform", "choice") if getattr(given, k) is not None)
        distributions[name] = (kind, list(getattr(given, kind)))
        if found.method == "grid" and kind in ("uniform", "log_uniform"):
            raise Mistaken(
                f"{parameters.SPEC}: `training.search.parameters.{name}`: a grid needs `choice` or `int_uniform`, and "
                f"`{kind}` has no end of values"
            )
    return Space(
        found.method, found.metric.name, found.metric.goal, found.trials, gpu.plain() if gpu else 0, distributions
    )


def path(name: str) -> tuple[str, ...]:
    """Where a parameter of the search stands in `params.yaml`: `learning_rate` in `train`, `adapter.r` in `model`."""
    from mlopsgen.spec import language

    parts = tuple(name.split("."))
    for spec, section in (("training", "train"), ("model", "model")):
        place = language.find((spec, *parts))
        if place is not None and place.scalar:
            return (section, *parts)
    raise Mistaken(f"{parameters.SPEC}: `{name}` is no field of `training` or `model`: run `mlopsgen validate`")


def changed(given: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Sections with the values of a trial. Its checkpoints stay in its own folder."""
    result = copy.deepcopy(dict(given))
    for name, value in values.items():
        *above, last = path(name)
        here = result
        for part in above:
            here = here.setdefault(part, {})
        here[last] = value
    result["train"]["checkpoint"] = {**result["train"].get("checkpoint", {}), "store": "checkpoints"}
    return result


def dimensions(space: Space) -> dict[str, Callable[[Any], Any]]:
    """For each parameter, what asks an Optuna trial for its value."""

    def one(name: str, kind: str, values: list[Any]) -> Callable[[Any], Any]:
        if kind == "choice":
            return lambda trial: trial.suggest_categorical(name, values)
        if kind == "int_uniform":
            return lambda trial: trial.suggest_int(name, *values)
        return lambda trial: trial.suggest_float(name, *values, log=kind == "log_uniform")

    return {name: one(name, kind, values) for name, (kind, values) in space.distributions.items()}


def sampler(space: Space, seed: int) -> Any:
    """Optuna's sampler of the method. A grid needs none: its points are queued."""
    import optuna

    return (optuna.samplers.TPESampler if space.method == "bayes" else optuna.samplers.RandomSampler)(seed=seed)


def grid(space: Space) -> list[dict[str, Any]]:
    """Points of a grid, at most as many as there are trials, in the order of the parameters."""
    from itertools import islice, product

    axes = [
        values if kind == "choice" else list(range(values[0], values[1] + 1))
        for kind, values in space.distributions.values()
    ]
    return [dict(zip(space.distributions, point, strict=True)) for point in islice(product(*axes), space.trials)]


def digest(space: Space, given: Mapping[str, Any]) -> str:
    """Name of the study: the same search over the same parameters goes on, another one begins anew."""
    asked = {**space.plain(), "given": given}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def write_sweep(space: Space) -> None:
    """Write `reports/sweep.yaml`: the same search for those who use W&B (`wandb sweep`, `wandb agent`)."""
    import yaml

    wandb: dict[str, Any] = {}
    for name, (kind, values) in space.distributions.items():
        where = ".".join(path(name))
        if kind == "choice":
            wandb[where] = {"values": values}
        else:
            form = {"uniform": "uniform", "log_uniform": "log_uniform_values", "int_uniform": "int_uniform"}[kind]
            wandb[where] = {"distribution": form, "min": values[0], "max": values[1]}
            if space.method == "grid":
                wandb[where] = {"values": list(range(values[0], values[1] + 1))}
    sweep = {
        "method": space.method,
        "metric": {"name": space.metric, "goal": space.goal},
        "run_cap": space.trials,
        "parameters": wandb,
        "command": ["sh", "-c", AGENT, "sh", "${args_no_hyphens}"],
    }
    head = "# For Weights & Biases: wandb sweep reports/sweep.yaml, then wandb agent SWEEP.\n"
    write(files.SWEEP, (head + yaml.safe_dump(sweep, sort_keys=False)).encode())
