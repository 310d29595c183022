"""What speaks for and against a canary, since the rollout and since the step began.

Windows are joined to blocks of about 15 seconds, whatever the pace of the looks; the open block counts as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite, log
from typing import Any, NamedTuple

from mlops_runtime.rollout.decision.policy import BLOCK, LATER, Policy
from mlops_runtime.rollout.decision.wagers import mean_log
from mlops_runtime.rollout.decision.windows import Arm, Window, checked, joined, nothing

Wealth = tuple[float, ...]


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
        wealth: logarithm of each bet's wealth over the closed blocks, wager by wager, staked when the rollout began.
        wealth_step: the same, staked when the step began.
        steps: steps left behind.
    """

    rollout: Window
    step: Window
    block: Window
    open: Wealth
    tilt: Tilt
    tilt_step: Tilt
    wealth: Wealth
    wealth_step: Wealth
    steps: int

    @classmethod
    def empty(cls, policy: Policy) -> Evidence:
        """Of a rollout that has just begun."""
        none = nothing(len(policy.bounds) + 1)
        even = (0.0,) * sum(wager.bets for wager in policy.wagers)
        return cls(none, none, none, even, Tilt(0.0, 0.0), Tilt(0.0, 0.0), even, even, 0)

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
        )
        return found._closed() if block.seconds >= BLOCK else found

    def stepped(self) -> Evidence:
        """At the begin of the next step: its counts begin again, the evidence since the rollout began goes on."""
        closed = self._closed()
        return replace(
            closed, step=closed.block, tilt_step=Tilt(0.0, 0.0), wealth_step=closed.open, steps=self.steps + 1
        )

    def logs(self, policy: Policy) -> list[float]:
        """Logarithm of the evidence of each of the policy's wagers."""
        whole, since = _sum(self.wealth, self.open), _sum(self.wealth_step, self.open)
        found, at = [], 0
        for wager in policy.wagers:
            end = at + wager.bets
            value = mean_log(whole[at:end])
            if policy.later:
                value += log(1 - LATER)
                if self.steps:
                    late = log(policy.later) + mean_log(since[at:end])
                    value = log(2) + mean_log((value, late))
            found.append(value)
            at = end
        return found

    def content(self) -> dict[str, Any]:
        """JSON numbers that `read` makes the same evidence of."""
        return {
            "rollout": _plain(self.rollout),
            "step": _plain(self.step),
            "block": _plain(self.block),
            "tilt": list(self.tilt),
            "tilt_step": list(self.tilt_step),
            "wealth": list(self.wealth),
            "wealth_step": list(self.wealth_step),
            "steps": self.steps,
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
            wealth, wealth_step = (tuple(map(_finite, content[name])) for name in ("wealth", "wealth_step"))
            steps = int(content["steps"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"no evidence of a rollout: {error!r}") from None
        bets = sum(wager.bets for wager in policy.wagers)
        if not len(wealth) == len(wealth_step) == bets:
            raise ValueError(f"evidence of {len(wealth)} bets, the policy has {bets}: gathered under another one")
        return cls(rollout, step, block, _gains(policy, block, rollout), tilt, tilt_step, wealth, wealth_step, steps)

    def _closed(self) -> Evidence:
        none = nothing(len(self.block.canary.latency))
        return replace(
            self,
            block=none,
            open=(0.0,) * len(self.open),
            wealth=_sum(self.wealth, self.open),
            wealth_step=_sum(self.wealth_step, self.open),
        )


def _gains(policy: Policy, block: Window, rollout: Window) -> Wealth:
    return tuple([gain for wager in policy.wagers for gain in wager.gains(block, rollout)])


def _sum(one: Wealth, other: Wealth) -> Wealth:
    return tuple([x + y for x, y in zip(one, other, strict=True)])


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
