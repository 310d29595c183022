"""Conditions of the gates: no data holds, one bad look rolls back, and nothing passes by waiting."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import pytest

from mlopsgen.targets.argo_rollouts.gates import critical, looks
from tests.targets.argo_rollouts.analysis import ERROR, FAILED, INCONCLUSIVE, RUNNING, SUCCESSFUL, measurement, run
from tests.targets.argo_rollouts.specs import metrics
from tests.targets.istio.specs import spec

NAN, INF = math.nan, math.inf
NOTHING: list[list[float]] = [[], [NAN]]
LIMITS = {"error-rate": 0.05, "latency-p95": 2, "error-rate-ratio": 3.429, "latency-p95-ratio": 1.2}
GATES = list(LIMITS)


def gate(name: str) -> dict[str, Any]:
    """The metric of a gate."""
    return metrics()[name]


@pytest.mark.parametrize("name", GATES)
def test_no_data_is_neither_success_nor_failure(name: str) -> None:
    assert [measurement(gate(name), result) for result in NOTHING] == [INCONCLUSIVE] * 2


@pytest.mark.parametrize("name", GATES)
def test_the_limit_itself_is_good_and_anything_above_is_bad(name: str) -> None:
    limit = LIMITS[name]
    results = [[limit * 0.9], [limit], [limit * 1.001], [INF]]
    assert [measurement(gate(name), result) for result in results] == [SUCCESSFUL, SUCCESSFUL, FAILED, FAILED]


def test_a_lower_limit_counts_as_well() -> None:
    assert [measurement(gate("latency-p95"), [value]) for value in (0.009, 0.01, 2, 2.1)] == [
        FAILED,
        SUCCESSFUL,
        SUCCESSFUL,
        FAILED,
    ]


def test_only_a_lower_limit() -> None:
    only = metrics(spec("argo-rollouts", "gates: {error_rate: null, latency_p95: {min: 10ms}}"))["latency-p95"]
    assert [measurement(only, [value]) for value in (0.001, 5)] == [FAILED, SUCCESSFUL]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"successCondition": "result[0] <= 0.05"}, [ERROR, INCONCLUSIVE]),
        ({"failureCondition": None}, [FAILED, FAILED]),
        ({"successCondition": None}, [SUCCESSFUL, SUCCESSFUL]),
    ],
)
def test_a_planted_fault_is_found(fault: dict[str, Any], told: list[str]) -> None:
    broken = {**gate("error-rate"), **fault}
    assert [measurement(broken, result) for result in NOTHING] == told


@pytest.mark.parametrize("name", GATES)
def test_a_step_waits_for_data_and_passes_by_it(name: str) -> None:
    good = [LIMITS[name]]
    assert run(gate(name), [*NOTHING, []], "1") == RUNNING
    assert run(gate(name), [*NOTHING, [], good], "1") == SUCCESSFUL
    assert run(gate(name), [*NOTHING, [LIMITS[name] * 2]], "1") == FAILED


@pytest.mark.parametrize("name", GATES)
def test_without_data_it_is_held_until_the_deadline(name: str) -> None:
    most = 6 * 60 + 1
    assert run(gate(name), [[]] * most, "1") == RUNNING
    # Were it to end before, the rollout would be paused, and the deadline not seen.
    assert run({**gate(name), "inconclusiveLimit": 100}, [[]] * most, "1") == INCONCLUSIVE
    assert run({**gate(name), "count": most}, [[]] * most, "1") == SUCCESSFUL


@pytest.mark.parametrize("name", GATES)
def test_the_watch_never_passes_and_fails_at_once(name: str) -> None:
    good = [LIMITS[name]]
    assert run(gate(name), [good] * 300, "0") == RUNNING
    assert run(gate(name), [*[good] * 300, [LIMITS[name] * 2]], "0") == FAILED


def test_a_silent_prometheus_holds_until_the_deadline() -> None:
    for name in GATES:
        assert gate(name)["consecutiveErrorLimit"] >= 6 * 3600 / 10
        assert "count" not in gate(name)
        assert gate(name)["interval"] == "1m"


def test_the_deadline_rolls_back_also_without_prometheus() -> None:
    deadline = gate("deadline")
    assert deadline["initialDelay"] == "6h"
    assert run(deadline, [[1.0]], "0") == FAILED
    assert not {"consecutiveErrorLimit", "interval", "count"} & set(deadline)


@pytest.mark.parametrize(("alpha", "number"), [(0.01, 44), (0.05, 1), (0.001, 10**6), (0, 10), (1, 1)])
def test_many_looks_together_alarm_as_rarely_as_wanted(alpha: float, number: int) -> None:
    together = number * (1 - NormalDist().cdf(critical(alpha, number)))
    assert together == pytest.approx(min(max(alpha, 1e-9), 0.5), rel=0.01)


@pytest.mark.parametrize(("time", "every", "number"), [(600, 60, 11), (90, 60, 3), (3e8, 0.001, 2**31 - 1)])
def test_looks(time: float, every: float, number: int) -> None:
    assert looks(time, every) == number
