"""The numbers: against scipy where it has them, against their own definition, and in small simulations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlops_runtime.experiment import balance, sequence
from mlops_runtime.experiment.estimate import (
    Estimate,
    Moments,
    Units,
    cohen,
    compared,
    difference,
    pooled,
    welch,
)
from mlops_runtime.experiment.latencies import Latencies
from mlops_runtime.experiment.planning import planned
from scipy import stats

from tests.runtime.experiment.records import settings


def units(value: Any, canary: Any, stage: Any = None, user: Any = None) -> Units:
    """One stage, and each user once, where nothing else is said."""
    value, canary = np.asarray(value, dtype=float), np.asarray(canary).astype(int)
    stage = np.zeros(len(value), dtype=int) if stage is None else np.asarray(stage)
    return Units(value, canary, stage, np.arange(len(value)) if user is None else np.asarray(user))


def made(value: Any, canary: Any, **more: Any) -> Estimate:
    found = compared(units(value, canary, **more))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def arms() -> tuple[Any, Any]:
    generator = np.random.default_rng(7)
    return generator.normal(3.0, 1.0, 400), generator.normal(3.3, 2.0, 50)


def test_welch_s_test_is_scipy_s(arms: tuple[Any, Any]) -> None:
    low, high = arms
    found = made(np.r_[low, high], np.r_[np.zeros(400), np.ones(50)])
    theirs = stats.ttest_ind(high, low, equal_var=False)
    p, reach = welch(found, 0.05)
    interval = theirs.confidence_interval(0.95)
    assert p == pytest.approx(theirs.pvalue)
    assert found.freedom == pytest.approx(theirs.df)
    assert found.difference - reach == pytest.approx(interval.low)
    assert found.difference + reach == pytest.approx(interval.high)
    assert found.users == (400, 50)
    assert found.means == pytest.approx((low.mean(), high.mean()))
    assert found.pooled == pytest.approx(found.deviation**2 * (1 / 400 + 1 / 50))


def test_cohen_s_d_is_hedges_and_olkin_s() -> None:
    generator = np.random.default_rng(3)
    low, high = generator.normal(0, 1, 300), generator.normal(0.4, 1, 300)
    found = made(np.r_[low, high], np.repeat([0, 1], 300))
    deviation = math.sqrt((low.var(ddof=1) + high.var(ddof=1)) / 2)
    d = (high.mean() - low.mean()) / deviation
    reach = 1.959964 * math.sqrt(600 / 90_000 + d * d / (2 * 598))
    value = cohen(found, 0.05)
    assert value == pytest.approx((d, d - reach, d + reach), rel=1e-3)


def test_stages_are_compared_apart() -> None:
    """The canary is worse in each stage and better when they are thrown together (Simpson)."""
    generator = np.random.default_rng(5)
    sizes = {(0, 0): 950, (0, 1): 50, (1, 0): 500, (1, 1): 500}
    parts = [
        (generator.normal(2 * stage - 0.5 * canary, 0.5, size), np.full(size, canary), np.full(size, stage))
        for (stage, canary), size in sizes.items()
    ]
    value, canary, stage = (np.concatenate(column) for column in zip(*parts, strict=True))
    assert made(value, canary).difference > 0.3
    found = made(value, canary, stage=stage)
    assert found.difference == pytest.approx(-0.5, abs=0.1)
    weights = np.array([950 * 50 / 1000, 250])
    each = [made(value[stage == one], canary[stage == one]) for one in (0, 1)]
    expected = np.average([one.difference for one in each], weights=weights)
    assert found.difference == pytest.approx(expected)
    assert found.variance == pytest.approx(
        sum((w / weights.sum()) ** 2 * one.variance for w, one in zip(weights, each, strict=True))
    )
    assert found.means[1] - found.means[0] == pytest.approx(found.difference)


def test_a_user_in_two_stages_is_one_user() -> None:
    """The same values twice say no more than once, and their variance is that of once."""
    generator = np.random.default_rng(9)
    value, canary = generator.normal(size=400), np.arange(400) % 2
    once = made(value, canary)
    twice = made(np.tile(value, 2), np.tile(canary, 2), stage=np.repeat([0, 1], 400), user=np.tile(np.arange(400), 2))
    strangers = made(np.tile(value, 2), np.tile(canary, 2), stage=np.repeat([0, 1], 400))
    assert twice.variance == pytest.approx(once.variance)
    assert strangers.variance == pytest.approx(once.variance / 2)
    assert twice.difference == pytest.approx(once.difference)


def test_a_user_who_moved_makes_the_difference_more_certain() -> None:
    generator = np.random.default_rng(9)
    value = generator.normal(size=400)
    canary = np.r_[np.arange(400) % 2, 1 - np.arange(400) % 2]
    moved = made(np.tile(value, 2), canary, stage=np.repeat([0, 1], 400), user=np.tile(np.arange(400), 2))
    assert moved.variance == pytest.approx(0, abs=1e-4)


def test_stages_with_one_user_in_an_arm_say_nothing() -> None:
    value, canary, stage = [1.0, 2.0, 3.0, 5.0, 9.0, 9.0, 1.0], [0, 0, 1, 1, 0, 0, 1], [0, 0, 0, 0, 1, 1, 1]
    found = made(value, canary, stage=stage)
    assert (found.difference, found.users, found.alone) == (2.5, (2, 2), 3)
    assert compared(units([1.0, 2.0, 3.0], [0, 0, 1])) is None
    assert compared(units([], [])) is None


def test_nothing_that_varies() -> None:
    same, apart = made([1.0] * 8, [0, 1] * 4), made([0.0, 1.0] * 4, [0, 1] * 4)
    assert (welch(same, 0.05), welch(apart, 0.05)) == ((1.0, 0.0), (0.0, 0.0))
    assert cohen(same, 0.05) is None
    assert cohen(apart, 0.05) is None
    assert (sequence.p_value(0.0, 0.0, 1.0), sequence.p_value(1.0, 0.0, 1.0)) == (1.0, 0.0)
    assert float(sequence.radius(0.0, 1.0, 0.05)) == 0


@given(st.integers(2, 10_000), st.floats(0.001, 0.5), st.floats(0.01, 10))
def test_the_sequence_is_that_of_the_paper(n: int, alpha: float, rho: float) -> None:
    """Theorem 2.2 for one sample of variance s²: V = s²/n, mixture = s² ρ²."""
    s = 2.5
    paper = s * math.sqrt(2 * (n * rho**2 + 1) / (n**2 * rho**2) * math.log(math.sqrt(n * rho**2 + 1) / alpha))
    assert float(sequence.radius(s**2 / n, s**2 * rho**2, alpha)) == pytest.approx(paper)


@given(st.floats(1e-6, 10), st.floats(1e-6, 10), st.floats(-5, 5), st.floats(0.001, 0.4))
def test_p_and_interval_say_the_same(variance: float, mixture: float, estimate: float, alpha: float) -> None:
    p = sequence.p_value(estimate, variance, mixture)
    assert 0 <= p <= 1
    if abs(p - alpha) > 1e-9:
        assert (p < alpha) == (abs(estimate) > float(sequence.radius(variance, mixture, alpha)))


@given(st.floats(1e-6, 1), st.floats(0.01, 0.4))
def test_the_interval_is_narrowest_for_the_variance_that_it_was_tuned_for(variance: float, alpha: float) -> None:
    tuned = float(sequence.radius(variance, sequence.mixing(variance, alpha), alpha))
    for factor in (0.2, 5.0):
        assert tuned < float(sequence.radius(variance, sequence.mixing(variance * factor, alpha), alpha))
    assert tuned > 1.959964 * math.sqrt(variance) * 0.5


@given(st.lists(st.tuples(st.floats(-10, 10), st.booleans()), min_size=8, max_size=60))
def test_sums_after_each_user_say_what_the_command_says(rows: list[tuple[float, bool]]) -> None:
    value, canary = (np.array(column) for column in zip(*rows, strict=True))
    if min(canary.sum(), (~canary).sum()) < 2:
        return
    low, high = (Moments(len(v), v.sum(), (v**2).sum()) for v in (value[~canary], value[canary]))
    found = made(value, canary)
    apart, variance = difference(low, high)
    squared, alike = pooled(low, high)
    assert found.difference == pytest.approx(apart, abs=1e-9)
    assert found.variance == pytest.approx(variance, abs=1e-9)
    assert found.deviation**2 == pytest.approx(squared, abs=1e-9)
    assert found.pooled == pytest.approx(alike, abs=1e-9)


def test_looking_all_the_time_errs_seldom_and_a_peeked_t_test_often() -> None:
    generator, runs, n = np.random.default_rng(1), 400, 2_000
    value = (generator.random((runs, n)) < 0.97).astype(float)
    for traffic in (0.5, 0.1):
        canary = generator.random((runs, n)) < traffic
        seen = np.arange(1, n + 1)
        count, total, squares = (np.cumsum(part * canary, axis=1) for part in (np.ones_like(value), value, value))
        low = Moments(seen - count, value.cumsum(axis=1) - total, value.cumsum(axis=1) - squares)
        high = Moments(count, total, squares)
        good = (low.count >= 30) & (high.count >= 30)
        with np.errstate(divide="ignore", invalid="ignore"):
            apart, variance = difference(low, high)
            squared, alike = pooled(low, high)
            plan = planned(settings(traffic=traffic)).fixed.variance
            radius = sequence.reach(variance, alike, squared, plan, 0.05)[2]
            errs = (good & (np.abs(apart) > radius)).any(axis=1).mean()
            peeked = (good & (np.abs(apart) > 1.96 * np.sqrt(variance))).any(axis=1).mean()
        assert errs < 0.05
        assert peeked > 0.2


def test_coverage_with_several_requests_a_user() -> None:
    """0.95 within four standard errors of 1,000 runs; an interval over requests misses far more often."""
    generator, runs, kept, naive = np.random.default_rng(2), 1_000, 0, 0
    for _ in range(runs):
        requests = 1 + generator.geometric(0.25, 600)
        own, canary = generator.beta(4.5, 0.5, 600), (generator.random(600) < 0.2).astype(int)
        user = np.repeat(np.arange(600), requests)
        hits = (generator.random(len(user)) < own[user]).astype(float)
        found = made(np.bincount(user, weights=hits) / requests, canary)
        kept += abs(found.difference) <= welch(found, 0.05)[1]
        over = made(hits, canary[user])
        naive += abs(over.difference) <= welch(over, 0.05)[1]
    assert 0.922 < kept / runs < 0.978
    assert naive / runs < 0.9


def test_balance_is_exact_and_per_stage() -> None:
    found, p = balance.judged([950, 870, 0, 10], [50, 130, 0, 90], [0.05, 0.10, 0.25, 1.0])
    theirs = 2 * stats.binom.sf(129, 1000, 0.10)
    assert [one.p for one in found] == [pytest.approx(1.0, abs=0.1), pytest.approx(theirs), 1.0, 1.0]
    assert found[1].chi_square == pytest.approx(stats.chisquare([870, 130], [900, 100]).statistic)
    assert p == pytest.approx(2 * found[1].p)
    assert balance.judged([5], [5], [0.0])[1] == 1.0
    assert balance.judged([1000], [200], [0.1])[1] < balance.ALARM


def test_balance_cries_seldom_under_a_ramp_and_finds_a_loss() -> None:
    generator, shares = np.random.default_rng(4), np.array([0.05, 0.1, 0.25, 0.5])
    users = 800
    canary = generator.binomial(users, shares, size=(20_000, 4))
    p = balance.together(balance.exact(users - canary, canary, shares), 4)
    assert (p < balance.ALARM).mean() < 0.0015
    constant = balance.together(balance.exact(users - canary, canary, 0.1), 4)
    assert (constant < balance.ALARM).mean() > 0.99


def test_quantiles_by_bins_are_those_of_the_requests() -> None:
    generator, latencies = np.random.default_rng(6), Latencies(1)
    seen: dict[int, list[float]] = {0: [], 1: []}
    for user in range(3_000):
        for _ in range(3):
            seconds = float(np.exp(0.5 * generator.normal() + 0.3 * (user % 2)))
            latencies.add(0, user % 2, user // 2 * 7919, seconds)
            seen[user % 2].append(seconds)
    found = latencies.document(0.05)
    assert found is not None
    for name, level in (("p50", 0.5), ("p95", 0.95)):
        one = found[name]
        assert one["champion"] == pytest.approx(np.quantile(seen[0], level), rel=0.025)
        assert one["canary"] == pytest.approx(np.quantile(seen[1], level), rel=0.025)
        low, high = one["interval"]
        assert low < one["difference"] < high
        truth = math.exp(0.5 * stats.norm.ppf(level)) * (math.exp(0.3) - 1)
        assert low < truth < high


def test_quantiles_weigh_a_slow_stage_alike_and_take_any_time() -> None:
    latencies = Latencies(3)
    assert latencies.document(0.05) is None
    for stage, (champion, canary) in enumerate(((900, 100), (100, 100))):
        for user in range(champion + canary):
            latencies.add(stage, int(user >= champion), user, 1.0 if stage == 0 else 10.0)
    latencies.add(2, 0, 1, 99.0)
    found = latencies.document(0.05)
    assert found is not None
    assert found["p50"]["difference"] == found["p95"]["difference"] == 0
    extreme = Latencies(1)
    for arm, seconds in ((0, 0.0), (1, 1e9)):
        extreme.add(0, arm, 1, seconds)
    assert extreme.document(0.05)["p50"]["canary"] == pytest.approx(1e4, rel=0.03)  # type: ignore[index]
