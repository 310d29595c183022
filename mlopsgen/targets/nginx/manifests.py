"""Contexts of the manifests: the Deployment of nginx with what belongs to it, and the kustomization."""

from __future__ import annotations

import math
from typing import Any

from mlopsgen.contract.ports import HEALTH
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import labels, named, selector
from mlopsgen.spec.traced import Text, join, merged, traced
from mlopsgen.targets.nginx.config import HTTP, PROBES

IMAGE = "nginxinc/nginx-unprivileged"
TAG = "1.30.5-alpine"

USER = 101
"""User of the image; numeric, so that Kubernetes can see that it is not root."""

CONFIG = "/etc/routing/nginx"
SPLIT = "split.conf"


def nginx(project: Project, environment: Environment) -> dict[str, Any]:
    """What `nginx.yaml` takes."""
    grace = environment.serving.grace or 0
    return {
        "name": named(project, "nginx"),
        "split": project.name,
        "namespace": environment.namespace,
        "labels": labels(project, "routing"),
        "selector": selector(project, "routing"),
        "servers": selector(project, "serving"),
        "image": image(project),
        "user": USER,
        "command": ["/bin/sh", f"{CONFIG}/run.sh"],
        "config": CONFIG,
        "ports": {"http": HTTP, "probes": PROBES, "serving": environment.serving.port},
        "health": HEALTH,
        "grace": traced(math.ceil(grace), *merged(grace)),
    }


def kustomization(project: Project, environment: Environment) -> dict[str, Any]:
    """What `kustomization.yaml` takes."""
    return {
        "name": named(project, "nginx"),
        "split": project.name,
        "namespace": environment.namespace,
        "labels": labels(project, "routing"),
    }


def image(project: Project) -> Text:
    """The image with the digest that it is pinned to; the bare tag where the pins do not know it."""
    name = next((name for name in project.pins if name.startswith(f"{IMAGE}:")), f"{IMAGE}:{TAG}")
    pin = project.pins.get(name)
    return join(name, "@", pin.digest) if pin is not None else join(name)
