"""Specs for Argo Rollouts, and the objects that come out of them."""

from __future__ import annotations

from typing import Any

from mlopsgen.targets.argo_rollouts import files
from tests.targets.istio.specs import STICKY, TESTERS, Object, objects, project, spec

ALL_GATES = (
    "gates: {error_rate: {max: 5%}, latency_p95: {min: 10ms, max: 2s}, rating: {min: 3.5}}",
    "against_champion: {error_rate: {max_ratio: 2}, latency_p95: {max_ratio: 1.2}, alpha: 1%}",
    "steps: [5%, 25%, 100%]",
    "hold: 10m",
    "check_every: 1m",
    "min_requests: 200",
    "deadline: 6h",
)
SPECS = {
    "all-gates": spec("argo-rollouts", TESTERS, STICKY, *ALL_GATES),
    "defaults": spec("argo-rollouts"),
    "no-gates": spec("argo-rollouts", "gates: {error_rate: null, latency_p95: null}"),
    "gpu": spec("argo-rollouts", *ALL_GATES, more=("serving: {resources: {gpu: 1}, replicas: {min: 2, max: 8}}",)),
}


def found(name: str) -> list[Object]:
    """Objects of a spec, given by its name or as text."""
    return objects(files(project(SPECS.get(name, name))))


def metrics(name: str = "all-gates") -> dict[str, dict[str, Any]]:
    """Metrics of the AnalysisTemplates of a spec by name."""
    return {
        metric["name"]: metric
        for obj in found(name)
        if obj["kind"] == "AnalysisTemplate"
        for metric in obj["spec"]["metrics"]
    }
