"""Settings of the running parts on one machine: those of an environment, at local addresses."""

from __future__ import annotations

from typing import Any

from mlopsgen.contract.commands import PROGRAM
from mlopsgen.contract.ports import QUALITY, ROLLOUT
from mlopsgen.project import settings
from mlopsgen.project.model import Environment, Project
from mlopsgen.targets.local import ports

NAME = "local"
"""Name of this place: nothing that is measured here passes for an environment's."""

ENGINE = "envoy"
"""Value of `rollout.engine`: weights stand in a file."""


def every(project: Project, environment: Environment) -> dict[str, tuple[dict[str, Any], str]]:
    """Settings and the comment above them, by part: the servers, the quality exporter, the rollout controller."""
    found = {"champion": (_server(project, environment, ports.CHAMPION), "Settings of the champion on one machine.")}
    if environment.canary:
        found["canary"] = (_server(project, environment, ports.CANARY), "Settings of the canary on one machine.")
    found["quality"] = (_quality(project, environment), "Settings of the quality exporter on one machine.")
    if environment.canary:
        found["rollout"] = (_rollout(project, environment), "Settings of the rollout controller on one machine.")
    return found


def _server(project: Project, environment: Environment, port: int) -> dict[str, Any]:
    found = _here(settings.serving(project, environment))
    return {**found, "serving": {**found["serving"], "port": port}}


def _quality(project: Project, environment: Environment) -> dict[str, Any]:
    found = _here(settings.quality(project, environment))
    collect = [["dvc", "repro", "--force", "--single-item", "collect"]] if project.data.collect is not None else []
    start = [[PROGRAM, "rollout", "start", "--environment", NAME]] if environment.canary else []
    retrain = {**found["retrain"], "repository": None, "commands": [*collect, ["dvc", "repro"], *start]}
    return {**found, "server": ports.address(ports.CHAMPION), "port": QUALITY, "retrain": retrain}


def _rollout(project: Project, environment: Environment) -> dict[str, Any]:
    found = _here(settings.rollout(project, environment))
    del found["cluster"]
    return {
        **found,
        "port": ROLLOUT,
        "rollout": {**found["rollout"], "engine": ENGINE},
        "prometheus": ports.address(ports.PROMETHEUS),
        "local": {
            "routes": ports.ROUTES,
            "envoy": ports.address(ports.ENVOY_ADMIN),
            "champion": ports.address(ports.CHAMPION),
            "canary": ports.address(ports.CANARY),
            "servers": ports.RELEASES,
            "status": ports.ROLLOUT_STATUS,
        },
    }


def _here(found: dict[str, Any]) -> dict[str, Any]:
    """The team's MLflow is left alone, and nobody outside of this machine is answered."""
    tracking = {**found["tracking"], "uri": ports.address(ports.MLFLOW)}
    return {**found, "environment": NAME, "host": "127.0.0.1", "tracking": tracking}
