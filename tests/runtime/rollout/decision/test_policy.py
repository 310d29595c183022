"""Settings become rules, or are refused."""

from __future__ import annotations

from math import exp, log
from pathlib import Path

import pytest
from mlops_runtime.rollout.decision import Evidence, Policy
from ruamel.yaml import YAML

from mlopsgen.contract.metrics.family import LATENCY_BUCKETS
from tests.conftest import ROOT
from tests.runtime.rollout.decision.seen import BOTH, arm, policy, seen


def test_the_settings_that_the_compiler_writes_are_read() -> None:
    path = Path(ROOT) / "examples/docstrings/local/rollout.yaml"
    found = Policy.read(YAML(typ="safe").load(path)["rollout"], LATENCY_BUCKETS)
    assert found.steps == (0.05, 0.1, 0.25, 0.5, 1.0)
    assert (found.hold, found.min_requests, found.deadline) == (600.0, 200, 21600.0)
    assert (found.asked, found.against_champion, found.alpha) == (("error_rate", "latency_p95"), None, 0.01)


@pytest.mark.parametrize("against", [None, BOTH, {**BOTH, "latency_p95": None}, {**BOTH, "alpha": 0.05}])
@pytest.mark.parametrize("gates", [{"error_rate": {"max": 0.05}}, {"latency_p95": {"min": 0.1, "max": 2.0}}])
def test_alpha_is_shared_among_all_tests_and_used_up(against: object, gates: object) -> None:
    rules = policy(gates=gates, against_champion=against)
    assert sum(exp(-wager.needed) for wager in rules.wagers) == pytest.approx(rules.alpha)
    errors = [exp(-wager.needed) for wager in rules.wagers if wager.gate == "error_rate_against_champion"]
    assert all(share > 0.9 * rules.alpha for share in errors)


def test_all_stakes_of_a_rollout_are_one_together() -> None:
    rules = policy(deadline=1400.0)
    evidence = Evidence.empty(rules)
    for step in range(4):
        evidence = seen(evidence, rules, arm(0), arm(0), 25, 14.0)
        evidence = evidence if step == 3 else evidence.stepped()
    assert evidence.logs(rules) == pytest.approx([0.0] * len(rules.wagers))


def test_a_limit_that_is_no_bound_of_the_histogram_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the limit of 3 s is no bound of the latency histogram"):
        policy(gates={"latency_p95": {"min": None, "max": 3.0}})


@pytest.mark.parametrize("steps", [[], [0.0, 1.0], [0.5, 1.5]])
def test_steps_that_are_no_shares_are_refused(steps: list[float]) -> None:
    with pytest.raises(ValueError, match="steps are shares"):
        policy(steps=steps)


def test_a_limit_of_nothing_is_broken_by_few_failures() -> None:
    (wager,) = policy(gates={"error_rate": {"max": 0.0}}, against_champion=None).wagers
    assert wager.needed == pytest.approx(log(100))
