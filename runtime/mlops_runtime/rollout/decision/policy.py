"""What a canary is judged by: section `rollout` of the settings, and the wagers that follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log
from typing import Any, NamedTuple

from mlops_runtime.rollout.decision.wagers import (
    TAIL,
    ErrorsAgainst,
    RatingLimit,
    ShareLimit,
    SlownessAgainst,
    Wager,
)

ALPHA = 0.01
"""Chance to roll back an equal canary where `against_champion` does not say."""

SHARES = {
    "error_rate_against_champion": 0.92,
    "latency_against_champion": 0.05,
    "error_rate": 0.01,
    "latency_p95": 0.01,
    "rating": 0.01,
}
"""Each gate's share of alpha, scaled up where some are not asked for. Failures are rare, so their comparison needs most
of it; a hard limit that is really broken is proven within tens of requests at any share."""

LATER = 0.06
"""Part of the stake that is kept for harm that begins later: half for the begin of the steps, half for every block."""

BLOCK = 14.0
"""Seconds of a block of evidence at least: the 15 s of Prometheus' scrapes, less their jitter."""

NEVER = 700.0
"""Evidence needed when alpha is 0: the largest whose exponential is a number."""


class Range(NamedTuple):
    """A hard limit; either end may be absent."""

    min: float | None
    max: float | None


@dataclass(frozen=True)
class AgainstChampion:
    """Largest ratios of canary to champion; None where not asked for."""

    error_rate: float | None
    latency_p95: float | None
    alpha: float


@dataclass(frozen=True)
class Policy:
    """The rules of a rollout.

    Attributes:
        steps: the canary's shares of the traffic; rise, end at 1.
        hold: seconds at each step at least.
        check_every: seconds between two looks.
        min_requests: canary requests of a step without which it is held.
        gates: hard limits by name in the spec: `error_rate` (share), `latency_p95` (seconds), `rating` (stars).
        against_champion: the comparison; None without one.
        deadline: seconds in all.
        bounds: upper bounds of the latency histogram in seconds, without +Inf.
    """

    steps: tuple[float, ...]
    hold: float
    check_every: float
    min_requests: int
    gates: Mapping[str, Range]
    against_champion: AgainstChampion | None
    deadline: float
    bounds: tuple[float, ...]

    @classmethod
    def read(cls, content: Mapping[str, Any], bounds: Sequence[float]) -> Policy:
        """The policy of section `rollout` of the controller's settings.

        Args:
            content: as `mlopsgen.project.settings.rollout` writes it.
            bounds: upper bounds of the latency histogram in seconds, without +Inf; every judged limit is one of them.

        Raises:
            ValueError: a limit on latency is no bound of the histogram, or the steps are none.
        """
        limits = {
            name: Range(_number(given.get("min")), _number(given.get("max")))
            for name, given in (content.get("gates") or {}).items()
            if given is not None
        }
        gates = {name: limit for name, limit in limits.items() if limit != Range(None, None)}
        against = content.get("against_champion")
        policy = cls(
            steps=tuple(float(step) for step in content["steps"]),
            hold=float(content["hold"]),
            check_every=float(content["check_every"]),
            min_requests=int(content["min_requests"]),
            gates=gates,
            against_champion=against
            and AgainstChampion(
                _ratio(against.get("error_rate")), _ratio(against.get("latency_p95")), float(against["alpha"])
            ),
            deadline=float(content["deadline"]),
            bounds=tuple(float(bound) for bound in bounds),
        )
        if not policy.steps or any(not 0 < step <= 1 for step in policy.steps):
            raise ValueError(f"steps are shares above 0 up to 1, not {policy.steps}")
        for limit in gates.get("latency_p95", ()):
            if limit is not None and limit not in policy.bounds:
                raise ValueError(f"the limit of {limit:g} s is no bound of the latency histogram: {policy.bounds}")
        return policy

    @cached_property
    def asked(self) -> tuple[str, ...]:
        """Gates of contract GATE that are asked for, in the order in which they are reported."""
        against = self.against_champion
        found = [name for name in ("error_rate", "latency_p95", "rating") if name in self.gates]
        if against is not None and against.error_rate is not None:
            found.append("error_rate_against_champion")
        if against is not None and against.latency_p95 is not None:
            found.append("latency_against_champion")
        return tuple(found)

    @cached_property
    def wagers(self) -> tuple[Wager, ...]:
        """All tests that may end the canary; alpha is shared among them."""
        return tuple(self._wagers())

    @cached_property
    def step_stake(self) -> float:
        """What is staked anew at the begin of each step after the first."""
        return LATER / 2 / max(1, len(self.steps) - 1)

    @cached_property
    def block_stake(self) -> float:
        """What is staked anew after each block, so that it lasts until the deadline."""
        return LATER / 2 / max(1.0, self.deadline / BLOCK)

    @property
    def alpha(self) -> float:
        """Chance to roll back an equal canary over the whole rollout, all gates together."""
        return ALPHA if self.against_champion is None else self.against_champion.alpha

    def _needed(self, gate: str, ends: int = 1) -> float:
        share = self.alpha * SHARES[gate] / sum(SHARES[name] for name in self.asked) / ends
        return log(1 / share) if share > 0 else NEVER

    def _wagers(self) -> Iterator[Wager]:
        for gate in self.asked:
            if gate in self.gates:
                yield from self._limits(gate, self.gates[gate])
        against = self.against_champion
        if against is None:
            return
        if against.error_rate is not None:
            gate = "error_rate_against_champion"
            yield ErrorsAgainst(gate, self._needed(gate), against.error_rate)
        if against.latency_p95 is not None:
            gate = "latency_against_champion"
            yield SlownessAgainst(gate, self._needed(gate), len(self.bounds), against.latency_p95)

    def _limits(self, gate: str, given: Range) -> Iterator[Wager]:
        ends = [(limit, low) for limit, low in ((given.min, True), (given.max, False)) if limit is not None]
        needed = self._needed(gate, len(ends))
        for limit, low in ends:
            if gate == "rating":
                yield RatingLimit(gate, needed, limit, low)
            elif gate == "latency_p95":
                yield ShareLimit(gate, needed, TAIL, self.bounds.index(limit), low)
            else:
                yield ShareLimit(gate, needed, limit, None, low)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _ratio(given: Mapping[str, Any] | None) -> float | None:
    return None if given is None else float(given["max_ratio"])
