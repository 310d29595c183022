"""Wagers are fair: summed over all that can happen to a canary that is fine, a factor's mean is at most 1.

And together they are: of seeded rollouts of an equal canary hardly one is rolled back.
"""

from __future__ import annotations

from itertools import pairwise
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlops_runtime.rollout.decision import Arm, Evidence, Policy, Window, judge
from mlops_runtime.rollout.decision.quantile import p95
from mlops_runtime.rollout.decision.wagers import RatingLimit, ShareLimit, mean_log
from scipy.stats import binom, hypergeom

from tests.runtime.rollout.decision.seen import BOUNDS, arm, policy

NONE = (0, 0, 0, 0, 0)


@given(
    st.integers(1, 2000),
    st.integers(1, 2000),
    st.floats(0, 1),
    st.floats(1.05, 20),
    st.sampled_from(["error_rate", "latency_p95"]),
)
@settings(deadline=None, max_examples=60)
def test_a_comparison_is_fair_whatever_the_weight_and_the_rate(
    n0: int, n1: int, part: float, ratio: float, gate: str
) -> None:
    against = {"error_rate": None, "latency_p95": None, "alpha": 0.01, gate: {"max_ratio": ratio}}
    (wager,) = policy(gates={}, against_champion=against).wagers
    events = round(part * (n0 + n1))
    hits = np.arange(max(0, events - n0), min(events, n1) + 1)
    chances = hypergeom.pmf(hits, n0 + n1, events, n1)
    means = np.zeros(wager.bets)
    for chance, k1 in zip(chances, hits.tolist(), strict=True):
        if chance > 1e-12:
            window = Window(15.0, arm(n0, events - k1, events - k1), arm(n1, k1, k1))
            means += chance * np.exp(wager.gains(window, window))
    assert means.max() <= 1 + 1e-9


@given(st.integers(1, 150), st.floats(1e-5, 0.999), st.booleans(), st.sampled_from([None, 4]))
@settings(deadline=None, max_examples=60)
def test_a_limit_on_a_share_is_fair_at_the_limit(requests: int, limit: float, low: bool, bucket: int | None) -> None:
    wager = ShareLimit("error_rate", 4.6, limit, bucket, low)
    windows = [Window(15.0, arm(0), arm(requests, k, k)) for k in range(requests + 1)]
    chances = binom.pmf(np.arange(requests + 1), requests, limit)
    means = sum(chance * np.exp(wager.gains(window, window)) for chance, window in zip(chances, windows, strict=True))
    assert np.max(means) <= 1 + 1e-9


@given(st.lists(st.floats(0.01, 1), min_size=5, max_size=5), st.booleans(), st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_a_limit_on_ratings_is_fair_at_the_limit(weights: list[float], low: bool, given_ratings: int) -> None:
    chances = np.array(weights) / sum(weights)
    wager = RatingLimit("rating", 4.6, float(chances @ [1, 2, 3, 4, 5]), low)
    means = np.zeros(wager.bets)
    for star in range(5):
        ratings = tuple(given_ratings if at == star else 0 for at in range(5))
        window = Window(15.0, arm(0), arm(0, ratings=ratings))
        means += chances[star] * np.exp(np.array(wager.gains(window, window)) / given_ratings)
    assert means.max() <= 1 + 1e-9


def test_what_hits_more_of_the_canary_never_counts_less_below_an_outage() -> None:
    (wager,) = policy(gates={}, against_champion={"error_rate": {"max_ratio": 2}, "alpha": 0.01}).wagers
    block = Window(15.0, arm(1125, 6), arm(375, 0))
    gains = [wager.gains(block._replace(canary=arm(375, k)), block) for k in range(25)]
    assert all(more >= less for one, other in pairwise(gains) for less, more in zip(one, other, strict=True))
    outage = wager.gains(block._replace(canary=arm(375, 300)), block)
    assert max(outage) == pytest.approx(0.2 * wager.needed)
    assert max(max(gain) for gain in gains) == pytest.approx(0.9 * wager.needed)


def test_means_of_logarithms() -> None:
    assert mean_log([0.0, 0.0]) == 0
    assert mean_log([1000.0, -1000.0]) == pytest.approx(1000 - np.log(2))
    assert mean_log([inf, 0.0]) == inf


def test_the_percentile_is_that_of_prometheus() -> None:
    assert p95((0, 0, 0, 100, 0, 0, 0), BOUNDS) == pytest.approx(0.975)
    assert p95((94, 0, 0, 0, 6, 0, 0), BOUNDS) == pytest.approx(1 + 1 / 6)
    assert p95((0, 0, 0, 0, 0, 0, 5), BOUNDS) == 4.0
    assert p95((1, 0, 0, 0, 0, 0, 0), BOUNDS) == pytest.approx(0.095)


def rollout(
    rules: Policy, rate: float, ratio: float, generator: np.random.Generator, limit: float
) -> tuple[str, float]:
    """How one rollout ends, and after how many seconds."""
    evidence, step, held, now = Evidence.empty(rules), 0, 0.0, 0.0
    cells = np.array([0.5, 0.3, 0.1, 0.06, 0.03, 0.01, 0.0])
    while now < limit:
        share = rules.steps[step]
        both = generator.poisson(rate * 15)
        canary = int(generator.binomial(both, share))
        arms = []
        for requests, errors in ((both - canary, 0.005), (canary, 0.005 * ratio)):
            latency = tuple(generator.multinomial(requests, cells).tolist())
            arms.append(Arm(requests, int(generator.binomial(requests, errors)), latency, NONE))
        now, held, evidence = now + 15, held + 15, evidence.seen(rules, Window(15.0, *arms))
        found = judge(rules, evidence, step, held)
        if found.outcome == "rollback" or (found.outcome == "advance" and step == len(rules.steps) - 1):
            return found.outcome, now
        if found.outcome == "advance":
            step, held, evidence = step + 1, 0.0, evidence.stepped()
    return "held", now


def test_an_equal_canary_is_hardly_ever_rolled_back() -> None:
    rules, generator = policy(hold=300.0), np.random.default_rng(7)
    ends = [rollout(rules, rate, 1.0, generator, 21600)[0] for rate in (10, 100) for _ in range(60)]
    assert ends.count("rollback") <= 4
    assert ends.count("advance") >= 110


def test_a_fourfold_error_rate_is_found_within_minutes_and_at_much_traffic_within_seconds() -> None:
    rules, generator = policy(steps=[0.25, 1.0], hold=7200.0), np.random.default_rng(8)
    for rate, seconds in ((10, 330), (100, 45)):
        times = [
            now for end, now in (rollout(rules, rate, 4.0, generator, 3600) for _ in range(31)) if end == "rollback"
        ]
        assert len(times) == 31
        assert np.median(times) <= seconds
