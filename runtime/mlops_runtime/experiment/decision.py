"""Ship, keep, or wait for more users: the decision and its reason in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mlops_runtime.experiment.balance import ALARM
from mlops_runtime.experiment.judgement import Judgement
from mlops_runtime.experiment.planning import Plan
from mlops_runtime.experiment.settings import Settings

METHODS = ("sequence", "welch")
"""Intervals that a decision may rest on: the confidence sequence at any look, Welch's once at the planned users."""


class Decision(NamedTuple):
    """What to do.

    Attributes:
        verdict: `ship` the challenger, `keep` the champion, or wait for `more` users.
        reason: in words.
        more: users of the canary that are missing; None unless the verdict is `more`.
    """

    verdict: str
    reason: str
    more: int | None = None


def decided(
    settings: Settings, plan: Plan, found: Mapping[str, Judgement], balance: float, seconds: float, method: str
) -> Decision:
    """The decision.

    Args:
        settings: of the experiment.
        plan: its users.
        found: judgement of every metric.
        balance: p of the sample ratio.
        seconds: from the first outcome to the last.
        method: one of `METHODS`.
    """
    if balance < ALARM:
        reason = f"the arms do not have the users that they should (sample-ratio mismatch, p = {balance:.2g})"
        return Decision("keep", f"{reason}: find out who is missing before any difference is believed")
    main = found[settings.metric]
    guards = [one for name, one in found.items() if name != settings.metric]
    late = seconds >= settings.max_duration
    if main.estimate is None:
        return _few(settings, plan, main, late)
    for one in guards:
        if one.estimate is not None and one.better(method)[1] < 0:
            return Decision("keep", f"{one.metric.name}, a guardrail, is worse: {_effect(one, method)}")
    if method == "welch" and (missing := _until_fixed(plan, main)) > 0:
        return Decision("more", f"Welch's test is looked at once, with {plan.fixed.canary:,} users or more", missing)
    low, high = main.better(method)
    if high < 0:
        return Decision("keep", f"{settings.metric} is worse: {_effect(main, method)}")
    if high < main.margin:
        worth = main.metric.effect_text(main.metric.effect(main.metric.sign * main.margin))
        return Decision("keep", f"{settings.metric} gains less than {worth}, worth shipping: {_effect(main, method)}")
    if low > 0:
        return _shipped(settings, main, guards, late, method)
    if method == "welch":
        return Decision("keep", f"the planned test sees no difference of {settings.metric}: {_effect(main, method)}")
    if late:
        return Decision("keep", f"`max_duration` is over and {settings.metric} is not settled: {_effect(main, method)}")
    missing = main.more or max(1, plan.sequence.canary - main.users[1])
    return Decision("more", f"{settings.metric} is not settled: {_effect(main, method)}", missing)


def _until_fixed(plan: Plan, main: Judgement) -> int:
    return max(plan.fixed.canary - main.users[1], _missing(plan.fixed.champion - main.users[0], plan))


def _missing(champion: int, plan: Plan) -> int:
    """Users of the canary that come along with so many of the champion."""
    return -(-champion * plan.fixed.canary // plan.fixed.champion)


def _few(settings: Settings, plan: Plan, main: Judgement, late: bool) -> Decision:
    least, (champion, canary) = settings.min_samples, main.users
    counts = f"{settings.metric} is known of {champion:,} users of the champion and {canary:,} of the canary"
    if late:
        return Decision("keep", f"`max_duration` is over: {counts}, and nothing is said below {least:,}")
    missing = max(1, least - canary, _missing(least - champion, plan))
    return Decision("more", f"{counts}: nothing is said below {least:,}", missing)


def _shipped(settings: Settings, main: Judgement, guards: Sequence[Judgement], late: bool, method: str) -> Decision:
    """The metric is better: ship, unless a guardrail may still be much worse."""
    open_ = [one for one in guards if one.estimate is not None and one.better(method)[0] < -one.margin]
    said = f"{settings.metric} is better: {_effect(main, method)}"
    unknown = [one.metric.name for one in guards if one.estimate is None]
    beside = f"; of {' and '.join(unknown)}, too few users are known to be guarded" if unknown else ""
    names = " and ".join(one.metric.name for one in open_)
    if not open_:
        return Decision("ship", said + beside)
    if method == "welch":
        return Decision("ship", f"{said}; {names} may be worse, which this test does not show{beside}")
    if late:
        return Decision("keep", f"{said}, but {names} may be worse, and the time to find out is over")
    return Decision("more", f"{said}, but {names} may still be worse", max(1, *(one.guarded for one in open_)))


def _effect(one: Judgement, method: str) -> str:
    assert one.estimate is not None
    metric, middle = one.metric, one.estimate.difference
    reach = one.radius if method == "sequence" else one.reach
    span = metric.span_text(metric.effect(middle - reach), metric.effect(middle + reach))
    return f"{metric.effect_text(metric.effect(middle))} ({span})"
