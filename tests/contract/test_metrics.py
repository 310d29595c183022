"""The families of the contract, and the queries over them."""

from __future__ import annotations

import re

import promql_parser
import pytest

from mlopsgen.contract.metrics import FAMILIES, LATENCY_BUCKETS, TARGET_LABELS, Setup, bound, exported, latency_buckets
from mlopsgen.contract.promql import (
    absent,
    duration,
    family,
    increase,
    mean,
    over_time,
    quantile,
    rate,
    ratio,
    recorded,
    selector,
    total,
    window,
)
from mlopsgen.project import settings
from mlopsgen.project.telemetry import buckets
from tests.targets.github.specs import smallest
from tests.targets.prometheus.specs import project

REQUESTS, LATENCY, QUEUE = (
    family(name) for name in ("model_requests_total", "model_inference_duration_seconds", "model_queue_depth")
)


def test_families_are_named_as_prometheus_asks() -> None:
    names = [each.name for each in FAMILIES]
    assert len(set(names)) == len(names)
    for each in FAMILIES:
        assert re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", each.name)
        assert each.help.endswith(".")
        assert bool(each.buckets) == (each.kind == "histogram")
        assert list(each.buckets) == sorted(set(each.buckets))
        assert not {name for name, _ in each.labels} & {"le", "job", "instance", "environment"}
        if each.source != "dcgm":
            assert each.name.endswith("_total") == (each.kind == "counter") or each.name == "model_cost_total"
        if each.source in ("serving", "vllm", "quality", "rollout", "trainer"):
            assert each.labels[0] == ("model_name", ())


@pytest.mark.parametrize("name", ["model_requests_total", "model_inference_duration_seconds", "model_queue_depth"])
def test_variants_can_be_told_apart(name: str) -> None:
    assert ("variant", ("champion", "canary")) in family(name).labels


def test_engines_export_what_they_have() -> None:
    waiting, memory = family("vllm:num_requests_waiting"), family("model_gpu_memory_bytes")
    gpu = Setup("transformers", "causal-lm", gpu=True)
    assert exported(waiting, gpu._replace(engine="vllm")) == ""
    assert "transformers" in exported(waiting, gpu)
    assert exported(memory, gpu) == ""
    assert exported(memory, gpu._replace(gpu=False))
    assert exported(memory, gpu._replace(engine="custom"))
    assert exported(family("model_perplexity"), gpu._replace(task="text-classification"))


def test_limits_are_bounds_of_the_histogram_and_never_the_last() -> None:
    assert latency_buckets() == LATENCY_BUCKETS
    assert latency_buckets([2.0]) == LATENCY_BUCKETS
    assert 1.5 in latency_buckets([1.5, 600])
    assert latency_buckets([600])[-2:] == (600, 1200)
    assert latency_buckets([300]) == (*LATENCY_BUCKETS, 600.0)
    assert (bound(2), bound(0.025), bound(float("inf"))) == ("2.0", "0.025", "+Inf")


def test_the_app_is_told_the_buckets_that_alert_gate_and_objective_need() -> None:
    found = project(
        smallest(
            "monitoring: {alerts: {latency_p95: {max: 1500ms}}, slo: {latency: {max: 3s}}}",
            "rollout: {gates: {latency_p95: {max: 2500ms}}}",
        )
    )
    given = settings.serving(found, found.environments[0])["serving"]["latency_buckets"]
    assert {1.5, 2.5, 3.0} <= set(given)
    assert tuple(given) == buckets(found.environments[0])


def test_counters_gauges_and_histograms_are_not_confused() -> None:
    with pytest.raises(TypeError):
        rate(QUEUE, "5m")
    with pytest.raises(TypeError):
        increase(QUEUE, "5m")
    with pytest.raises(TypeError):
        over_time("avg", REQUESTS, "5m")
    with pytest.raises(TypeError):
        quantile(0.95, REQUESTS, "5m")
    with pytest.raises(TypeError):
        mean(QUEUE, "5m")
    with pytest.raises(TypeError):
        rate(REQUESTS, "5m", part="_sum")


def test_labels_and_values_must_exist() -> None:
    with pytest.raises(KeyError):
        selector(REQUESTS, {"statuss": "error"})
    with pytest.raises(KeyError):
        selector(REQUESTS, {"status": ("error", "timout")})
    with pytest.raises(KeyError):
        selector(REQUESTS, {"le": "1"})
    assert selector(REQUESTS, dict.fromkeys(TARGET_LABELS, "x"))


def test_queries_read_as_they_should() -> None:
    by = ("environment", "variant")
    queries = {
        selector(REQUESTS, {"status": ("error", "timeout")}): 'model_requests_total{status=~"error|timeout"}',
        selector(QUEUE, {"pod": ("a.b", "c")}): 'model_queue_depth{pod=~"a\\\\.b|c"}',
        rate(
            LATENCY, "5m", part="_bucket", labels={"le": "2.0"}
        ): 'rate(model_inference_duration_seconds_bucket{le="2.0"}[5m])',
        quantile(
            0.95, LATENCY, "5m"
        ): "histogram_quantile(0.95, sum by (le) (rate(model_inference_duration_seconds_bucket[5m])))",
        quantile(0.5, LATENCY, "5m", by=by): "histogram_quantile(0.5, sum by (environment, variant, le) "
        "(rate(model_inference_duration_seconds_bucket[5m])))",
        ratio(
            total(rate(REQUESTS, "5m"), by), total(rate(REQUESTS, "5m", offset="1h"), by)
        ): "sum by (environment, variant) "
        "(rate(model_requests_total[5m])) / (sum by (environment, variant) (rate(model_requests_total[5m] offset 1h)) > 0)",
        absent(LATENCY, {"environment": "live"}): 'absent(model_inference_duration_seconds_count{environment="live"})',
        over_time("changes", QUEUE, "10m"): "changes(model_queue_depth[10m])",
    }
    for found, expected in queries.items():
        assert found == expected
        promql_parser.parse(found)
    assert "rate(model_feedback_rating_sum[5m])" in mean(family("model_feedback_rating"), "5m")
    assert recorded(by, "model_requests_total", "rate5m") == "environment_variant:model_requests:rate5m"


def test_windows_hold_four_scrapes() -> None:
    assert window(300, 15) == "5m"
    assert window(300, 120) == "8m"
    assert [duration(each) for each in (0.5, 90, 600, 5400, 86400)] == ["500ms", "90s", "10m", "90m", "1d"]
