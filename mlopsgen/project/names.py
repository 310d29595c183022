"""Names and labels of what runs in a cluster. They follow from stable names only, so that nothing else moves them."""

from __future__ import annotations

from typing import Literal

from mlopsgen.project.model import Project
from mlopsgen.spec.traced import Text, join

Part = Literal[
    "champion",
    "canary",
    "serving",
    "quality",
    "rollout",
    "training",
    "credentials",
    "checkpoints",
    "sticky",
    "rate-limit",
    "nginx",
]
"""Suffixes of names."""

Component = Literal["serving", "quality", "rollout", "training", "routing"]
"""What an object is for: the value of `app.kubernetes.io/component`."""

Variant = Literal["champion", "canary"]

SERVER = "server"
"""Container that serves, and the port that it listens on is `http`."""

MODEL_VERSION = "model-version"
"""Label of a serving pod: the version of the model that it holds."""


def named(project: Project, part: Part) -> Text:
    """Name of an object: at most 40 + 12 characters."""
    return join(project.name, "-", part)


def selector(project: Project, component: Component, variant: Variant | None = None) -> dict[str, str]:
    """Labels that select the pods of a component, or of one variant of it. Never changes for an object."""
    found = {"app.kubernetes.io/name": project.name, "app.kubernetes.io/component": component}
    return found if variant is None else {**found, "variant": variant}


def labels(project: Project, component: Component, variant: Variant | None = None) -> dict[str, str]:
    """Labels of an object."""
    found = {**selector(project, component, variant), "app.kubernetes.io/managed-by": "mlopsgen"}
    return found if project.owner is None else {**found, "owner": project.owner}
