"""Where users are while the canary grows, and what chance explains."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

from tests.traffic.client import USER, ask_all

FALSE_ALARM = 1e-7
"""Chance that one look at an honest split is called wrong; a test takes at most ten."""


def bounds(trials: int, share: float, alarm: float = FALSE_ALARM) -> tuple[int, int]:
    """Fewest and most successes that a binomial share explains: outside lies a chance of at most `alarm`."""
    if share in (0, 1):
        return (int(trials * share),) * 2

    def chance(hits: int) -> float:
        ways = math.lgamma(trials + 1) - math.lgamma(hits + 1) - math.lgamma(trials - hits + 1)
        return math.exp(ways + hits * math.log(share) + (trials - hits) * math.log1p(-share))

    def edge(counts: Iterable[int]) -> int:
        outside = 0.0
        for hits in counts:
            outside += chance(hits)
            if outside > alarm / 2:
                return hits
        raise AssertionError("unreachable: chances sum to one")

    return edge(range(trials + 1)), edge(range(trials, -1, -1))


def users(number: int) -> list[str]:
    """Distinct users."""
    return [f"user-{each}" for each in range(number)]


class Walk(NamedTuple):
    """Where users were at each weight of the canary in percent, in the order of the weights.

    Attributes:
        first: the answers to a first request of each user.
        second: those to a second one of some users.
    """

    first: dict[int, dict[str, str]]
    second: dict[int, dict[str, str]]

    def wrong_shares(self) -> list[str]:
        """Weights at which the canary's share is none that the weight explains."""
        found = []
        for weight, seen in self.first.items():
            low, high = bounds(len(seen), weight / 100)
            hits = Counter(seen.values())["canary"]
            if not low <= hits <= high:
                found.append(f"{weight}%: {hits} of {len(seen)}, not between {low} and {high}")
        return found

    def moved(self) -> list[tuple[int, str]]:
        """Weights and users that were answered by both versions."""
        return [
            (weight, user)
            for weight, seen in self.second.items()
            for user in seen
            if seen[user] != self.first[weight][user]
        ]

    def left(self) -> list[tuple[int, str]]:
        """Weights and users that left the canary while it grew."""
        weights = list(self.first)
        return [
            (after, user)
            for before, after in pairwise(weights)
            for user, side in self.first[before].items()
            if side == "canary" and self.first[after][user] != "canary"
        ]


WEIGHTS = (5, 10, 25, 50, 100)
AGAIN = 500
"""Users who ask twice."""


def walk(at_weight: Callable[[int], int], header: str = USER, number: int = 2000) -> Walk:
    """Ask for each of many users at each weight, and for some again; `at_weight` sets one and says at which port."""
    found = Walk({}, {})
    everybody = users(number)
    for weight in WEIGHTS:
        port = at_weight(weight)
        for seen, some in zip(found, (everybody, everybody[:AGAIN]), strict=True):
            answers = ask_all(port, [{header: user} for user in some])
            assert {answer.status for answer in answers} == {200}
            seen[weight] = dict(zip(some, (answer.body for answer in answers), strict=True))
    return found
