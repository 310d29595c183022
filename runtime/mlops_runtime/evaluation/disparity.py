"""How differently groups are treated: mean paired differences, and an interval that holds for all of them at once.

Every set of a suite says the same thing once for each group. For a measure x and groups a and b, the contrast is the
mean over the sets of x(a) - x(b): what is peculiar to one sentence cancels out, what always favours one group stays.
The gap is the largest absolute contrast over all measures and pairs of groups.

A largest value of many is large by chance, so that the interval of the one that happens to win would be too short. The
band here is simultaneous (maximum of the standardised deviations over bootstrap samples: Westfall and Young,
Resampling-Based Multiple Testing, 1993; Romano and Wolf, Exact and Approximate Stepdown Methods, JASA 100, 2005): with
95 % confidence no contrast lies outside of its own interval, so that the true gap is at most the largest upper end.
Holm's procedure would say which contrasts differ from zero, and not how large the largest may be, which a limit asks.

Sets are drawn whole (paired bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 16). An
outcome that never differed in n sets is no proof that it never will. So half a set that differs in each direction is
added for each pair of groups (Agresti and Min, Statistics in Medicine 24, 2005): for each group, a quarter of a set in
which it alone had the outcome, and a quarter in which it alone had not. They widen intervals and move no contrast.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

DRAWS = 2000
"""Bootstrap samples."""

CONFIDENCE = 0.95
"""That all contrasts lie inside of their intervals."""

MINIMUM = 30
"""Sets below which no gap is stated: its interval would be an invention."""

_CELLS = 1 << 22
"""Counts held at a time."""


class Measure(NamedTuple):
    """Something measured of every text.

    Attributes:
        name: such as `likelihood`.
        differences: sets × pairs of groups in the order of `pairs`, each from -1 to 1.
        outcome: whether a yes or no is measured, or the probability of one.
        label: whose probability it is, of several labels.
    """

    name: str
    differences: Floats
    outcome: bool
    label: str | None = None


class Contrast(NamedTuple):
    """Mean difference between two groups, and its interval in the simultaneous band."""

    measure: str
    groups: tuple[str, str]
    value: float
    lower: float
    upper: float
    label: str | None = None

    @property
    def most(self) -> float:
        """The largest absolute difference that the interval holds, at most 1."""
        ends = (abs(self.lower), abs(self.upper))
        return min(1.0, max(ends)) if all(map(math.isfinite, ends)) else math.nan


def pairs(groups: int) -> tuple[Integers, Integers]:
    """First and second group of each pair: those of three are (0, 1), (0, 2), (1, 2)."""
    import numpy as np

    first, second = np.array(list(combinations(range(groups), 2))).T
    return first, second


def differences(values: Floats) -> Floats:
    """Sets × pairs of groups, from values of sets × groups."""
    first, second = pairs(values.shape[1])
    found: Floats = values[:, first] - values[:, second]
    return found


def contrasts(groups: list[str], measures: list[Measure], seed: int = 0) -> list[Contrast]:
    """Contrasts of all measures and pairs of groups.

    Args:
        groups: names, two or more; a pair is named in their order.
        measures: of the same sets.
        seed: of the drawing; the same values give the same intervals.

    Returns:
        One for each measure and pair; its interval is NaN to NaN when any value is not finite.
    """
    import numpy as np

    found = np.concatenate([measure.differences for measure in measures], axis=1)
    alone = np.eye(len(groups))
    imagined = differences(np.concatenate([alone, 1 - alone]))
    added = [
        imagined if measure.outcome else np.broadcast_to(measure.differences.mean(axis=0), imagined.shape)
        for measure in measures
    ]
    lower, upper = _band(found, np.concatenate(added, axis=1), seed)
    named = [(measure, pair) for measure in measures for pair in combinations(groups, 2)]
    ends = zip(found.mean(axis=0).tolist(), lower.tolist(), upper.tolist(), strict=True)
    return [Contrast(one.name, pair, *three, one.label) for (one, pair), three in zip(named, ends, strict=True)]


def _band(found: Floats, added: Floats, seed: int) -> tuple[Floats, Floats]:
    """Lower and upper ends of the columns' means.

    Bootstrap samples are as narrow as the sets that they are drawn from: the sample's own deviation and Student's t
    instead of the normal distribution make up for it.

    Args:
        found: sets × contrasts.
        added: sets that count a quarter each.
        seed: of the drawing.
    """
    import numpy as np
    from scipy import stats  # type: ignore[import-untyped]

    count, means = len(found), found.mean(axis=0)
    if not np.isfinite(found).all():
        return np.full_like(means, np.nan), np.full_like(means, np.nan)
    rows = np.concatenate([found, added])
    shares = np.concatenate([np.ones(count), np.full(len(added), 0.25)])
    shares /= shares.sum()
    center = shares @ rows
    errors = np.sqrt(shares @ (rows - center) ** 2 / count)
    generator = np.random.Generator(np.random.Philox(seed))
    largest = []
    for start in range(0, DRAWS, step := max(1, _CELLS // len(rows))):
        drawn = generator.multinomial(count, shares, size=min(step, DRAWS - start)) @ rows / count
        away = np.divide(np.abs(drawn - center), errors, out=np.zeros_like(drawn), where=errors > 0)
        largest.append(away.max(axis=1))
    student = float(stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1) / stats.norm.ppf(0.5 + CONFIDENCE / 2))
    widths = np.maximum(errors, found.std(axis=0, ddof=1) / math.sqrt(count))
    reach = float(np.quantile(np.concatenate(largest), CONFIDENCE)) * student * widths
    return means - reach, means + reach
