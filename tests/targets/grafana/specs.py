"""Specs whose dashboards differ, and what comes out of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from mlopsgen.project.model import Project
from mlopsgen.project.resolve import resolve
from mlopsgen.render.engine import render
from mlopsgen.spec.load import parse
from mlopsgen.targets.grafana import files
from tests.conftest import FULL
from tests.targets.github.specs import SMALLEST, smallest

CASES = {
    "smallest": SMALLEST,
    "full": FULL.read_text(encoding="utf-8"),
    "gpu": smallest(
        "serving: {resources: {gpu: 2}, cost: {gpu_hour: 2.5, currency: EUR, budget: 5000}}",
        "training: {resources: {gpu: 1}}",
        "monitoring: {slo: {}, alerts: {accuracy: {min: 85%}}}",
    ),
    "training-gpu": smallest("training: {resources: {gpu: 1}}"),
    "labels": smallest("serving: {engine: custom, address: ENGINE}").replace(
        "vocab_size: 4096}", "vocab_size: 4096}, task: text-classification"
    ),
    "argo": smallest("rollout: {engine: argo-rollouts}"),
    "quiet": smallest(
        "monitoring: {alerts: {latency_p95: null, error_rate: {max: 100%}, gpu_memory: null, traffic_drop: null, drift: null}}",
        "rollout: {gates: {error_rate: null, latency_p95: null}}",
    ),
    "few": smallest("monitoring: {dashboards: [service, gpu]}"),
    "none": smallest("monitoring: {dashboards: []}"),
    "two": smallest(
        "project: {name: docstrings, repository: acme/docstrings, owner: nlp}",
        "environments: {test: {branch: dev, monitoring: {prometheus: 'http://prometheus.test:9090', scrape_interval: 30s}},"
        " live: {branch: main, namespace: ml}}",
        "monitoring: {links: {runbooks: 'https://wiki.acme.dev/runbooks'}}",
    ).replace("project: {name: docstrings}\n", "", 1),
    "long": smallest().replace("name: docstrings", f"name: {'a' * 40}"),
}


@cache
def project(name: str) -> Project:
    """The resolved project of a case, or of a spec."""
    return resolve(parse(CASES.get(name, name), "mlops.yaml")).project


@cache
def outputs(name: str) -> Mapping[str, str]:
    """Files of a case: path and text."""
    return MappingProxyType({file.path: render(file).content.decode() for file in files(project(name))})


def dashboards(name: str) -> dict[str, dict[str, Any]]:
    """Dashboards of a case by name, as read from their files."""
    found = outputs(name).items()
    start, end = "monitoring/dashboards/", ".json"
    return {path[len(start) : -len(end)]: json.loads(text) for path, text in found if path.startswith(start)}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Panels that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def panel(name: str, dashboard: str, title: str) -> dict[str, Any]:
    """The panel of a title."""
    [found] = [each for each in panels(dashboards(name)[dashboard]) if each["title"] == title]
    return found


def queries(name: str) -> Iterator[tuple[str, str]]:
    """All queries of a case: where, and the PromQL; panels, annotations and what variables ask."""
    for key, dashboard in dashboards(name).items():
        for each in panels(dashboard):
            for target in each["targets"]:
                yield f"{key}: {each['title']} {target['refId']}", target["expr"]
        for each in dashboard["annotations"]["list"]:
            if "expr" in each:
                yield f"{key}: annotation {each['name']}", each["expr"]
        for each in dashboard["templating"]["list"]:
            if each["type"] == "query":
                yield f"{key}: variable {each['name']}", label_values(each)[0]


def label_values(variable: dict[str, Any]) -> tuple[str, str]:
    """Selector and label of `label_values(selector, label)`."""
    selector, _, label = variable["query"]["query"].removeprefix("label_values(").removesuffix(")").rpartition(", ")
    return selector, label
