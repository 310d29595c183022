"""What a server shows at `/metrics` is the contract, before and after the first request."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from mlops_runtime.serving import vllm_metrics
from mlops_runtime.serving.metrics import Metrics
from prometheus_client.parser import text_string_to_metric_families

from mlopsgen.contract.metrics import FAMILIES, KNOWN, Family, bound, exported
from tests.runtime.serving.fake import FakeEngine, made, settings
from tests.runtime.serving.running import running

SETUPS: list[dict[str, Any]] = [
    {},
    {"task": "causal-lm", "variant": "canary"},
    {"task": "text-classification"},
    {"engine": "custom", "gpu": 1},
    {"engine": "vllm", "gpu": 1, "gpu_hour": 2.5, "latency_buckets": (0.1, 2.0, 7.0)},
]


def shown(text: str) -> dict[str, dict[str, Any]]:
    """Type, labels of the series and bounds by family, as exported."""
    found = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        series = {tuple(sorted((k, v) for k, v in s.labels.items() if k != "le")) for s in family.samples}
        bounds = list(dict.fromkeys(s.labels["le"] for s in family.samples if "le" in s.labels))
        names = {sample.name for sample in family.samples}
        found[name] = {"kind": family.type, "series": series, "bounds": bounds, "names": names}
    return found


def check(text: str, given: Any) -> None:
    """Hold an exposition against the contract."""
    found = shown(text)
    wanted = {f.name: f for f in FAMILIES if f.source == "serving" and not exported(f, given.setup)}
    assert set(found) == set(wanted)
    for name, family in wanted.items():
        _family(found[name], family, given)


def _family(found: dict[str, Any], family: Family, given: Any) -> None:
    assert found["kind"] == family.kind
    latency = family.name == "model_inference_duration_seconds"
    buckets = given.latency_buckets if latency else family.buckets
    assert found["bounds"] == ([*map(bound, buckets), "+Inf"] if buckets else [])
    if any(name == "device" for name, _ in family.labels):
        return
    assert found["names"] == set(family.series)
    own = [(name, values) for name, values in family.labels if name not in ("model_name", "variant")]
    count = 1
    for _, values in own:
        count *= max(1, len(values))
    assert len(found["series"]) == count, "every closed label set is there, and no other"
    for series in found["series"]:
        labels = dict(series)
        assert set(labels) == {name for name, _ in family.labels}
        assert labels["model_name"] == "tiny"
        assert labels["variant"] == given.variant
        assert all(not values or labels[name] in values for name, values in own)


@pytest.mark.parametrize("more", SETUPS, ids=lambda more: "-".join(map(str, more.values())) or "plain")
def test_metrics_of_every_setup_are_those_of_the_contract(more: dict[str, Any]) -> None:
    given = settings(**more)
    metrics = Metrics(given, "7")
    check(metrics.text().decode(), given)
    for series in (*metrics.requests.values(), *metrics.rejected.values()):
        series.inc()
    for series in (metrics.duration, metrics.first_token, metrics.input_tokens, metrics.output_tokens, metrics.rating):
        series.observe(1)
    metrics.memory("0", 1, 2)
    check(metrics.text().decode(), given)


def test_a_server_shows_the_contract_before_and_after_requests_and_promtool_finds_nothing() -> None:
    with running(made(FakeEngine())) as server:
        before = server.get("/metrics")
        check(before.text, server.service.settings)
        assert before.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert server.post("/predict", {"prompt": "hello"}).status_code == 200
        assert server.post("/predict", {"prompt": "x!broken"}).status_code == 503
        assert server.post("/predict", {}).status_code == 400
        after = server.get("/metrics").text
        check(after, server.service.settings)
        assert server.sample("model_requests_total", status="success") == 1
        assert server.sample("model_requests_total", status="error") == 1
        assert server.sample("model_requests_rejected_total", reason="invalid") == 1
        assert server.sample("model_input_tokens_sum") == 5
        assert server.sample("model_output_tokens_sum") == 7
        assert server.sample("model_version_info", version="7") == 1
        judged = subprocess.run(
            ["promtool", "check", "metrics"], input=after, text=True, capture_output=True, check=False
        )
        assert (judged.returncode, judged.stdout + judged.stderr) == (0, "")


def test_cost_grows_with_time_and_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("mlops_runtime.serving.metrics.time.monotonic", lambda: now[0])
    metrics = Metrics(settings(gpu=2, gpu_hour=3.0), "7")
    now[0] += 1800.0
    assert 'model_cost_total{model_name="tiny",variant="champion"} 3.0\n' in metrics.text().decode()


def test_vllm_s_metrics_pass_under_our_name_and_no_others() -> None:
    lines = []
    for family in FAMILIES:
        if family.source != "vllm":
            continue
        labels = ",".join(f'{name}="x, y=\\"z\\""' for name, _ in family.labels if name != "model_name")
        lines.append(f"# TYPE {family.name} {family.kind}")
        for series in family.series:
            le = ',le="+Inf"' if series.endswith("_bucket") else ""
            lines.append(f'{series}{{{labels},model_name="/models/a\\"b"{le}}} 3.0')
        lines.append(f"{family.name.removesuffix('_total')}_created{{{labels}}} 1.7e9")
    lines += ["# TYPE vllm:own gauge", 'vllm:own{model_name="x"} 1', "process_cpu_seconds_total 5", "torn vllm:li"]
    text = vllm_metrics.passed("\n".join(lines), 'ti"ny')
    found = shown(text)
    assert set(found) == {family.name for family in FAMILIES if family.source == "vllm"}
    for name, one in found.items():
        assert one["kind"] == KNOWN[name].kind
        for series in one["series"]:
            assert dict(series)["model_name"] == 'ti"ny'
            assert set(dict(series)) == {label for label, _ in KNOWN[name].labels}
            assert {value for label, value in series if label != "model_name"} == {'x, y="z"'}


def test_unfilled_cache_is_read_from_vllm_s_metrics() -> None:
    text = (
        'vllm:cache_config_info{block_size="16",num_gpu_blocks="100",x="y"} 1\nvllm:kv_cache_usage_perc{e="0"} 0.25\n'
    )
    assert vllm_metrics.cache_blocks(text) == (100, 16)
    assert vllm_metrics.gauge(text, "vllm:kv_cache_usage_perc") == 0.25
    assert vllm_metrics.cache_blocks('vllm:cache_config_info{block_size="16"} 1') is None
    assert vllm_metrics.gauge(text, "vllm:none") is None
