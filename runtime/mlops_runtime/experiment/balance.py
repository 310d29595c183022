"""Whether the arms have the users that they should: a sample-ratio mismatch says that something loses users.

Each stage is held against the share scheduled for it, never against one share for all. The p value is the exact
binomial one (both tails), which holds for small arms, too, where chi-square does not; over the stages it is corrected
by Bonferroni, which holds although the same users come again in the next stage.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

ALARM = 0.001
"""p below which the comparison is not trusted."""


class Balance(NamedTuple):
    """Users of a stage against its share.

    Attributes:
        champion: users.
        canary: users.
        share: of the canary, as scheduled.
        chi_square: with one degree of freedom.
        p: exact.
    """

    champion: int
    canary: int
    share: float
    chi_square: float
    p: float


def exact(champion: Any, canary: Any, share: Any) -> Any:
    """p of each stage; numbers or arrays."""
    from scipy.stats import binom  # type: ignore[import-untyped]

    total = np.asarray(champion) + np.asarray(canary)
    tail = np.minimum(binom.cdf(canary, total, share), binom.sf(np.asarray(canary) - 1, total, share))
    return np.minimum(1.0, 2 * tail)


def together(p: Any, stages: Any) -> Any:
    """p of all stages (the last axis), so many of which were looked at."""
    return np.minimum(1.0, np.min(p, axis=-1) * stages)


def judged(champion: list[int], canary: list[int], shares: list[float]) -> tuple[list[Balance], float]:
    """Every stage, and p of all together; stages without users, or whose share is 0 or 1, are not looked at."""
    found, looked = [], []
    for low, high, share in zip(champion, canary, shares, strict=True):
        total = low + high
        if not total or not 0 < share < 1:
            found.append(Balance(low, high, share, 0.0, 1.0))
            continue
        expected = total * share
        chi_square = (high - expected) ** 2 / expected + (low - total + expected) ** 2 / (total - expected)
        p = float(exact(low, high, share))
        looked.append(p)
        found.append(Balance(low, high, share, float(chi_square), p))
    return found, float(together(np.array(looked), len(looked))) if looked else 1.0
