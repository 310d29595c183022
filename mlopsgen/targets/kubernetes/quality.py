"""Context of `quality.yaml`: the quality exporter."""

from __future__ import annotations

from typing import Any

from mlopsgen.contract.commands import PROGRAM
from mlopsgen.contract.environment import AUTH_TOKEN, MODEL_URI, RETRAIN_TOKEN
from mlopsgen.contract.ports import HEALTH, QUALITY
from mlopsgen.contract.release import NONE
from mlopsgen.project import settings
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import labels, named
from mlopsgen.project.routing import mesh_label
from mlopsgen.spec.traced import join
from mlopsgen.targets.kubernetes import pods


def context(project: Project, environment: Environment) -> dict[str, Any]:
    """What the template takes."""
    retrain = environment.monitoring.notify.retrain
    token = {AUTH_TOKEN: environment.serving.auth} if environment.serving.auth is not None else {}
    if retrain.auth is not None and retrain.url is None:
        token[RETRAIN_TOKEN] = retrain.auth
    uri = join("models:/", project.model.name, "/", NONE)
    return pods.common(project, environment, "quality", "quality") | {
        "name": named(project, "quality"),
        "settings": pods.settings(project, "quality", settings.quality(project, environment)),
        "pod_labels": {**labels(project, "quality"), **mesh_label(environment)},
        "annotations": pods.scraped(QUALITY),
        "command": [PROGRAM, "quality"],
        "env": pods.variables(project, environment, **{MODEL_URI: uri}, **token),
        "port": QUALITY,
        "health": HEALTH,
    }
