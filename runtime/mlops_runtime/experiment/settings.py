"""What was agreed on before: `experiment` of the settings at `MLOPS_CONFIG`, or of mlops.yaml in this folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlops_runtime import parameters
from mlops_runtime import settings as file
from mlops_runtime.errors import Mistaken
from mlopsgen.contract import environment

METRICS = ("rating", "success", "latency")


class Settings(NamedTuple):
    """An experiment.

    Attributes:
        project: its name.
        header: that tells users apart.
        traffic: share of the users on the challenger, above 0 and below 1.
        metric: one of `METRICS`.
        alpha: chance to see a difference where there is none.
        power: chance to see one of `min_effect`.
        min_effect: difference worth shipping, in standard deviations (Cohen's d).
        min_samples: users per arm before anything is said.
        max_duration: seconds after which it ends undecided.
    """

    project: str
    header: str
    traffic: float
    metric: str
    alpha: float
    power: float
    min_effect: float
    min_samples: int
    max_duration: float


def read() -> Settings:
    """Settings of the experiment.

    Raises:
        Mistaken: there is no experiment, or its numbers leave nothing to test.
    """
    path = os.environ.get(environment.CONFIG)
    project, given, source = _file(path) if path else _project()
    if given is None:
        raise Mistaken(f"{source} has no `experiment`: write the section, then run `mlopsgen build`")
    try:
        found = Settings(
            project=project,
            header=str(given["sticky"]["header"]).lower(),
            traffic=float(given["traffic"]),
            metric=str(given["metric"]),
            alpha=float(given["alpha"]),
            power=float(given["power"]),
            min_effect=float(given["min_effect"]),
            min_samples=int(given["min_samples"]),
            max_duration=float(given["max_duration"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Mistaken(f"`experiment` of {source} is not complete ({error!r}): run `mlopsgen build`") from None
    _demand(found, source)
    return found


def _demand(found: Settings, source: str) -> None:
    wrong = {
        "traffic": "above 0% and below 100%" if not 0 < found.traffic < 1 else "",
        "alpha": "above 0% and below 50%" if not 0 < found.alpha < 0.5 else "",
        "power": "above `alpha` and below 100%" if not found.alpha < found.power < 1 else "",
        "min_effect": "above 0" if not found.min_effect > 0 else "",
        "min_samples": "2 or more" if found.min_samples < 2 else "",
        "metric": f"one of {', '.join(METRICS)}" if found.metric not in METRICS else "",
    }
    for name, expected in wrong.items():
        if expected:
            raise Mistaken(f"`experiment.{name}` of {source} is {getattr(found, name)!r}: it must be {expected}")


def _file(path: str) -> tuple[str, Mapping[str, Any] | None, str]:
    content = file.content(path)
    if not isinstance(content, dict) or "project" not in content:
        raise Mistaken(f"{path} holds no settings of the rollout controller: run `mlopsgen build`")
    return str(content["project"]), content.get("experiment"), path


def _project() -> tuple[str, Mapping[str, Any] | None, str]:
    """The section as mlops.yaml has it for every environment, with defaults."""
    from mlopsgen.diagnostics import Failed
    from mlopsgen.spec.experiment import Experiment
    from mlopsgen.spec.load import parse
    from mlopsgen.spec.read import read as text

    if not os.path.exists(parameters.SPEC):
        raise Mistaken(f"there is no {parameters.SPEC} here, and {environment.CONFIG} names no settings")
    name = parameters.project()["name"]
    try:
        node = parse(text(parameters.SPEC), parameters.SPEC).find(("experiment",))
        given = None if node is None else Experiment.model_validate(node.plain()).model_dump()
    except (Failed, ValueError):
        raise Mistaken(f"`experiment` of {parameters.SPEC} is not valid: run `mlopsgen validate`") from None
    return name, given, parameters.SPEC
