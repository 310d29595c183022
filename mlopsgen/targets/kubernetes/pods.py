"""What the pods of an environment share: environment variables, settings, ports."""

from __future__ import annotations

from typing import Any

from mlopsgen.contract.environment import CONFIG, ENVIRONMENT, TRACKING_EXPERIMENT, TRACKING_URI
from mlopsgen.contract.files import CONFIG_FOLDER, TRACKING_SECRET
from mlopsgen.contract.ports import METRICS
from mlopsgen.contract.release import UNRELEASED
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import Component, Part, labels, named, selector
from mlopsgen.render.checksum import Checksum
from mlopsgen.render.sheet import Sheet
from mlopsgen.spec.serving import SecretRef
from mlopsgen.spec.traced import Text, join

USER = 10001
"""User of our images."""


def unreleased(project: Project, environment: Environment) -> Text:
    """Image of a pod before Kustomize puts in what is released."""
    return join(environment.serving.image, ":", UNRELEASED)


def common(project: Project, environment: Environment, component: Component, account: Part) -> dict[str, Any]:
    """What every template of manifests takes."""
    return {
        "namespace": environment.namespace,
        "labels": labels(project, component),
        "selector": selector(project, component),
        "account": named(project, account),
        "user": USER,
        "image": unreleased(project, environment),
        "credentials": named(project, "credentials"),
        "config_folder": CONFIG_FOLDER,
    }


def settings(project: Project, part: Part, content: dict[str, Any]) -> dict[str, Any]:
    """A ConfigMap with the settings of a part, and the checksum that restarts its pods when they change."""
    sheet = Sheet()
    sheet.document(content)
    text = sheet.text()
    return {"name": named(project, part), "file": "settings.yaml", "text": text, "checksum": Checksum(text)}


def variables(project: Project, environment: Environment, **more: Any) -> list[dict[str, Any]]:
    """Environment variables of a part of the runtime; `more` by name, a `SecretRef` as a reference."""
    mlflow = project.tracking.mlflow
    tracking = mlflow.uri if mlflow.uri is not None else _secret(*TRACKING_SECRET)
    given = {
        CONFIG: f"{CONFIG_FOLDER}/settings.yaml",
        ENVIRONMENT: environment.name,
        TRACKING_URI: tracking,
        TRACKING_EXPERIMENT: mlflow.experiment,
        **more,
    }
    return [_variable(name, value) for name, value in given.items()]


def _variable(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, SecretRef):
        value = _secret(value.secret, value.key)
    return {"name": name, "valueFrom": value} if isinstance(value, dict) else {"name": name, "value": value}


def _secret(name: str, key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": name, "key": key}}


def scraped(port: int) -> dict[str, str]:
    """Annotations by which Prometheus finds a pod's metrics."""
    return {"prometheus.io/scrape": "true", "prometheus.io/port": join(port), "prometheus.io/path": METRICS}
