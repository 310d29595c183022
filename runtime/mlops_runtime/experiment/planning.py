"""How many users it takes: for Welch's test at a horizon fixed in advance, and for looking all the time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mlops_runtime.experiment.sequence import mixing, radius, stopping
from mlops_runtime.experiment.settings import Settings

DAY = 86_400.0
MOST = 10**12
"""Users beyond which no plan is made."""


class Arms(NamedTuple):
    """Users of both arms."""

    champion: int
    canary: int

    @property
    def total(self) -> int:
        """Of both."""
        return self.champion + self.canary

    @property
    def variance(self) -> float:
        """Of the difference of the means, in units of a user's variance."""
        return 1 / self.champion + 1 / self.canary


class Plan(NamedTuple):
    """Users that an experiment takes.

    Attributes:
        fixed: for Welch's test, looked at once.
        sequence: for the confidence sequence: by then it has seen the effect with the power asked for.
        median: users by which it has seen the effect in half of all experiments.
    """

    fixed: Arms
    sequence: Arms
    median: Arms


def split(canary: int, share: float) -> Arms:
    """Both arms when one has so many users and so large a share."""
    return Arms(max(2, math.ceil(round(canary * (1 - share) / share, 6))), canary)


def welch_power(arms: Arms, effect: float, alpha: float) -> float:
    """Chance that Welch's two-sided test sees an effect, by the noncentral t distribution.

    Args:
        arms: users.
        effect: Cohen's d; both arms have the same variance.
        alpha: of the test.
    """
    from scipy.stats import nct, norm, t  # type: ignore[import-untyped]

    shift = effect / math.sqrt(arms.variance)
    parts = [(1 / n) ** 2 / (n - 1) for n in arms]
    freedom = arms.variance**2 / sum(parts)
    cut = float(t.isf(alpha / 2, freedom))
    found = float(nct.sf(cut, freedom, shift) + nct.cdf(-cut, freedom, shift)) if freedom < 10_000 else math.nan
    # Far from 0 the noncentral t of scipy is not a number, and the normal distribution is exact enough.
    return found if math.isfinite(found) else float(norm.sf(cut - shift) + norm.cdf(-cut - shift))


def planned(settings: Settings) -> Plan:
    """Users that the experiment takes; never fewer than `min_samples` in an arm."""
    effect, alpha, share = settings.min_effect, settings.alpha, settings.traffic
    first = max(settings.min_samples, math.ceil(round(settings.min_samples * share / (1 - share), 6)))
    fixed = _smallest(share, first, lambda arms: welch_power(arms, effect, alpha) >= settings.power)
    mixture = float(mixing(fixed.variance, alpha))
    last = _smallest(share, first, lambda arms: _settled(arms, effect, alpha, mixture))
    looks = (1 / split(first, share).variance, 1 / split(max(last.canary, first + 1), share).variance)
    information, chances = stopping(effect, mixture, alpha, *looks)

    def by(chance: float) -> Arms:
        reached = float(np.interp(chance, chances, information))
        # The sequence takes the larger of two variances, which differ by chance: by so much on average (normal values).
        reached *= 1 + math.sqrt(2 / reached) * abs(1 - 2 * share) / math.sqrt(2 * math.pi)
        return split(max(first, math.ceil(reached / (1 - share))), share)

    return Plan(fixed, by(settings.power), by(0.5))


def _settled(arms: Arms, effect: float, alpha: float, mixture: float) -> bool:
    """Whether the sequence leaves 0 out at this very number of users, nearly always: four standard deviations."""
    return effect - float(radius(arms.variance, mixture, alpha)) > 4 * math.sqrt(arms.variance)


def _smallest(share: float, least: int, enough: Callable[[Arms], bool]) -> Arms:
    low, high = least - 1, least
    while not enough(split(high, share)) and high < MOST:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(split(middle, share)) else (middle, high)
    return split(high, share)


def detectable(arms: Arms, alpha: float, power: float) -> float:
    """Smallest effect (Cohen's d) that Welch's test sees with a power."""
    low, high = 0.0, 1.0
    while welch_power(arms, high, alpha) < power:
        low, high = high, high * 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if welch_power(arms, middle, alpha) >= power else (middle, high)
    return high


def document(settings: Settings, users_per_day: float | None) -> dict[str, Any]:
    """The plan as plain data.

    Args:
        settings: of the experiment.
        users_per_day: new users a day, of both arms; None when it is not known.
    """
    plan = planned(settings)
    found: dict[str, Any] = {
        "asked": {
            "metric": settings.metric,
            "alpha": settings.alpha,
            "power": settings.power,
            "min_effect": settings.min_effect,
            "traffic": settings.traffic,
        }
    }
    for name, arms in plan._asdict().items():
        found[name] = {"champion": arms.champion, "canary": arms.canary, "total": arms.total}
        found[name]["days"] = None if users_per_day is None else arms.total / users_per_day
    found["price"] = plan.sequence.total / plan.fixed.total
    if users_per_day is not None:
        days = settings.max_duration / DAY
        arms = split(max(2, int(users_per_day * days * settings.traffic)), settings.traffic)
        found["users_per_day"] = users_per_day
        found["max_days"] = days
        found["detectable"] = detectable(arms, settings.alpha, settings.power)
    return found


def show(found: dict[str, Any]) -> None:
    """Print the plan for people."""
    import click

    from mlops_runtime.terminal import table

    asked = found["asked"]
    click.echo(
        f"{asked['metric']}: an effect of {asked['min_effect']:g} standard deviations, seen with a chance of "
        f"{_percent(asked['power'])}, alpha {_percent(asked['alpha'])}, {_percent(asked['traffic'])} of the users on "
        "the canary\n"
    )
    names = {
        "fixed": "Welch's test, one look at the end",
        "sequence": "confidence sequence, any number of looks",
        "median": "confidence sequence, half of all experiments",
    }
    days = [found[name]["days"] for name in names]
    table(
        ("users", "champion", "canary", "total", *(("days",) if days[0] is not None else ())),
        [
            (label, *(f"{found[name][arm]:,}" for arm in ("champion", "canary", "total")), *_days(found[name]["days"]))
            for name, label in names.items()
        ],
    )
    click.echo(f"\nlooking all the time costs {found['price'] - 1:.0%} more users where it lasts longest")
    if "max_days" in found:
        fits = "is" if found["sequence"]["days"] <= found["max_days"] else "is not"
        click.echo(
            f"max_duration of {found['max_days']:g} days {fits} enough for that; Welch's test sees "
            f"{found['detectable']:.3g} standard deviations in it"
        )


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"


def _days(days: float | None) -> tuple[str, ...]:
    return () if days is None else (f"{days:.1f}",)
