"""Queries of the gates, by Prometheus' own `promtool test rules` over made-up series."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import tool
from tests.targets.argo_rollouts.specs import metrics

HASHES = {"{{args.canary-hash}}": "7d9f6c", "{{args.champion-hash}}": "5b8aa1"}
MINUTES = 20
BOUNDS = ("0.5", "1.0", "2.0", "+Inf")


class Pod(NamedTuple):
    """What a pod counts per minute."""

    name: str
    good: float = 0
    errors: float = 0
    slow: float = 0
    namespace: str = "ml"

    def labels(self, **more: str) -> str:
        """Labels as Prometheus writes them."""
        given = {"namespace": self.namespace, "pod": self.name, "variant": "champion", **more}
        return ",".join(f"{name}={json.dumps(value)}" for name, value in given.items())


CANARY, CHAMPION = "docstrings-7d9f6c-abcde", "docstrings-5b8aa1-fghij"


def series(pod: Pod, reset: bool = False, statuses: Iterable[str] = ("success", "error", "timeout")) -> list[Any]:
    """Series of a pod: answers, half of the errors timeouts; latency 0.75 s, and 3 s for the slow ones."""
    rates = {"success": pod.good, "error": pod.errors / 2, "timeout": pod.errors / 2}
    found = [
        _counter(f"model_requests_total{{{pod.labels(status=status)}}}", rates[status], reset) for status in statuses
    ]
    name = "model_inference_duration_seconds"
    below = {"0.5": 0.0, "1.0": pod.good - pod.slow, "2.0": pod.good - pod.slow, "+Inf": pod.good}
    found += [_counter(f"{name}_bucket{{{pod.labels(le=bound)}}}", below[bound], reset) for bound in BOUNDS]
    return [*found, _counter(f"{name}_count{{{pod.labels()}}}", pod.good, reset)]


def _counter(name: str, rate: float, reset: bool) -> dict[str, str]:
    if not reset:
        return {"series": name, "values": f"0+{rate}x{MINUTES}"}
    return {"series": name, "values": f"1000+{rate}x{MINUTES - 6} 0+{rate}x5"}


def promtool(name: str, given: list[Any], test: str, wanted: list[float], folder: Path) -> str:
    """What promtool has to say against a gate's query giving these values, nothing if it does.

    Args:
        name: of the gate.
        given: series.
        test: what is asked, `QUERY` in it stands for the query.
        wanted: values of the samples.
    """
    query = metrics()[name]["provider"]["prometheus"]["query"]
    for argument, value in HASHES.items():
        query = query.replace(argument, value)
    assert "{{" not in query
    samples = [{"labels": "{}", "value": value} for value in wanted]
    asked = {"expr": test.replace("QUERY", f"({query})"), "eval_time": f"{MINUTES}m", "exp_samples": samples}
    tests = {
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": given, "promql_expr_test": [asked]}],
    }
    path = folder / "test.json"
    path.write_text(json.dumps(tests), encoding="utf-8")
    result = subprocess.run(
        [tool("promtool"), "test", "rules", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode == 0) == ("SUCCESS" in result.stdout), result.stderr
    return "" if result.returncode == 0 else result.stdout + result.stderr


def both(canary: Pod, champion: Pod) -> list[Any]:
    """Series of one pod each."""
    return [*series(canary), *series(champion)]


def test_the_error_rate_is_a_ratio_of_sums_over_the_canarys_pods(tmp_path: Path) -> None:
    given = [
        *series(Pod(CANARY, good=40, errors=2)),
        *series(Pod("docstrings-7d9f6c-zzzzz", good=36, errors=2)),
        *series(Pod(CHAMPION, good=1000, errors=500)),
        *series(Pod(CANARY, good=1000, errors=500, namespace="other")),
        *series(Pod("docstrings-eu-7d9f6c-abcde", good=1000, errors=500)),
    ]
    assert promtool("error-rate", given, "round(QUERY, 0.0001)", [0.05], tmp_path) == ""
    assert "exp" in promtool("error-rate", given, "round(QUERY, 0.0001)", [0.04], tmp_path)


GATES = ["error-rate", "latency-p95", "error-rate-ratio", "latency-p95-ratio"]


@pytest.mark.parametrize("name", GATES)
def test_too_few_requests_give_no_sample(name: str, tmp_path: Path) -> None:
    few, enough = (both(Pod(CANARY, good=rate), Pod(CHAMPION, good=900)) for rate in (19, 20))
    assert promtool(name, few, "QUERY", [], tmp_path) == ""
    assert promtool(name, enough, "count(QUERY)", [1], tmp_path) == ""


@pytest.mark.parametrize("name", ["error-rate-ratio", "latency-p95-ratio"])
def test_too_few_requests_of_the_champion_give_no_sample(name: str, tmp_path: Path) -> None:
    assert promtool(name, both(Pod(CANARY, good=900), Pod(CHAMPION, good=19)), "QUERY", [], tmp_path) == ""


@pytest.mark.parametrize("name", GATES)
def test_nothing_over_nothing_gives_no_sample(name: str, tmp_path: Path) -> None:
    assert promtool(name, both(Pod(CANARY), Pod(CHAMPION)), "QUERY", [], tmp_path) == ""
    assert promtool(name, [], "QUERY", [], tmp_path) == ""


def test_no_error_is_a_rate_of_nothing_whether_or_not_the_series_exist(tmp_path: Path) -> None:
    for statuses in (("success",), ("success", "error", "timeout")):
        given = series(Pod(CANARY, good=30), statuses=statuses)
        assert promtool("error-rate", given, "QUERY", [0], tmp_path) == ""


@pytest.mark.parametrize("name", GATES)
def test_a_restart_of_the_pods_changes_nothing(name: str, tmp_path: Path) -> None:
    canary, champion = Pod(CANARY, good=95, errors=5, slow=10), Pod(CHAMPION, good=950, errors=50, slow=100)
    steady = both(canary, champion)
    reset = [*series(canary, reset=True), *series(champion)]
    values = {"error-rate": 0.05, "error-rate-ratio": None, "latency-p95": 2.0, "latency-p95-ratio": 1.0}
    if values[name] is None:
        assert promtool(name, steady, "QUERY < bool 0", [1], tmp_path) == ""
        assert promtool(name, reset, "QUERY < bool 0", [1], tmp_path) == ""
    else:
        assert promtool(name, steady, "round(QUERY, 0.001)", [values[name]], tmp_path) == ""
        assert promtool(name, reset, "round(QUERY, 0.01)", [values[name]], tmp_path) == ""


def test_latency_is_the_quantile_of_all_pods_together(tmp_path: Path) -> None:
    given = [*series(Pod(CANARY, good=100)), *series(Pod("docstrings-7d9f6c-zzzzz", good=100, slow=4))]
    # 2% are slow: the 95th percentile lies in the bucket of the fast ones, 0.5 to 1 s.
    value = 0.5 + 0.5 * 0.95 / 0.98
    assert promtool("latency-p95", given, "round(QUERY, 0.001)", [round(value, 3)], tmp_path) == ""


def z(canary: tuple[int, int], champion: tuple[int, int], ratio: float = 2) -> float:
    """The statistic of the error rates' ratio from failures and requests."""
    (x1, n1), (x0, n0) = canary, champion
    return math.log((x1 + 0.5) / n1 / ((x0 + 0.5) / n0) / ratio) / math.sqrt(1 / (x1 + 0.5) + 1 / (x0 + 0.5))


@pytest.mark.parametrize(
    ("canary", "champion", "alarms"),
    [
        (Pod(CANARY, good=100), Pod(CHAMPION, good=1900), False),
        (Pod(CANARY, good=99, errors=1), Pod(CHAMPION, good=1881, errors=19), False),
        (Pod(CANARY, good=99.6, errors=0.4), Pod(CHAMPION, good=1900), False),
        (Pod(CANARY, good=90, errors=10), Pod(CHAMPION, good=1881, errors=19), True),
        (Pod(CANARY, good=98, errors=2), Pod(CHAMPION, good=1900), True),
    ],
)
def test_the_ratio_of_error_rates_alarms_by_what_is_proven(
    canary: Pod, champion: Pod, alarms: bool, tmp_path: Path
) -> None:
    counts = [(round(pod.errors * 10), round((pod.good + pod.errors) * 10)) for pod in (canary, champion)]
    value = z(counts[0], counts[1])
    given = both(canary, champion)
    assert promtool("error-rate-ratio", given, "round(QUERY, 0.001)", [round(value, 3)], tmp_path) == ""
    assert (value > 3.429) == alarms
    assert "result[0] > 3.429" in metrics()["error-rate-ratio"]["failureCondition"]
