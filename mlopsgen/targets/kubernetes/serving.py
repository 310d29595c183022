"""Context of `serving.yaml`: Deployments and Services of champion and canary."""

from __future__ import annotations

import math
from typing import Any

from mlopsgen.contract.environment import AUTH_TOKEN, MODEL_URI, VARIANT
from mlopsgen.contract.ports import HEALTH, READY
from mlopsgen.contract.release import NONE
from mlopsgen.project import deploy, settings
from mlopsgen.project.derive import SETTLE_SECONDS
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import MODEL_VERSION, SERVER, Variant, labels, named, selector
from mlopsgen.project.routing import MESHED, mesh_label
from mlopsgen.spec.quantity import in_bytes
from mlopsgen.spec.serving import Serving
from mlopsgen.spec.traced import join, merged, traced
from mlopsgen.targets.kubernetes import pods
from mlopsgen.targets.kubernetes.nodes import placement

READ_RATE = 50 * 2**20
"""Bytes a second at which weights arrive from a slow store; a server has memory for its weights at least."""

WARM_UP = {"transformers": 120, "vllm": 300, "custom": 60}
"""Seconds to start, compile and warm up, by engine."""

SHORTEST_START = 600
PROBE_EVERY = 10


def context(project: Project, environment: Environment) -> dict[str, Any]:
    """What the template takes."""
    given = environment.serving
    return pods.common(project, environment, "serving", "serving") | {
        "settings": pods.settings(project, "serving", settings.serving(project, environment)),
        "project": project.name,
        "engine": environment.rollout.engine,
        "argo": deploy.argo(environment),
        "container": SERVER,
        "port": given.port,
        "surge": given.update.surge,
        "unavailable": given.update.unavailable,
        "resources": resources(given),
        "gpu": given.resources.gpu > 0,
        "shared_memory": half(given.resources.memory),
        "placement": placement(given.resources.gpu, given.resources.gpu_type, None),
        "probes": {
            "health": HEALTH,
            "ready": READY,
            "every": PROBE_EVERY,
            "tries": math.ceil(startup_seconds(given) / PROBE_EVERY),
        },
        "progress": math.ceil(startup_seconds(given)) + 300,
        "settle": ["sleep", str(SETTLE_SECONDS)],
        "grace": whole(given.grace),
        "deployments": [_deployment(project, environment, name) for name in deploy.variants(environment)],
        "services": _services(project, environment),
        "champion_selector": selector(project, "serving", "champion"),
    }


def _deployment(project: Project, environment: Environment, variant: Variant) -> dict[str, Any]:
    given = environment.serving
    token = {AUTH_TOKEN: given.auth} if given.auth is not None else {}
    address = engine_address(project, environment)
    uri = join("models:/", project.model.name, "/", NONE)
    env = pods.variables(project, environment, **{VARIANT: variant, MODEL_URI: uri}, **token)
    version = {MODEL_VERSION: NONE}
    return {
        "variant": variant,
        "name": named(project, variant),
        "labels": labels(project, "serving", variant),
        "selector": selector(project, "serving", variant),
        "pod_labels": {**labels(project, "serving", variant), **version, **mesh_label(environment)},
        "annotations": _annotations(environment),
        "replicas": _replicas(environment, variant),
        "env": env + address,
    }


def _replicas(environment: Environment, variant: str) -> Any:
    """Number of pods as it stands in the manifest; None where an autoscaler owns it."""
    replicas = environment.serving.replicas
    if deploy.argo(environment) or variant == "canary":
        return 0
    return None if replicas.scale_on is not None else replicas.min


def _annotations(environment: Environment) -> dict[str, Any]:
    found: dict[str, Any] = pods.scraped(environment.serving.port)
    if environment.rollout.engine in MESHED:
        # The sidecar comes before the app, and stays until its last connection is closed.
        found["proxy.istio.io/config"] = (
            'holdApplicationUntilProxyStarts: true\nproxyMetadata:\n  EXIT_ON_ZERO_ACTIVE_CONNECTIONS: "true"\n'
        )
    return found


def _services(project: Project, environment: Environment) -> list[dict[str, Any]]:
    """The stable address, which is the champion's, one address per variant, and one that names each pod."""
    variants: tuple[Variant, ...] = ("champion", "canary") if environment.canary else ("champion",)
    found: list[dict[str, Any]] = [
        {
            "name": project.name,
            "labels": labels(project, "serving"),
            "selector": selector(project, "serving", "champion"),
            "headless": False,
        }
    ]
    for variant in variants:
        pods_of: Variant = "champion" if deploy.argo(environment) else variant
        found.append(
            {
                "name": named(project, variant),
                "labels": labels(project, "serving", variant),
                "selector": selector(project, "serving", pods_of),
                "headless": False,
            }
        )
    return [*found, {**found[0], "name": named(project, "pods"), "headless": True}]


def engine_address(project: Project, environment: Environment) -> list[dict[str, Any]]:
    """The variable that a custom engine is reached by, from a ConfigMap that is expected in the namespace."""
    name = environment.serving.address
    if name is None:
        return []
    return [{"name": name, "valueFrom": {"configMapKeyRef": {"name": engine_map(project), "key": name}}}]


def engine_map(project: Project) -> Any:
    """ConfigMap with the address of a custom engine."""
    return join(project.name, "-engine")


def resources(given: Serving) -> dict[str, Any]:
    """Requests and limits of the server; GPUs stand in the limits, which are their requests as well."""
    asked = given.resources
    limits: dict[str, Any] = {"memory": asked.limits.memory}
    if asked.limits.cpu is not None:
        limits["cpu"] = asked.limits.cpu
    if asked.gpu:
        limits["nvidia.com/gpu"] = asked.gpu
    return {"requests": {"cpu": asked.cpu, "memory": asked.memory}, "limits": limits}


def half(memory: str) -> Any:
    """Half of a memory quantity: what is written to shared memory counts as the container's own."""
    return traced(f"{int(in_bytes(memory) / 2**21)}Mi", *merged(memory))


def startup_seconds(given: Serving) -> float:
    """Longest time that loading a model may take: reading as much as fits into memory, compiling, warming up."""
    loading = in_bytes(given.resources.memory) / READ_RATE + WARM_UP[given.engine]
    return max(SHORTEST_START, loading)


def whole(seconds: float | None) -> Any:
    """Seconds as Kubernetes takes them, rounded up."""
    return traced(math.ceil(seconds or 0), *merged(seconds))
