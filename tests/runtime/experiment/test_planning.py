"""Sample sizes: against published ones, and against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from mlops_runtime.experiment.planning import (
    Arms,
    detectable,
    document,
    planned,
    show,
    split,
    welch_power,
)
from mlops_runtime.experiment.sequence import mixing, radius, stopping

from tests.runtime.experiment.records import settings


@pytest.mark.parametrize(
    ("effect", "power", "users"), [(0.2, 0.8, 394), (0.5, 0.8, 64), (0.8, 0.8, 26), (0.5, 0.9, 86), (0.2, 0.95, 651)]
)
def test_equal_arms_are_those_of_cohen_s_tables(effect: float, power: float, users: int) -> None:
    """Cohen, Statistical Power Analysis, 1988; the same in G*Power 3.1."""
    found = planned(settings(traffic=0.5, min_effect=effect, power=power, min_samples=2)).fixed
    assert found == Arms(users, users)


@examples(max_examples=15, deadline=None)
@given(st.floats(0.02, 0.9), st.floats(0.05, 1.0), st.floats(0.6, 0.95), st.sampled_from([0.01, 0.05, 0.1]))
def test_a_plan_is_the_smallest_that_has_the_power(share: float, effect: float, power: float, alpha: float) -> None:
    given_ = settings(traffic=share, min_effect=effect, power=power, alpha=alpha, min_samples=2)
    plan = planned(given_)
    assert welch_power(plan.fixed, effect, alpha) >= power
    if plan.fixed.canary > 2:
        assert welch_power(split(plan.fixed.canary - 1, share), effect, alpha) < power
    assert plan.fixed.total <= plan.sequence.total * 1.02
    assert plan.median.total <= plan.sequence.total
    assert plan.fixed.champion == pytest.approx(plan.fixed.canary * (1 - share) / share, abs=2)


def test_stopping_times_are_those_of_a_random_walk() -> None:
    generator, effect, alpha = np.random.default_rng(8), 0.2, 0.05
    mixture = float(mixing(1 / 200, alpha))
    information, chances = stopping(effect, mixture, alpha, 20.0, 400.0)
    path = generator.normal(effect / 8, 8**-0.5, (3_000, 3_200)).cumsum(axis=1)
    time = np.arange(1, 3_201) / 8
    out = (time >= 20) & (np.abs(path) > time * radius(1 / time, mixture, alpha))
    gone = np.maximum.accumulate(out, axis=1).mean(axis=0)
    for at in (50, 100, 200, 300, 400):
        assert np.interp(at, information, chances) == pytest.approx(gone[8 * at - 1], abs=0.03)
    under_null = stopping(0.0, mixture, alpha, 20.0, 1e6)[1]
    assert under_null[-1] == pytest.approx(alpha, abs=0.015)
    assert under_null[-1] < alpha


def test_never_fewer_than_min_samples() -> None:
    plan = planned(settings(traffic=0.2, min_effect=3.0))
    assert plan.fixed == Arms(120, 30)
    assert min(plan.median.canary, plan.sequence.canary) >= 30
    assert planned(settings(traffic=0.8, min_effect=3.0)).fixed == Arms(30, 120)


def test_power_is_a_number_far_from_zero_and_near_it() -> None:
    assert welch_power(Arms(12_600, 1_400), 0.5, 0.05) == pytest.approx(1.0)
    assert welch_power(Arms(10**9, 10**9), 1e-12, 0.05) == pytest.approx(0.05, abs=1e-3)
    assert math.isfinite(welch_power(Arms(2, 2), 50.0, 0.05))


def test_what_can_be_seen_in_the_time() -> None:
    effect = detectable(Arms(394, 394), 0.05, 0.8)
    assert effect == pytest.approx(0.2, abs=0.001)
    assert detectable(Arms(2, 2), 0.05, 0.8) > 3


def test_days_and_price(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(settings(), 2_000)
    assert found["fixed"] == {"champion": 1980, "canary": 220, "total": 2200, "days": 1.1}
    assert found["price"] == pytest.approx(found["sequence"]["total"] / 2200)
    assert 0.05 < found["detectable"] < 0.1
    show(found)
    told = capsys.readouterr().out
    assert "1,980" in told
    assert "max_duration of 7 days is enough for that; Welch's test sees 0.079 standard deviations in it" in told
    show(document(settings(), 100))
    assert "7 days is not enough" in capsys.readouterr().out
    show(document(settings(), None))
    assert "days" not in capsys.readouterr().out
