"""Context of `network.yaml`: who may talk to whom."""

from __future__ import annotations

from typing import Any, Literal

from mlopsgen.contract.ports import QUALITY, ROLLOUT
from mlopsgen.project import deploy
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import labels, named, selector
from mlopsgen.project.routing import MESHED
from mlopsgen.spec.traced import merged, traced
from mlopsgen.targets.kubernetes import addresses

NAMESPACE = "kubernetes.io/metadata.name"
"""Label that every namespace has, with its name."""

HTTPS = 443
API_SERVER = 6443
MLFLOW = 5000
"""Port of MLflow where its address comes from a Secret."""

ISTIOD = 15012


def context(project: Project, environment: Environment) -> dict[str, Any]:
    """What the template takes: one policy per component."""
    policies = [_serving(project, environment), _quality(project, environment)]
    if deploy.controlled(environment):
        policies.append(_controller(project, environment))
    return {"namespace": environment.namespace, "policies": policies}


def _serving(project: Project, environment: Environment) -> dict[str, Any]:
    comes = [_same_namespace(), *scrapers(environment)]
    if environment.rollout.engine != "nginx":
        comes.append(_namespace(environment.rollout.gateway.partition("/")[0]))
    if environment.serving.engine == "custom":
        # The engine's address is not known here.
        goes: list[dict[str, Any]] = [{}]
    else:
        goes = [dns(), outside(project), *_istiod(environment)]
    text = "Callers of this namespace and the gateway; models come from the registry and the hub."
    return _policy(project, environment, "serving", text, [(comes, environment.serving.port)], goes)


def _quality(project: Project, environment: Environment) -> dict[str, Any]:
    text = "Prometheus scrapes it; it asks the servers and the registry."
    goes = [dns(), outside(project), *_istiod(environment), _to_servers(project, environment)]
    return _policy(project, environment, "quality", text, [(scrapers(environment), QUALITY)], goes)


def _controller(project: Project, environment: Environment) -> dict[str, Any]:
    prometheus = environment.monitoring.prometheus
    space = addresses.namespace(prometheus)
    asks: dict[str, Any] = {"ports": _tcp(addresses.port(prometheus))}
    if space is not None:
        asks = {"to": [_namespace(space)], **asks}
    text = "Prometheus scrapes it; it asks Prometheus, the registry and the API server."
    api = {"ports": _tcp(API_SERVER)}
    goes = [dns(), outside(project), *_istiod(environment), api, asks, _to_servers(project, environment)]
    return _policy(project, environment, "rollout", text, [(scrapers(environment), ROLLOUT)], goes)


def _policy(
    project: Project,
    environment: Environment,
    component: Literal["serving", "quality", "rollout"],
    text: str,
    comes: list[tuple[list[dict[str, Any]], Any]],
    goes: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "name": named(project, component),
        "labels": labels(project, component),
        "text": text,
        "selector": selector(project, component),
        "ingress": [{**({"from": peers} if peers else {}), "ports": _tcp(port)} for peers, port in comes],
        "egress": goes,
    }


def dns() -> dict[str, Any]:
    """Name look-ups, wherever the cluster's DNS listens."""
    return {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}


def outside(project: Project) -> dict[str, Any]:
    """Registry, hub and object stores."""
    return {"ports": _tcp(*outside_ports(project))}


def outside_ports(project: Project) -> list[Any]:
    """HTTPS, and MLflow's by plain HTTP; each once.

    A policy sees the port of a pod, not that of the Service in front of it, so MLflow's own joins that of the address.
    """
    uri = project.tracking.mlflow.uri
    ports: list[Any] = [HTTPS]
    if uri is not None:
        ports.append(traced(addresses.port(uri), *merged(uri)))
    if uri is None or uri.startswith("http://"):
        ports.append(MLFLOW)
    return list(dict.fromkeys(ports))


def _istiod(environment: Environment) -> list[dict[str, Any]]:
    """The control plane of a sidecar, where there is one."""
    meshed = environment.rollout.engine in MESHED
    return [{"to": [_namespace("istio-system")], "ports": _tcp(ISTIOD)}] if meshed else []


def _to_servers(project: Project, environment: Environment) -> dict[str, Any]:
    pods = {"podSelector": {"matchLabels": selector(project, "serving")}}
    return {"to": [pods], "ports": _tcp(environment.serving.port)}


def scrapers(environment: Environment) -> list[dict[str, Any]]:
    """Prometheus, from its namespace where the address tells it."""
    space = addresses.namespace(environment.monitoring.prometheus)
    return [_namespace(space)] if space is not None else [{"namespaceSelector": {}}]


def _same_namespace() -> dict[str, Any]:
    return {"podSelector": {}}


def _namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE: name}}}


def _tcp(*ports: Any) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port} for port in ports]
