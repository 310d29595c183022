"""Context of `prometheus.yaml`: the jobs, and the labels that their targets get."""

from __future__ import annotations

from typing import Any

from mlopsgen.contract import ports
from mlopsgen.contract.promql import duration
from mlopsgen.project.deploy import controlled
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import SERVER_PORT, Component, job
from mlopsgen.project.telemetry import setup
from mlopsgen.spec.traced import join, merged, traced

TIMEOUT = 10.0
"""Seconds; a scrape may not take longer than the interval."""

COMPONENTS: tuple[Component, ...] = ("serving", "quality", "rollout")


def context(project: Project, rules: str) -> dict[str, Any]:
    """What the template takes."""
    interval = project.monitoring.scrape_interval
    return {
        "interval": span(interval),
        "timeout": span(min(interval, TIMEOUT)),
        "project": project.name,
        "rules": [rules],
        "alertmanager": _address(project.monitoring.alertmanager),
        "jobs": [_job(project, component) for component in COMPONENTS if _places(project, component)],
        "pods": join(project.name, "-pods"),
        "namespaces": [each.namespace for each in project.environments],
        "ours": join(project.name, ";(", "|".join(COMPONENTS), ")"),
        "environments": [{"namespace": each.namespace, "name": each.name} for each in project.environments],
        "paces": list(_paces(project)),
        "dcgm": str(ports.DCGM) if any(setup(project, each).gpu for each in project.environments) else None,
        "path": ports.METRICS,
    }


def span(seconds: float) -> Any:
    """A duration of the spec as Prometheus writes it."""
    return traced(duration(seconds), *merged(seconds))


def port(component: Component) -> dict[str, str]:
    """What tells the port with the metrics from the others of a pod: its name, or its number."""
    if component == "serving":
        return {"label": "__meta_kubernetes_pod_container_port_name", "value": SERVER_PORT}
    number = ports.QUALITY if component == "quality" else ports.ROLLOUT
    return {"label": "__meta_kubernetes_pod_container_port_number", "value": str(number)}


def _places(project: Project, component: Component) -> list[Environment]:
    return [each for each in project.environments if component != "rollout" or controlled(each)]


def _job(project: Project, component: Component) -> dict[str, Any]:
    return {
        "name": job(project, component),
        "namespaces": [each.namespace for each in _places(project, component)],
        "selector": join("app.kubernetes.io/name=", project.name, ",app.kubernetes.io/component=", component),
        "port": port(component),
    }


def _paces(project: Project) -> Any:
    """Environments that are scraped at another pace than the rest."""
    usual = project.monitoring.scrape_interval
    for each in project.environments:
        own = each.monitoring.scrape_interval
        if own != usual:
            yield {"namespace": each.namespace, "interval": span(own), "timeout": span(min(own, TIMEOUT))}


def _address(url: Any) -> dict[str, Any]:
    """A URL as Prometheus takes Alertmanager's address."""
    scheme, _, rest = str(url).partition("://")
    host, slash, path = rest.partition("/")
    if ":" not in host.rpartition("]")[2]:
        host += ":443" if scheme == "https" else ":80"
    sources = merged(url)
    return {
        "scheme": traced(scheme, *sources),
        "host": traced(host, *sources),
        "path": traced(slash + path, *sources) if path else None,
    }
