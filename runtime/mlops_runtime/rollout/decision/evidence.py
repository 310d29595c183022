"""What speaks for and against a canary, since the rollout and since the step began.

Windows are joined to blocks of about 15 seconds, whatever the pace of the looks; the open block counts as it stands.
Evidence multiplies, so a long good time would drown what comes after it. Part of the stake is therefore kept and laid
down later, a bit at the begin of each step and a bit after each block: harm that begins late is found late by minutes
at most, and the chance of a false alarm stays what it is, for all stakes together are 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, isfinite, log, log1p
from typing import Any, NamedTuple

from mlops_runtime.rollout.decision.policy import BLOCK, LATER, Policy
from mlops_runtime.rollout.decision.wagers import mean_log
from mlops_runtime.rollout.decision.windows import Arm, Window, checked, joined, nothing

Wealth = tuple[float, ...]

FADE = 0.95
"""What is left after a block of what was recent: about five minutes in all."""


class Tilt(NamedTuple):
    """Sums of the Mantel-Haenszel ratio of failures, canary over champion, stratified by window.

    Source: Mantel, Haenszel, JNCI 22 (1959); Rothman, Modern Epidemiology, ch. 15, for the ratio of risks.
    """

    canary: float
    champion: float

    def plus(self, window: Window) -> Tilt:
        """With one window more; a window without one of the sides adds nothing."""
        n0, n1 = window.champion.requests, window.canary.requests
        if not n0 or not n1:
            return self
        both = n0 + n1
        return Tilt(self.canary + window.canary.failed * n0 / both, self.champion + window.champion.failed * n1 / both)

    @property
    def ratio(self) -> float:
        """The ratio, drawn towards 1 by one failure on each side, so that it always exists."""
        return (self.canary + 1) / (self.champion + 1)


class Recent(NamedTuple):
    """The last minutes; what is older fades block by block.

    Attributes:
        tilt: the same ratio.
        requests: the canary's, and how many of them failed.
        champion: its histogram of latency.
        canary: its histogram of latency.
    """

    tilt: Tilt
    requests: tuple[float, float]
    champion: tuple[float, ...]
    canary: tuple[float, ...]

    def plus(self, window: Window) -> Recent:
        """With one window more."""
        return Recent(
            self.tilt.plus(window),
            (self.requests[0] + window.canary.requests, self.requests[1] + window.canary.failed),
            _sum(self.champion, window.champion.latency),
            _sum(self.canary, window.canary.latency),
        )

    def faded(self) -> Recent:
        """After one block more."""
        return Recent(
            Tilt(FADE * self.tilt.canary, FADE * self.tilt.champion),
            (FADE * self.requests[0], FADE * self.requests[1]),
            tuple([FADE * count for count in self.champion]),
            tuple([FADE * count for count in self.canary]),
        )


@dataclass(frozen=True)
class Evidence:
    """Immutable; `seen` and `stepped` give the next one.

    Attributes:
        rollout: all counts since the rollout began.
        step: all counts since the step began.
        block: counts of the open block.
        open: what the open block adds to each bet as it stands.
        tilt: ratio of failures since the rollout began.
        tilt_step: ratio of failures since the step began.
        recent: ratio of failures, and latency, of the last minutes.
        wealth: logarithm of each bet's wealth over the closed blocks, wager by wager.
        steps: steps left behind.
        staked: those after which the stake of a step was added.
    """

    rollout: Window
    step: Window
    block: Window
    open: Wealth
    tilt: Tilt
    tilt_step: Tilt
    recent: Recent
    wealth: Wealth
    steps: int
    staked: int

    @classmethod
    def empty(cls, policy: Policy) -> Evidence:
        """Of a rollout that has just begun."""
        none, bets = nothing(len(policy.bounds) + 1), sum(wager.bets for wager in policy.wagers)
        stake = (log(1 - LATER),) * bets
        even, empty = Tilt(0.0, 0.0), (0.0,) * (len(policy.bounds) + 1)
        return cls(none, none, none, (0.0,) * bets, even, even, Recent(even, (0.0, 0.0), empty, empty), stake, 0, 0)

    def seen(self, policy: Policy, window: Window) -> Evidence:
        """With one window more.

        Raises:
            ValueError: the window's counts cannot be counts.
        """
        checked(window, len(policy.bounds) + 1)
        block, rollout = joined(self.block, window), joined(self.rollout, window)
        found = replace(
            self,
            rollout=rollout,
            step=joined(self.step, window),
            block=block,
            open=_gains(policy, block, rollout),
            tilt=self.tilt.plus(window),
            tilt_step=self.tilt_step.plus(window),
            recent=self.recent.plus(window),
            wealth=_staked(self.wealth, (self.steps - self.staked) * policy.step_stake),
            staked=self.steps,
        )
        if block.seconds < BLOCK:
            return found
        closed, stake = found._closed(), policy.block_stake if rollout.seconds <= policy.deadline else 0.0
        return replace(closed, recent=closed.recent.faded(), wealth=_staked(closed.wealth, stake))

    def stepped(self) -> Evidence:
        """At the begin of the next step: its counts begin again, the evidence since the rollout began goes on."""
        closed = self._closed()
        return replace(closed, step=closed.block, tilt_step=Tilt(0.0, 0.0), steps=self.steps + 1)

    def logs(self, policy: Policy) -> list[float]:
        """Logarithm of the evidence of each of the policy's wagers."""
        wealth, found, at = _sum(self.wealth, self.open), [], 0
        for wager in policy.wagers:
            found.append(mean_log(wealth[at : at + wager.bets]))
            at += wager.bets
        return found

    def content(self) -> dict[str, Any]:
        """JSON numbers that `read` makes the same evidence of."""
        return {
            "rollout": _plain(self.rollout),
            "step": _plain(self.step),
            "block": _plain(self.block),
            "tilt": list(self.tilt),
            "tilt_step": list(self.tilt_step),
            "recent": [list(part) for part in self.recent],
            "wealth": list(self.wealth),
            "steps": self.steps,
            "staked": self.staked,
        }

    @classmethod
    def read(cls, policy: Policy, content: Mapping[str, Any]) -> Evidence:
        """The evidence that was written.

        Raises:
            ValueError: it is not what `content` gives, or was gathered under another policy.
        """
        try:
            rollout, step, block = (
                _window(content[name], len(policy.bounds) + 1) for name in ("rollout", "step", "block")
            )
            tilt, tilt_step = (Tilt(*map(_finite, content[name])) for name in ("tilt", "tilt_step"))
            tilt_recent, (requests, failed), *arms = (tuple(map(_finite, part)) for part in content["recent"])
            recent = Recent(Tilt(*tilt_recent), (requests, failed), *arms)
            wealth = tuple(map(_finite, content["wealth"]))
            steps, staked = int(content["steps"]), int(content["staked"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"no evidence of a rollout: {error!r}") from None
        bets = sum(wager.bets for wager in policy.wagers)
        if not len(policy.bounds) + 1 == len(recent.champion) == len(recent.canary):
            raise ValueError("evidence of another histogram: gathered under another policy")
        if len(wealth) != bets:
            raise ValueError(f"evidence of {len(wealth)} bets, the policy has {bets}: gathered under another one")
        return cls(rollout, step, block, _gains(policy, block, rollout), tilt, tilt_step, recent, wealth, steps, staked)

    def _closed(self) -> Evidence:
        none = nothing(len(self.block.canary.latency))
        return replace(
            self,
            block=none,
            open=(0.0,) * len(self.open),
            wealth=_sum(self.wealth, self.open),
        )


def _gains(policy: Policy, block: Window, rollout: Window) -> Wealth:
    return tuple([gain for wager in policy.wagers for gain in wager.gains(block, rollout)])


def _sum(one: Sequence[float], other: Sequence[float]) -> Wealth:
    return tuple([x + y for x, y in zip(one, other, strict=True)])


def _staked(wealth: Wealth, stake: float) -> Wealth:
    """Each bet's wealth with a stake more; `stake` is no logarithm."""
    if not stake:
        return wealth
    more = log(stake)
    return tuple([max(have, more) + log1p(exp(-abs(have - more))) for have in wealth])


def _plain(window: Window) -> dict[str, Any]:
    sides = {"champion": window.champion, "canary": window.canary}
    return {"seconds": window.seconds} | {
        name: {
            "requests": arm.requests,
            "failed": arm.failed,
            "latency": list(arm.latency),
            "ratings": list(arm.ratings),
        }
        for name, arm in sides.items()
    }


def _window(content: Any, buckets: int) -> Window:
    champion, canary = (
        Arm(
            int(content[name]["requests"]),
            int(content[name]["failed"]),
            tuple(map(int, content[name]["latency"])),
            tuple(map(int, content[name]["ratings"])),  # type: ignore[arg-type]
        )
        for name in ("champion", "canary")
    )
    return checked(Window(_finite(content["seconds"]), champion, canary), buckets)


def _finite(value: Any) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError(f"{value} is no finite number")
    return number
