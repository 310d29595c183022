"""Specs that between them take every branch of the rules, and what comes out of them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from mlopsgen.project.model import Project
from mlopsgen.project.resolve import resolve
from mlopsgen.render.engine import render
from mlopsgen.spec.load import parse
from mlopsgen.targets import alertmanager, prometheus
from tests.conftest import FULL, SMALLEST, tool
from tests.targets.github.specs import smallest

SLO = "slo: {availability: 99.5%}"
EVERY_ALERT = (
    f"monitoring: {{{SLO}, operator: true, alerts: {{accuracy: {{min: 85%, for: 15m, severity: critical}}, "
    "gpu_memory: {max: 85%, for: 2m}, drift: {max: 0.2, for: 10m, retrain: true}, custom: [{name: LongAnswers, "
    "expr: 'histogram_quantile(0.5, sum by (le) (rate(model_output_tokens_bucket[5m]))) > 300', for: 3m, "
    "summary: 'Answers are long', fires_on: {'model_output_tokens_bucket{le=\"256.0\"}': '0+0x3', "
    "'model_output_tokens_bucket{le=\"512.0\"}': '0+99x3', 'model_output_tokens_bucket{le=\"+Inf\"}': '0+99x3'}}]}}",
    "serving: {resources: {gpu: 1}, cost: {gpu_hour: 2.5, budget: 5000}}",
)
OVERLAYS = (
    "environments: {test: {}, staging: {}, next: {monitoring: {scrape_interval: 2m, alerts: {error_rate: {max: 1%}}}}, "
    "production: {monitoring: {alerts: {error_rate: {max: 1%}, latency_p95: {max: 3s}, drift: null}}}}"
)

SPECS = {
    "full": FULL.read_text(encoding="utf-8"),
    "smallest": SMALLEST.read_text(encoding="utf-8"),
    "every-alert": smallest(*EVERY_ALERT),
    "transformers": smallest("serving: {engine: transformers}", f"monitoring: {{{SLO}}}"),
    "vllm": smallest("serving: {engine: vllm, resources: {gpu: 2}}", f"monitoring: {{{SLO}}}"),
    "custom": smallest("serving: {engine: custom, address: ENGINE_URL}", f"monitoring: {{{SLO}}}"),
    "overlays": smallest(OVERLAYS),
    "slow-scrapes": smallest(f"monitoring: {{scrape_interval: 2m, {SLO}}}"),
    "short-budget": smallest(
        "monitoring: {slo: {availability: 90%, window: 7d, latency: {quantile: 50%, max: 700ms}}}"
    ),
    "long-latency": smallest("serving: {timeout: 1h}", "monitoring: {alerts: {latency_p95: {max: 10m, for: 90s}}}"),
    "quick": smallest("monitoring: {alerts: {error_rate: {max: 0%, for: 30s}, traffic_drop: {max: 10%, for: 1m}}}"),
    "argo": smallest("rollout: {engine: argo-rollouts}"),
    "nothing": smallest("monitoring: {alerts: {latency_p95: null, error_rate: null, traffic_drop: null, drift: null}}"),
}


def project(name: str) -> Project:
    """The resolved project of a spec, or of its name here."""
    return resolve(parse(SPECS.get(name, name), "mlops.yaml")).project


def write(name: str, folder: Path) -> Path:
    """Everything that watches, below `folder`; the folder `monitoring` in it."""
    found = project(name)
    for file in (*prometheus.files(found), *alertmanager.files(found)):
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render(file).content)
    return folder / "monitoring"


def run(name: str, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a tool."""
    command = [tool(name), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=280, check=False)


def alerts(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Alerting rules of a file of rules."""
    return [rule for group in document["groups"] for rule in group["rules"] if "alert" in rule]
