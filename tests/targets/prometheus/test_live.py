"""Real Prometheus and Alertmanager with the generated files, against processes that export from the contract."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mlopsgen.contract import ports
from mlopsgen.project.telemetry import setup
from tests.targets.github.specs import smallest
from tests.targets.prometheus import live
from tests.targets.prometheus.specs import project, write

HOLD = 5
SPEC = smallest(
    "serving: {resources: {gpu: 1}, cost: {gpu_hour: 2, budget: 100000}}",
    "monitoring: {scrape_interval: 1s, alertmanager: 'http://127.0.0.1:ALERTMANAGER', "
    "slo: {availability: 99.5%}, alerts: {accuracy: {min: 85%}, "
    "error_rate: {max: 5%, for: 5s, severity: critical, retrain: true}}, "
    "notify: {slack: {channel: '#ml', webhook: {secret: slack, key: url}}, "
    "retrain: {url: 'http://127.0.0.1:HOOK/retrain', auth: {secret: retrain, key: token}}}}",
    "environments: {live: {branch: main, namespace: ml-live}}",
)


class Stack(NamedTuple):
    """Everything running."""

    prometheus: live.Prometheus
    server: live.Exporter
    canary: live.Exporter
    heard: list[Any]


def pod(component: str, port: int, number: int, **labels: str) -> dict[str, str]:
    """A pod as Kubernetes discovery describes it, once per port of a container."""
    found = {
        "__address__": f"127.0.0.1:{port}",
        "__meta_kubernetes_namespace": "ml-live",
        "__meta_kubernetes_pod_name": f"docstrings-{component}-{port}",
        "__meta_kubernetes_pod_phase": "Running",
        "__meta_kubernetes_pod_container_port_name": "http",
        "__meta_kubernetes_pod_container_port_number": str(number),
        "__meta_kubernetes_pod_label_app_kubernetes_io_name": "docstrings",
        "__meta_kubernetes_pod_label_app_kubernetes_io_component": component,
    }
    return {**found, **{f"__meta_kubernetes_pod_{live.label(name)}": value for name, value in labels.items()}}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    heard: list[Any] = []
    with ExitStack() as running:
        hook = running.enter_context(live.http(heard=heard))
        alertmanager = live.free_port()
        text = SPEC.replace("ALERTMANAGER", str(alertmanager)).replace("HOOK", str(hook))
        found = project(text)
        folder = write(text, tmp_path)
        given = setup(found, found.environments[0])
        model = str(found.model.name)
        pods, exporters = [], []
        for component, number, variant in (
            ("serving", 8000, "champion"),
            ("serving", 8000, "canary"),
            ("quality", ports.QUALITY, ""),
            ("rollout", ports.ROLLOUT, ""),
        ):
            # The process says what it was started as; the pod's label says what it is.
            exporter = live.Exporter([component], given, model, "champion")
            port = running.enter_context(live.http(exporter.text))
            labels = {"label_variant": variant} if variant else {}
            pods.append(pod(component, port, number, **labels))
            exporters.append(exporter)
        trainer = live.Exporter(["trainer"], given, model)
        port = running.enter_context(live.http(trainer.text))
        annotations = {"annotation_prometheus_io_scrape": "true", "annotation_prometheus_io_port": str(port)}
        pods.append({**pod("training", 1, 1), **{f"__meta_kubernetes_pod_{k}": v for k, v in annotations.items()}})
        gpu = live.Exporter(["dcgm"], given, model)
        port = running.enter_context(
            live.http(lambda: gpu.text().replace("{", '{namespace="ml-live",pod="docstrings-serving-0",'))
        )
        pods.append(
            {
                **pod("", port, ports.DCGM),
                "__meta_kubernetes_namespace": "gpu-operator",
                "__meta_kubernetes_pod_label_app": "nvidia-dcgm-exporter",
                "__meta_kubernetes_pod_label_app_kubernetes_io_name": "",
                "__meta_kubernetes_pod_label_app_kubernetes_io_component": "",
            }
        )
        quiet = exporters[2]
        for name in quiet.samples(next(f for f in quiet.families if f.name == "model_accuracy")):
            quiet.set(name, 0.97)
        for name in quiet.samples(next(f for f in quiet.families if f.name == "model_quality_timestamp_seconds")):
            quiet.set(name, time.time())
        live.discovered(folder / "prometheus.yaml", pods)
        config = folder / "alertmanager.yaml"
        # Only what a test cannot wait for or mount: the pause before news of a group, and the folder of secrets.
        patched = config.read_text().replace("group_interval: 5m", "group_interval: 1s")
        config.write_text(patched.replace("/etc/alertmanager/secrets", str(tmp_path / "secrets")))
        for secret, value in (("slack/url", f"http://127.0.0.1:{hook}/slack"), ("retrain/token", "sesame")):
            (tmp_path / "secrets" / secret).parent.mkdir(parents=True)
            (tmp_path / "secrets" / secret).write_text(value)
        running.enter_context(live.alertmanager(config, tmp_path, alertmanager))
        prometheus = running.enter_context(live.prometheus(folder / "prometheus.yaml", tmp_path))
        yield Stack(prometheus, exporters[0], exporters[1], heard)


def requests(server: live.Exporter, status: str, total: float) -> None:
    family = next(f for f in server.families if f.name == "model_requests_total")
    for name in server.samples(family, {"status": (status,)}):
        server.set(name, total)


def told(stack: Stack, path: str, status: str) -> list[float]:
    return [
        at
        for at, where, body, _ in stack.heard
        if where == path
        and (status in str(body.get("status", "")) or status.upper() in str(body.get("attachments", "")))
    ]


@pytest.mark.slow
def test_an_error_burst_is_told_within_its_for_and_fifteen_seconds_and_resolves(stack: Stack) -> None:
    up = live.until(
        lambda: len(stack.prometheus.query("up == 1")) == 6 and stack.prometheus.query("up"), 20, "all targets are up"
    )
    assert {each["metric"]["environment"] for each in up if each["metric"]["job"] != "dcgm"} == {"live"}
    requests(stack.canary, "success", 1000)
    live.until(lambda: stack.prometheus.query('model_requests_total{status="success"} == 1000'), 10, "traffic is seen")
    assert "ModelErrorRateHigh" not in stack.prometheus.alerts()

    began = time.monotonic()
    requests(stack.canary, "error", 900)
    live.until(lambda: told(stack, "/retrain", "firing"), HOLD + 15, "the webhook hears of it")
    live.until(lambda: told(stack, "/slack", "firing"), HOLD + 15, "Slack hears of it")
    assert HOLD <= told(stack, "/slack", "firing")[0] - began <= HOLD + 15
    assert HOLD <= told(stack, "/retrain", "firing")[0] - began <= HOLD + 15
    (hook,) = [each for each in stack.heard if each[1] == "/retrain"][:1]
    assert hook[3] == "Bearer sesame"
    (alert,) = hook[2]["alerts"]
    assert (
        alert["labels"].items()
        >= {
            "alertname": "ModelErrorRateHigh",
            "environment": "live",
            "variant": "canary",
            "severity": "critical",
            "retrain": "true",
        }.items()
    )

    requests(stack.canary, "success", 10_000_000)
    live.until(lambda: "ModelErrorRateHigh" not in stack.prometheus.alerts(), 20, "it resolves")
    live.until(lambda: told(stack, "/slack", "resolved"), 60, "Slack hears that it is over")
    assert stack.prometheus.alerts() <= {"ModelAvailabilityBurnPageFast", "ModelAvailabilityBurnPageSlow"}


def test_relabelling_gives_every_series_its_place(stack: Stack) -> None:
    live.until(lambda: len(stack.prometheus.query("up == 1")) == 6, 20, "all targets are up")
    asked = live.until(lambda: stack.prometheus.query('model_requests_total{status="error"}'), 10, "requests are seen")
    assert {each["metric"]["variant"] for each in asked} == {"champion", "canary"}
    assert all("exported_variant" not in each["metric"] for each in asked)
    for each in asked:
        assert each["metric"]["job"] == "docstrings-serving"
        assert each["metric"]["namespace"] == "ml-live"
        assert each["metric"]["pod"].startswith("docstrings-serving-")
    jobs = {each["metric"]["job"] for each in stack.prometheus.query("up")}
    assert jobs == {f"docstrings-{part}" for part in ("serving", "quality", "rollout", "pods")} | {"dcgm"}
    (trained,) = stack.prometheus.query("model_training_step")
    assert (trained["metric"]["job"], trained["metric"]["environment"]) == ("docstrings-pods", "live")
    (hot,) = stack.prometheus.query("DCGM_FI_DEV_GPU_TEMP")
    assert (
        hot["metric"].items() >= {"environment": "live", "namespace": "ml-live", "pod": "docstrings-serving-0"}.items()
    )
