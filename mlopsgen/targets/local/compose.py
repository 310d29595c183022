"""Context of `compose.yaml`."""

from __future__ import annotations

import math
from typing import Any

from mlopsgen.contract.commands import PROGRAM
from mlopsgen.contract.environment import (
    AUTH_TOKEN,
    CONFIG,
    ENVIRONMENT,
    MODEL_URI,
    QUIET,
    TRACKING_EXPERIMENT,
    TRACKING_URI,
    VARIANT,
)
from mlopsgen.contract.ports import HEALTH, QUALITY, READY, ROLLOUT
from mlopsgen.contract.registry import CHALLENGER, CHAMPION
from mlopsgen.project.model import Environment, Project
from mlopsgen.spec.traced import Text, join, merged, traced
from mlopsgen.targets.local import envoy, ports, settings

ENVOY = "envoyproxy/envoy"
ENVOY_TAG = "v1.39.3"

USER = 10001
"""User of our images."""

MODELS = {"champion": CHAMPION, "canary": CHALLENGER}
"""Alias of the model that each server takes, unless a variable names another version."""


def context(project: Project, environment: Environment) -> dict[str, Any]:
    """What the template takes."""
    variants = envoy.variants(environment)
    grace = environment.serving.grace or 0
    return {
        "project": project.name,
        "image": join(project.name, "-serve:local"),
        "envoy": envoy_image(project),
        "user": join(USER, ":", USER),
        "published": [f"127.0.0.1:{port}:{port}" for port in (ports.ENVOY, ports.MLFLOW)],
        "ready": _responds(ports.address(ports.ENVOY_ADMIN) + "/ready"),
        "mlflow": _mlflow(),
        "servers": [
            {
                "name": variant,
                "env": _env(project, environment, variant, {VARIANT: variant, MODEL_URI: _model(project, variant)}),
                "check": _asks(ports.address(ports.SERVERS[variant]) + READY),
            }
            for variant in variants
        ],
        "gpu": environment.serving.resources.gpu or None,
        "grace": join(traced(math.ceil(grace), *merged(grace)), "s"),
        "state": f"state:/app/{ports.STATE}",
        "canary": environment.canary,
        "quality": {
            "entrypoint": [PROGRAM, "quality"],
            "env": _env(project, environment, "quality", {MODEL_URI: _model(project, "champion")}),
            "dataset": join("./", environment.monitoring.quality.dataset),
            "inside": join("/app/", environment.monitoring.quality.dataset),
            "check": _asks(ports.address(QUALITY) + HEALTH),
        },
        "rollout": {
            "entrypoint": [PROGRAM, "rollout", "run"],
            "env": _env(project, environment, "rollout", {}),
            "check": _asks(ports.address(ROLLOUT) + HEALTH),
        },
        "volumes": _volumes(variants),
    }


def envoy_image(project: Project) -> Text:
    """The image with the digest that it is pinned to; the bare tag where the pins do not know it."""
    name = next((name for name in project.pins if name.startswith(f"{ENVOY}:")), f"{ENVOY}:{ENVOY_TAG}")
    pin = project.pins.get(name)
    return join(name, "@", pin.digest) if pin is not None else join(name)


def _volumes(variants: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """What outlives a container: the registry, the weights in use, temporary files that are too large for memory."""
    parts = ("mlflow", *variants, "quality", *(("rollout",) if len(variants) > 1 else ()))
    return {name: {} for name in ("state", "mlflow", *(f"{part}-tmp" for part in parts))}


def _mlflow() -> dict[str, Any]:
    options = {
        "--host": "0.0.0.0",  # noqa: S104
        "--port": str(ports.MLFLOW),
        "--workers": "1",
        "--backend-store-uri": "sqlite:////mlflow/mlflow.db",
        "--artifacts-destination": "/mlflow/artifacts",
    }
    return {
        "entrypoint": ["mlflow", "server", *(word for option in options.items() for word in option)],
        "env": {**QUIET, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        "check": _asks(ports.address(ports.MLFLOW) + "/health"),
    }


def _env(project: Project, environment: Environment, part: str, more: dict[str, Any]) -> dict[str, Any]:
    """Environment variables of a part; secrets come from the shell or from `.env`."""
    serving = environment.serving
    found: dict[str, Any] = {
        CONFIG: f"/app/local/{part}.yaml",
        ENVIRONMENT: settings.NAME,
        TRACKING_URI: ports.address(ports.MLFLOW),
        TRACKING_EXPERIMENT: project.tracking.mlflow.experiment,
        **more,
    }
    if serving.auth is not None and part != "rollout":
        found[AUTH_TOKEN] = "${" + AUTH_TOKEN + ":?the bearer token that callers send}"
    if serving.address is not None and part in MODELS:
        found[serving.address] = join("${", serving.address, ":?the address of the engine}")
    return found


def _model(project: Project, variant: str) -> Text:
    return join("${", variant.upper(), "_MODEL:-models:/", project.model.name, "@", MODELS[variant], "}")


def _asks(url: str) -> list[str]:
    """A health check in an image with Python and nothing else."""
    return ["CMD", "python", "-c", f"from urllib.request import urlopen; urlopen('{url}', timeout=5)"]


def _responds(url: str) -> list[str]:
    """A health check in an image with bash and nothing else."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    request = f"GET /{path} HTTP/1.0\\r\\n\\r\\n"
    script = (
        f"exec 3<>/dev/tcp/{name}/{port} && printf '{request}' >&3 && read -r _ status _ <&3 && [ \"$$status\" = 200 ]"
    )
    return ["CMD", "bash", "-c", script]
