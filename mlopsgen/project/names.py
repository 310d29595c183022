"""Names and labels of what runs in a cluster. They follow from stable names only, so that nothing else moves them."""

from __future__ import annotations

from typing import Literal

from mlopsgen.contract import release
from mlopsgen.project.model import Project
from mlopsgen.spec.traced import Text, join, merged, traced

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
    "monitoring",
    "pods",
]
"""Suffixes of names."""

Component = Literal["serving", "quality", "rollout", "training", "routing", "monitoring"]
"""What an object is for: the value of `app.kubernetes.io/component`."""

Variant = Literal["champion", "canary"]

SERVER = release.SERVER
"""Container that serves, and the port that it listens on is `http`."""

SERVER_PORT = "http"
"""Name of that port."""

MODEL_VERSION = release.MODEL_VERSION
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


def job(project: Project, component: Component) -> Text:
    """Value of the label `job` on what Prometheus scrapes from a component."""
    return join(project.name, "-", component)


def dashboard(project: Project, name: str) -> Text:
    """Identifier of a dashboard in Grafana, which takes 40 characters; a long one ends in a digest of the whole."""
    whole = join(project.name, "-", name)
    if len(whole) <= 40:
        return whole
    from hashlib import sha256

    return traced(f"{whole[:31]}-{sha256(whole.encode()).hexdigest()[:8]}", *merged(whole))  # type: ignore[no-any-return]
