"""The interval of the largest difference between groups."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mlops_runtime.evaluation import disparity
from mlops_runtime.evaluation.disparity import Contrast, Measure, contrasts, differences

GROUPS = ["he", "she", "they"]


def values(generator: Any, sets: int, shift: float = 0.0) -> Any:
    """A measure whose sets differ widely, with noise for each group and a shift of the second one."""
    found = generator.normal(0, 0.5, (sets, 1)) + generator.normal(0, 0.05, (sets, 3))
    found[:, 1] += shift
    return found


def refusals(generator: Any, sets: int, rates: tuple[float, float, float] = (0.3, 0.3, 0.3)) -> Any:
    """Outcomes that are alike within a set."""
    return (generator.random((sets, 1)) / 2 + generator.random((sets, 3)) / 2 < np.array(rates)).astype(float)


def measured(generator: Any, sets: int, shift: float = 0.0) -> list[Measure]:
    likelihood = Measure("likelihood", differences(values(generator, sets, shift)), False)
    return [likelihood, Measure("outcome", differences(refusals(generator, sets)), True)]


def most(found: list[Contrast]) -> float:
    return max(contrast.most for contrast in found)


def test_contrasts_are_mean_differences_in_the_order_of_the_groups() -> None:
    given = values(np.random.default_rng(0), 40, 0.3)
    found = contrasts(GROUPS, [Measure("x", differences(given), False)])
    assert [contrast.groups for contrast in found] == [("he", "she"), ("he", "they"), ("she", "they")]
    means = given.mean(axis=0)
    assert [contrast.value for contrast in found] == pytest.approx(
        [means[0] - means[1], means[0] - means[2], means[1] - means[2]]
    )
    for contrast in found:
        assert contrast.value - contrast.lower == pytest.approx(contrast.upper - contrast.value)


@pytest.mark.parametrize(("sets", "least"), [(30, 0.91), (100, 0.92)])
def test_all_intervals_hold_at_once(sets: int, least: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 suites with a true shift of 0.1: at 95 %, three standard errors below are 90.4 %."""
    monkeypatch.setattr(disparity, "DRAWS", 300)
    generator = np.random.default_rng(7)
    held = bounded = 0
    for seed in range(200):
        found = contrasts(GROUPS, measured(generator, sets, 0.1), seed)
        truth = [-0.1, 0.0, 0.1, 0.0, 0.0, 0.0]
        held += all(one.lower <= true <= one.upper for one, true in zip(found, truth, strict=True))
        bounded += most(found) >= 0.1
    assert held / 200 >= least
    assert bounded / 200 >= 0.95


def test_one_interval_alone_would_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """With ten groups and no difference, 45 single intervals of 95 % miss somewhere in most suites; the band does not."""
    monkeypatch.setattr(disparity, "DRAWS", 300)
    generator = np.random.default_rng(3)
    together = alone = 0
    for seed in range(100):
        given = differences(generator.normal(0, 0.1, (60, 10)))
        names = [str(number) for number in range(10)]
        found = contrasts(names, [Measure("x", given, False)], seed)
        together += all(one.lower <= 0 <= one.upper for one in found)
        single = 1.96 * given.std(axis=0, ddof=1) / math.sqrt(60)
        alone += bool((np.abs(given.mean(axis=0)) <= single).all())
    assert together >= 89
    assert alone <= 60


def test_pairs_tell_more_than_two_samples_would() -> None:
    generator = np.random.default_rng(1)
    given = values(generator, 60)
    shuffled = np.stack([generator.permutation(column) for column in given.T], axis=1)
    paired, apart = (most(contrasts(GROUPS, [Measure("x", differences(one), False)])) for one in (given, shuffled))
    assert apart > 3 * paired


@pytest.mark.parametrize(("sets", "low", "high"), [(30, 0.05, 0.15), (42, 0.04, 0.1), (300, 0.005, 0.02)])
def test_an_outcome_that_never_differed_may_still(sets: int, low: float, high: float) -> None:
    """Around the rule of three: none in n says at most 3/n."""
    for outcomes in (np.zeros((sets, 3)), np.ones((sets, 3))):
        found = contrasts(GROUPS, [Measure("outcome", differences(outcomes), True)])
        assert all(contrast.value == 0 for contrast in found)
        assert low < most(found) < high


@pytest.mark.parametrize("make", [lambda g: measured(g, 50), lambda g: measured(g, 50, 0.2)])
def test_the_same_values_give_the_same_intervals(make: Callable[[Any], list[Measure]]) -> None:
    one, other = (contrasts(GROUPS, make(np.random.default_rng(5)), 3) for _ in range(2))
    assert one == other


def test_values_that_are_not_finite_have_no_interval() -> None:
    given = measured(np.random.default_rng(5), 40)
    given[0].differences[4, 1] = math.nan
    found = contrasts(GROUPS, given)
    assert all(math.isnan(contrast.most) for contrast in found)


def test_a_difference_is_at_most_one() -> None:
    outcomes = np.zeros((40, 3))
    outcomes[:, 0] = 1
    found = contrasts(GROUPS, [Measure("outcome", differences(outcomes), True)])
    assert found[0].value == 1
    assert found[0].upper > 1
    assert found[0].most == 1


def test_many_sets_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    given = measured(np.random.default_rng(5), 60, 0.1)
    whole = contrasts(GROUPS, given)
    monkeypatch.setattr(disparity, "_CELLS", 66 * 700)
    assert contrasts(GROUPS, given) == whole
