"""Wagers against "the canary is fine": what one stretch of time adds to the evidence.

Each wager multiplies a stake of 1 by a factor whose mean is at most 1 as long as the canary is fine. Its wealth may be
looked at as often as one likes: it ever reaches 1/a with a chance of at most a (Ville's inequality). A wager holds
several bets, each on another size of the harm; its wealth is their mean. Factors are kept as logarithms.

Source: Ramdas, Grünwald, Vovk, Shafer, Game-theoretic statistics and safe anytime-valid inference,
Stat. Sci. 38 (2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import expm1, inf, log, log1p
from typing import Protocol

from mlops_runtime.rollout.decision.windows import STARS, Arm, Window

CLEAR = 4.0
"""A ratio that is clear to everyone; twice `max_ratio` where that is more."""

SPARED = 2.0
"""Events of one block that always count; more of them count as far as a clear ratio would bring them."""

OUTAGE = 1.5
"""A block with more events than this, plus three times what a clear ratio brings, looks like an outage."""

MOST, MOST_OUTAGE, MOST_LIMIT = 0.9, 0.2, 0.4
"""What one block may add at most, as part of the evidence needed: to a comparison; to one when it looks like an outage,
which must last for more than a minute; against a hard limit."""

TAIL = 0.05
"""Share of the requests above the 95th percentile."""

SLOW_ODDS = (1.5, 3.0)
"""Bets on the odds of a slow answer, canary over champion."""

HARD_ODDS = (1.5, 4.0)
"""Bets on the odds of the harm, canary over the limit."""

SMALLEST = 1e-6
"""A limit of 0 is judged as this, one of 1 as all but this: a chance that can be told from others."""


class Wager(Protocol):
    """A test that is valid at every look.

    Attributes:
        gate: whose it is, of contract GATE.
        needed: logarithm of the evidence that proves the harm.
    """

    @property
    def gate(self) -> str: ...

    @property
    def needed(self) -> float: ...

    @property
    def bets(self) -> int:
        """How many bets it holds."""
        ...

    def gains(self, block: Window, rollout: Window) -> list[float]:
        """Logarithm of each bet's factor for one block of time; 0 for what says nothing."""
        ...


def gain(hits: float, events: float, share: float, odds: float) -> float:
    """Logarithm of a bet's factor: `hits` of `events` fell on the canary, expected was a `share` of at most so much.

    The mean of odds**hits is at most (1 + share (odds - 1))**events when each event hits with a chance of at most
    `share`, and also when the hits are drawn without replacement (Hoeffding, JASA 58, 1963, theorem 4). For odds
    below 1 the same holds with "at least".
    """
    return hits * log(odds) - events * log1p(share * (odds - 1))


@dataclass(frozen=True)
class ErrorsAgainst:
    """The canary fails no more often than the champion: of all failures of a block it has its share of the requests.

    Given the requests of both sides and the failures of both together, neither the weight nor the rate of failures
    needs to be known, and what hits both sides alike says nothing. Bursts are no rates: see `_against`.

    Attributes:
        max_ratio: of the failures, canary over champion, that is allowed.
    """

    gate: str
    needed: float
    max_ratio: float

    @property
    def odds(self) -> tuple[float, float]:
        """Ratios that are bet on: one not far above what is allowed, one that is clear. At 2 they are 3.5 and 4."""
        return min(self.max_ratio**1.8, 1.75 * self.max_ratio), 2 * self.max_ratio

    @property
    def bets(self) -> int:
        """One per ratio."""
        return 2

    def gains(self, block: Window, rollout: Window) -> list[float]:
        """Of one block."""
        champion, canary = block.champion, block.canary
        usual = (rollout.champion.requests, rollout.champion.failed)
        return _against(self, (champion.requests, champion.failed, canary.requests, canary.failed), usual)


@dataclass(frozen=True)
class SlownessAgainst:
    """The canary is no slower than the champion: bound by bound, of all answers above it it has its share.

    The test for failures, once per bound of the histogram; the wealth is the mean over all bounds. What it cannot see:
    answers that get slower without crossing a bound. Bounds are a factor of about 2 apart, so a shift of all latencies
    by 1.2 crosses one for many requests, while a shift of nothing but the slowest few may stay between two.

    Attributes:
        bounds: how many bounds the histogram has.
        max_ratio: of the 95th percentiles, canary over champion, that is allowed.
    """

    gate: str
    needed: float
    bounds: int
    max_ratio: float
    odds: tuple[float, ...] = SLOW_ODDS

    @property
    def bets(self) -> int:
        """One per bound and ratio."""
        return self.bounds * len(self.odds)

    def gains(self, block: Window, rollout: Window) -> list[float]:
        """Of one block; bounds from the largest down."""
        champion, canary, usual = block.champion.latency, block.canary.latency, rollout.champion.latency
        n0, n1, n = sum(champion), sum(canary), sum(usual)
        k0 = k1 = k = 0
        found: list[float] = []
        for more0, more1, more in zip(champion[:0:-1], canary[:0:-1], usual[:0:-1], strict=True):
            k0, k1, k = k0 + more0, k1 + more1, k + more
            found += _against(self, (n0, k0, n1, k1), (n, k))
        return found


def _against(
    wager: ErrorsAgainst | SlownessAgainst, block: tuple[int, int, int, int], usual: tuple[int, int]
) -> list[float]:
    """Gains of one block.

    Events of the canary count up to `SPARED` plus what a clear ratio to the champion would have brought, and the gain
    ends at `MOST`, or at `MOST_OUTAGE`, of what is needed. Both only ever lower a gain, so its mean stays at most 1 and
    the limits may look at the block itself.

    Args:
        wager: whose.
        block: requests and events of the champion, then of the canary.
        usual: requests and events of the champion since the rollout began, this block with them.
    """
    n0, k0, n1, k1 = block
    if not n0 or not n1 or not (k0 or k1):
        return [0.0] * len(wager.odds)
    share = n1 / (n0 + n1)
    clear = max(CLEAR, 2 * wager.max_ratio) * n1 * max(k0 / n0, (usual[1] + 0.5) / usual[0])
    hits = min(k1, SPARED + clear)
    most = wager.needed * (MOST_OUTAGE if k1 > OUTAGE + 3 * clear else MOST)
    return [min(most, gain(hits, k0 + hits, share, odds)) for odds in wager.odds]


@dataclass(frozen=True)
class ShareLimit:
    """At most a share `limit` of the canary's requests fails, or is slower than the limit's bucket.

    A block counts at most `SPARED` such requests plus twice what the limit allows, and its gain ends at `MOST_LIMIT` of
    what is needed: three blocks at least.

    Attributes:
        bucket: index of the last bucket within the limit on latency; None for failures.
        low: the limit is the least share instead (a percentile that must not fall below a bound).
    """

    gate: str
    needed: float
    limit: float
    bucket: int | None = None
    low: bool = False

    @property
    def bets(self) -> int:
        """One per ratio of the odds."""
        return len(HARD_ODDS)

    def counts(self, arm: Arm) -> tuple[int, int]:
        """Requests beyond the limit, and of how many."""
        if self.bucket is None:
            return arm.failed, arm.requests
        return sum(arm.latency[self.bucket + 1 :]), sum(arm.latency)

    def gains(self, block: Window, rollout: Window) -> list[float]:
        """Of one block."""
        hits, requests = self.counts(block.canary)
        share, most = min(max(self.limit, SMALLEST), 1 - SMALLEST), MOST_LIMIT * self.needed
        if self.low:
            return [min(most, gain(hits, requests, share, 1 / odds)) for odds in HARD_ODDS]
        counted = min(hits, SPARED + 2 * share * requests)
        return [min(most, gain(counted, requests, share, odds)) for odds in HARD_ODDS]


@dataclass(frozen=True)
class RatingLimit:
    """The mean rating is at least (`low`) or at most `limit`: a bet on each rating's distance from it.

    Source: Waudby-Smith, Ramdas, Estimating means of bounded random variables by betting, JRSS B 86 (2024).
    """

    gate: str
    needed: float
    limit: float
    low: bool = True
    stakes: tuple[float, ...] = (0.25, 0.6, 0.9)

    @property
    def bets(self) -> int:
        """One per stake."""
        return len(self.stakes)

    def gains(self, block: Window, rollout: Window) -> list[float]:
        """Of one block."""
        sign, room = (1, STARS[-1] - self.limit) if self.low else (-1, self.limit - STARS[0])
        given = [(count, sign * (self.limit - star)) for star, count in zip(STARS, block.canary.ratings, strict=True)]
        room = max(room, 0.1)
        return [
            min(MOST_LIMIT * self.needed, sum(count * log1p(stake / room * away) for count, away in given if count))
            for stake in self.stakes
        ]


def mean_log(values: Sequence[float]) -> float:
    """Logarithm of the mean of e**values."""
    largest = max(values)
    if largest == inf:
        return inf
    return largest + log1p(sum(expm1(value - largest) for value in values) / len(values))
