"""The difference between the arms, on user level: a user's mean is one observation, however many requests it is of.

Requests of one user are alike, so a test over requests would see evidence that is not there. With the user's mean, the
question is what the mean user gets. Within a stage of a ramp the shares are constant; stages are compared each by
itself and then together (Cochran and Mantel-Haenszel weights), so that a busier stage with another share cannot turn
the sign (Simpson). A user in several stages counts in each, and the variance knows that it is the same user.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

Array = Any


class Moments(NamedTuple):
    """Sums over the users of an arm; numbers, or arrays of them."""

    count: Any
    total: Any
    squares: Any


class Units(NamedTuple):
    """Outcomes, an array each: one entry for each user in each stage.

    Attributes:
        value: the user's mean.
        canary: whether the canary served.
        stage: number of the stage.
        user: number of the user.
    """

    value: Array
    canary: Array
    stage: Array
    user: Array

    def first(self, number: int) -> Units:
        """Only so many of the beginning."""
        return Units(*(column[:number] for column in self))


class Estimate(NamedTuple):
    """What is known of the difference.

    Attributes:
        users: entries of champion and canary that were compared.
        means: of champion and canary.
        variances: of these means.
        difference: canary minus champion.
        variance: of it (Welch).
        pooled: variance of it, if both arms vary alike.
        deviation: standard deviation of a user's value within arms and stages.
        freedom: degrees of freedom of the variance (Welch and Satterthwaite).
        alone: entries in stages in which an arm has fewer than two, which say nothing.
    """

    users: tuple[int, int]
    means: tuple[float, float]
    variances: tuple[float, float]
    difference: float
    variance: float
    pooled: float
    deviation: float
    freedom: float
    alone: int


def spread(arm: Moments) -> tuple[Any, Any]:
    """Mean and unbiased variance of the users of an arm, of two or more."""
    mean = arm.total / arm.count
    return mean, np.maximum(arm.squares - arm.total * mean, 0.0) / (arm.count - 1)


def difference(champion: Moments, canary: Moments) -> tuple[Any, Any]:
    """Difference of the means, canary minus champion, and its variance (Welch); numbers or arrays."""
    (low, low_variance), (high, high_variance) = spread(champion), spread(canary)
    return high - low, low_variance / champion.count + high_variance / canary.count


def pooled(champion: Moments, canary: Moments) -> tuple[Any, Any]:
    """Variance of a user's value when both arms vary alike, and of the difference then; numbers or arrays."""
    squares = [spread(arm)[1] * (arm.count - 1) for arm in (champion, canary)]
    squared = (squares[0] + squares[1]) / (champion.count + canary.count - 2)
    return squared, squared * (1 / champion.count + 1 / canary.count)


def compared(units: Units) -> Estimate | None:
    """Compare the arms; None when no stage has two users in both."""
    stages = int(units.stage.max()) + 1 if len(units.stage) else 0
    cell = units.stage * 2 + units.canary
    centre = float(units.value.mean()) if stages else 0.0
    value = units.value - centre
    sums = [np.bincount(cell, weights=w, minlength=2 * stages) for w in (None, value, value**2)]
    count, total, squares = (one.reshape(stages, 2).astype(float) for one in sums)
    good = (count >= 2).all(axis=1)
    if not good.any():
        return None
    arms = [Moments(count[good, arm], total[good, arm], squares[good, arm]) for arm in (0, 1)]
    weight = count[good].prod(axis=1) / count[good].sum(axis=1)
    weight /= weight.sum()
    apart, variance = difference(*arms)
    means, parts = zip(*((mean, var / arm.count) for arm in arms for mean, var in [spread(arm)]), strict=True)
    squared = [(weight**2 * part) for part in parts]
    whole = float((weight**2 * variance).sum())
    freedom = sum(float((part**2 / (arm.count - 1)).sum()) for part, arm in zip(squared, arms, strict=True))
    within = sum(float((part * arm.count * (arm.count - 1)).sum()) for part, arm in zip(parts, arms, strict=True))
    degrees = sum(float((arm.count - 1).sum()) for arm in arms)
    shared = _shared(units, value, count, total, good, weight) if len(arms[0].count) > 1 else 0.0
    return Estimate(
        users=(int(arms[0].count.sum()), int(arms[1].count.sum())),
        means=(centre + float(weight @ means[0]), centre + float(weight @ means[1])),
        variances=(float(squared[0].sum()), float(squared[1].sum())),
        difference=float(weight @ apart),
        variance=max(whole + shared, 0.0),
        pooled=max(within / degrees * float((weight**2 * (1 / arms[0].count + 1 / arms[1].count)).sum()) + shared, 0.0),
        deviation=math.sqrt(within / degrees),
        freedom=whole**2 / freedom if freedom > 0 else degrees,
        alone=int(count[~good].sum()),
    )


def _shared(units: Units, value: Array, count: Array, total: Array, good: Array, weight: Array) -> float:
    """Twice the covariances between entries of the same user in several stages.

    Each entry moves the estimate by its distance from the mean of its cell; the variance that is summed over entries
    lacks the products of entries of one user (cluster-robust variance: Liang and Zeger, Biometrika 73, 1986).
    """
    weights = np.zeros(len(good))
    weights[good] = weight
    n = count[units.stage, units.canary]
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = (value - total[units.stage, units.canary] / n) * np.sqrt(n / (n - 1)) / n
    moved = np.where(good[units.stage], moved * weights[units.stage] * (2 * units.canary - 1), 0.0)
    together = np.bincount(units.user, weights=moved)
    return float((together**2).sum() - (moved**2).sum())


def welch(found: Estimate, alpha: float) -> tuple[float, float]:
    """p of Welch's two-sided test and half of the width of its interval; 1 and 0 where nothing varies."""
    from scipy.stats import t  # type: ignore[import-untyped]

    if found.variance <= 0:
        return (1.0 if found.difference == 0 else 0.0), 0.0
    deviation = math.sqrt(found.variance)
    p = 2 * float(t.sf(abs(found.difference) / deviation, found.freedom))
    return p, deviation * float(t.isf(alpha / 2, found.freedom))


def cohen(found: Estimate, alpha: float) -> tuple[float, float, float] | None:
    """Cohen's d and an interval of it; None where nothing varies.

    Source: Hedges and Olkin, Statistical Methods for Meta-Analysis, 1985, chapter 5, equation 15, with the variance of
    this estimate in the place of s²(1/n + 1/m).
    """
    from scipy.stats import norm

    if found.deviation <= 0:
        return None
    d = found.difference / found.deviation
    deviation = math.sqrt(found.variance / found.deviation**2 + d * d / (2 * (sum(found.users) - 2)))
    reach = float(norm.isf(alpha / 2)) * deviation
    return d, d - reach, d + reach
