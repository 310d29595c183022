"""One metric, judged: what is known of it, how sure that is, and how many more users would settle it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from mlops_runtime.experiment import sequence
from mlops_runtime.experiment.estimate import Estimate, Units, cohen, compared, welch
from mlops_runtime.experiment.metrics import Metric
from mlops_runtime.experiment.planning import Plan
from mlops_runtime.experiment.settings import Settings


class Judgement(NamedTuple):
    """What is known of a metric. Effects have their own sign: below 0 is less.

    Attributes:
        metric: which.
        users: of champion and canary that have it.
        estimate: None while an arm has fewer than `min_samples` users, and all that follows is empty.
        radius: half of the confidence sequence's width.
        p_sequence: always-valid.
        reach: half of the width of Welch's interval.
        p_welch: of one look.
        d: Cohen's d with an interval; None where nothing varies.
        margin: smallest effect worth shipping, in units of the metric.
        more: users of the canary that are missing until the sequence leaves out either no effect or one worth shipping,
            if the estimate stays as it is; 0 once it does.
        guarded: the same until it leaves out a loss of `margin`, or no loss.
    """

    metric: Metric
    users: tuple[int, int]
    estimate: Estimate | None
    radius: float = 0.0
    p_sequence: float = 1.0
    reach: float = 0.0
    p_welch: float = 1.0
    d: tuple[float, float, float] | None = None
    margin: float = 0.0
    more: int = 0
    guarded: int = 0

    def better(self, method: str) -> tuple[float, float]:
        """Interval of the effect, turned so that above 0 is better.

        Args:
            method: `sequence` or `welch`.
        """
        assert self.estimate is not None
        reach = self.radius if method == "sequence" else self.reach
        middle = self.estimate.difference * self.metric.sign
        return middle - reach, middle + reach


def judged(metric: Metric, units: Units, settings: Settings, plan: Plan) -> Judgement:
    """Judge a metric.

    Args:
        metric: which.
        units: its values by user and stage.
        settings: of the experiment.
        plan: its users.
    """
    low, high = (int(np.count_nonzero(np.bincount(units.user[units.canary == arm]))) for arm in (0, 1))
    users = (low, high)
    found = compared(units) if min(users) >= settings.min_samples else None
    if found is None:
        return Judgement(metric, users, None)
    alpha, planned = settings.alpha, plan.fixed.variance
    variance, mixture, radius = map(
        float, sequence.reach(found.variance, found.pooled, found.deviation**2, planned, alpha)
    )
    p_welch, reach = welch(found, alpha)
    margin = settings.min_effect * found.deviation
    middle = found.difference * metric.sign
    factors = [
        _growth(max(*wanted), variance, mixture, alpha)
        for wanted in ((abs(middle), margin - middle), (margin + middle, -middle))
    ]
    return Judgement(
        metric=metric,
        users=users,
        estimate=found,
        radius=radius,
        p_sequence=sequence.p_value(found.difference, variance, mixture),
        reach=reach,
        p_welch=p_welch,
        d=cohen(found, alpha),
        margin=margin,
        more=math.ceil(high * (factors[0] - 1)),
        guarded=math.ceil(high * (factors[1] - 1)),
    )


def _growth(wanted: float, variance: float, mixture: float, alpha: float) -> float:
    """Times as many users as now until the radius is smaller than wanted."""
    if wanted <= 0 or variance <= 0 or float(sequence.radius(variance, mixture, alpha)) < wanted:
        return 1.0
    low, high = 1.0, 2.0
    while float(sequence.radius(variance / high, mixture, alpha)) >= wanted:
        low, high = high, high * 2
    for _ in range(50):
        middle = (low + high) / 2
        enough = float(sequence.radius(variance / middle, mixture, alpha)) < wanted
        low, high = (low, middle) if enough else (middle, high)
    return high


def document(one: Judgement) -> dict[str, Any]:
    """A judgement as plain data, in the units that people read."""
    metric, found = one.metric, one.estimate
    base: dict[str, Any] = {"users": {"champion": one.users[0], "canary": one.users[1]}, "meaning": metric.meaning}
    if found is None:
        return base
    ends = {
        name: (found.difference - reach, found.difference + reach)
        for name, reach in (("sequence", one.radius), ("welch", one.reach))
    }
    return base | {
        "champion": metric.level(found.means[0]),
        "canary": metric.level(found.means[1]),
        "effect": metric.effect(found.difference),
        "sequence": {"interval": [metric.effect(end) for end in ends["sequence"]], "p": one.p_sequence},
        "welch": {"interval": [metric.effect(end) for end in ends["welch"]], "p": one.p_welch, "df": found.freedom},
        "cohen_d": None if one.d is None else {"value": one.d[0], "interval": list(one.d[1:])},
        "min_effect": metric.effect(metric.sign * one.margin),
        "alone": found.alone,
    }
