"""How often `mlops-runtime experiment analyze` errs, and how often it sees what is there.

Type I error of the confidence sequence looked at after every user, beside a t-test that is peeked at in the same way;
coverage of the interval at a fixed horizon, also for users with several requests, under a ramp, and beside the interval
over requests; false alarms of the sample-ratio check under a ramp; power against the plan. Run it with
`python benchmarks/experiment.py`; it takes under four minutes on one core and prints the same numbers each time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / folder) for folder in ("runtime", ".")]

from mlops_runtime.experiment import balance, decision, sequence  # noqa: E402
from mlops_runtime.experiment.estimate import Moments, Units, compared, difference, pooled, welch  # noqa: E402
from mlops_runtime.experiment.judgement import judged  # noqa: E402
from mlops_runtime.experiment.metrics import METRICS  # noqa: E402
from mlops_runtime.experiment.planning import Plan, planned  # noqa: E402
from mlops_runtime.experiment.settings import Settings  # noqa: E402

SEED, ALPHA, LEAST = 20_261_123, 0.05, 30
FIRST, LAST = 100, 5_000
"""Users from the first look to the last; there is a look after each."""
RUNS, BATCH = 10_000, 50
Z = float(norm.isf(ALPHA / 2))
RAMP = (0.05, 0.1, 0.25, 0.5)

Generator = np.random.Generator
Draw = Callable[[Generator, tuple[int, ...]], Any]

DRAWS: dict[str, Draw] = {
    "normal": lambda g, size: g.standard_normal(size, dtype=np.float32).astype(float),
    "rating 1 to 5": lambda g, size: np.searchsorted([0.1, 0.15, 0.25, 0.5], g.random(size), side="right") + 1.0,
    "success 97 %": lambda g, size: (g.random(size) < 0.97).astype(float),
    "skewed (exponential)": lambda g, size: g.standard_exponential(size),
}


def settings(traffic: float, effect: float, power: float = 0.8) -> Settings:
    """Settings of an experiment."""
    return Settings("benchmark", "x-user-id", traffic, "rating", ALPHA, power, effect, LEAST, 7 * 86_400.0)


def sums(values: Any, canary: Any) -> tuple[Moments, Moments]:
    """Sums of both arms after each user; arrays of runs by users."""
    seen = np.arange(1, values.shape[1] + 1)
    count, total, squares = (np.cumsum(part * canary, axis=1) for part in (np.ones_like(values), values, values**2))
    champion = Moments(seen - count, values.cumsum(axis=1) - total, (values**2).cumsum(axis=1) - squares)
    return champion, Moments(count, total, squares)


def looked(champion: Moments, canary: Moments, given: Settings) -> tuple[Any, Any]:
    """At each look, whether the sequence leaves 0 out, and whether a peeked t-test does."""
    good = (champion.count >= LEAST) & (canary.count >= LEAST)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart, variance = difference(champion, canary)
        squared, alike = pooled(champion, canary)
        radius = sequence.reach(variance, alike, squared, horizon(given), ALPHA)[2]
        return good & (np.abs(apart) > radius), good & (np.abs(apart) > Z * np.sqrt(variance))


@cache
def horizon(given: Settings) -> float:
    """Variance of the difference at the planned number of users, in units of a user's."""
    return planned(given).fixed.variance


def batches(runs: int, size: int = BATCH) -> Iterator[int]:
    """Sizes of batches that make up so many runs."""
    for begin in range(0, runs, size):
        yield min(size, runs - begin)


def peeking(generator: Generator) -> None:
    """Type I error at every look."""
    print(f"A/A, {RUNS:,} runs, a look after every user from {FIRST:,} to {LAST:,}: share that ever sees a difference")
    print(f"{'':<24}{'traffic':>9}{'sequence':>10}{'peeked t':>10}")
    for name, draw in DRAWS.items():
        for traffic in (0.5, 0.1):
            given, errors = settings(traffic, 0.1), np.zeros(2)
            for size in batches(RUNS):
                canary = generator.random((size, LAST), dtype=np.float32) < traffic
                found = looked(*sums(draw(generator, (size, LAST)), canary), given)
                errors += [one[:, FIRST - 1 :].any(axis=1).sum() for one in found]
            told(name, traffic, *(errors / RUNS))


def returning(generator: Generator, runs: int = 2_000) -> None:
    """Type I error when users come again and their means move on, looked at after every request."""
    for traffic in (0.5, 0.1):
        given, errors = settings(traffic, 0.1), np.zeros(2)
        for _ in range(runs):
            user = np.minimum(generator.geometric(1 / 400, LAST), np.arange(LAST) + 1)
            user = np.arange(LAST) - user
            user = np.where(generator.random(LAST) < 0.3, np.arange(LAST), np.maximum(user, 0))
            champion, canary = running(generator, user, traffic)
            found = looked(champion, canary, given)
            errors += [one[0, FIRST - 1 :].any() for one in found]
        told("users come again", traffic, *(errors / runs))
    print()


def running(generator: Generator, user: Any, traffic: float) -> tuple[Moments, Moments]:
    """Sums over users after each request: a request moves the mean of its user."""
    _, user = np.unique(user, return_inverse=True)
    people = user.max() + 1
    value = generator.standard_normal(people)[user] + 2 * generator.standard_normal(len(user))
    canary = (generator.random(people) < traffic)[user]
    order = np.argsort(user, kind="stable")
    begins = np.r_[True, np.diff(user[order]) > 0]
    place = np.arange(len(order))
    nth = place - np.maximum.accumulate(np.where(begins, place, 0)) + 1
    whole = np.cumsum(value[order])
    before = np.where(begins, whole - value[order], 0.0)
    start = np.maximum.accumulate(np.where(begins, place, 0))
    mean = (whole - before[start]) / nth
    old = np.where(begins, 0.0, np.r_[0.0, mean[:-1]])
    steps = np.empty((3, len(order)))
    steps[:, order] = [begins, mean - old, mean**2 - old**2]
    made = [np.cumsum(steps * side, axis=1)[:, None, :] for side in (~canary, canary)]
    return Moments(*made[0]), Moments(*made[1])


def told(name: str, *numbers: float) -> None:
    """A row of the first table."""
    print(f"{name:<24}{numbers[0]:>9.0%}" + "".join(f"{one:>10.2%}" for one in numbers[1:]), flush=True)


def people(generator: Generator, traffic: float, users: int, effect: float) -> tuple[Units, Any, Any]:
    """Users with several requests each; values of the requests, and the user of each."""
    requests = 1 + generator.geometric(0.25, users)
    own = generator.beta(4.5, 0.5, users)
    canary = (generator.random(users) < traffic).astype(int)
    chance = np.where(canary == 1, own * (1 - effect), own)
    user = np.repeat(np.arange(users), requests)
    hits = (generator.random(len(user)) < chance[user]).astype(float)
    mean = np.bincount(user, weights=hits) / requests
    return Units(mean, canary, np.zeros(users, dtype=int), np.arange(users)), hits, user


def ramped(generator: Generator, users: int, effect: float) -> Units:
    """Users who come in several stages, and move to the canary when their stage comes; the third stage is harder."""
    position, own = generator.random(users), generator.standard_normal(users)
    parts = []
    for stage, share in enumerate(RAMP):
        here = np.flatnonzero(generator.random(users) < 0.5)
        canary = (position[here] < share).astype(int)
        value = own[here] + generator.standard_normal(len(here)) + effect * canary - (stage == 2)
        parts.append((value, canary, np.full(len(here), stage), here))
    return Units(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def plain(generator: Generator, traffic: float, users: int, effect: float) -> Units:
    """Users with one normal value each."""
    canary = (generator.random(users) < traffic).astype(int)
    value = generator.standard_normal(users) + effect * canary
    return Units(value, canary, np.zeros(users, dtype=int), np.arange(users))


def covers(units: Units, truth: float) -> bool:
    """Whether the interval at a fixed horizon holds the truth."""
    found = compared(units)
    assert found is not None
    return abs(found.difference - truth) <= welch(found, ALPHA)[1]


def coverage(generator: Generator, runs: int = 5_000) -> None:
    """Coverage at a fixed horizon; beside it, as if each request or each stage brought a user of its own."""
    print(f"coverage of the {1 - ALPHA:.0%} interval at a fixed horizon, {runs:,} runs of 2,000 users")
    print(f"{'':<42}{'traffic':>9}{'ours':>9}{'as strangers':>15}")
    for traffic in (0.5, 0.1):
        hits = sum(covers(plain(generator, traffic, 2_000, 0.2), 0.2) for _ in range(runs))
        print(f"{'one value a user':<42}{traffic:>9.0%}{hits / runs:>9.2%}", flush=True)
    for traffic in (0.5, 0.1):
        kept = np.zeros(2)
        for _ in range(runs):
            units, values, user = people(generator, traffic, 2_000, 0.02)
            side = units.canary[user]
            of_requests = Units(values, side, np.zeros_like(side), np.arange(len(side)))
            kept += [covers(units, -0.9 * 0.02), covers(of_requests, -0.9 * 0.02)]
        mine, theirs = kept / runs
        print(f"{'ratio: share answered, 2 to 30 requests':<42}{traffic:>9.0%}{mine:>9.2%}{theirs:>15.2%}", flush=True)
    kept = np.zeros(2)
    for _ in range(runs):
        units = ramped(generator, 2_000, 0.2)
        stranger = units._replace(user=np.arange(len(units.user)))
        kept += [covers(units, 0.2), covers(stranger, 0.2)]
    text = "ramp 5, 10, 25, 50 %, users come again"
    print(f"{text:<42}{'':>9}{kept[0] / runs:>9.2%}{kept[1] / runs:>15.2%}")
    pooled_ = 0
    for _ in range(1_000):
        units = ramped(generator, 2_000, 0.2)
        pooled_ += covers(units._replace(stage=np.zeros_like(units.stage)), 0.2)
    print(f"{'the same, stages thrown together':<42}{'':>9}{pooled_ / 1_000:>9.2%}\n", flush=True)


def ratio(generator: Generator, runs: int = 100_000, compared_: int = 20_000) -> None:
    """False alarms of the sample-ratio check under a ramp with users who come again."""
    print(f"sample ratio, ramp 5, 10, 25, 50 %, users come again, {runs:,} rollouts: share with an alarm (p < 0.001)")
    patterns = np.array([[number >> stage & 1 for stage in range(4)] for number in range(1, 16)])
    chances = np.repeat(np.diff([0.0, *RAMP, 1.0]), 15) / 15
    print(f"{'users':>9}{'ours':>9}{'against 10 % throughout':>25}{'the last stage loses 10 % of the canary':>41}")
    for users in (200, 2_000, 20_000):
        alarms, done = np.zeros(3), 0
        for size in batches(runs, 5_000):
            seen = generator.multinomial(users, chances, size=size).reshape(size, 5, 15) @ patterns
            total, canary = seen.sum(axis=1), seen.cumsum(axis=1)[:, np.arange(4), np.arange(4)]
            alarms[0] += alarmed(canary, total, RAMP)
            if done < compared_:
                done += size
                lost = generator.binomial(canary[:, 3], 0.1)
                gone = np.zeros_like(canary)
                gone[:, 3] = lost
                alarms[1:] += alarmed(canary, total, 0.1), alarmed(canary - gone, total - gone, RAMP)
        numbers = (alarms[0] / runs, *(alarms[1:] / done))
        print(f"{users:>9,}" + "{:>9.3%}{:>25.2%}{:>41.1%}".format(*numbers), flush=True)
    print()


def alarmed(canary: Any, total: Any, shares: Any) -> int:
    """How many rollouts raise an alarm; arrays of rollouts by stages."""
    p = balance.exact(total - canary, canary, np.asarray(shares))
    return int((balance.together(p, len(RAMP)) < balance.ALARM).sum())


def power(generator: Generator, runs: int = 5_000) -> None:
    """Power against the plan."""
    print(f"power at the planned number of users, {runs:,} runs (the sequence with a look after every user)")
    print(
        f"{'traffic':>9}{'d':>6}{'users':>8}{'planned':>9}{'Welch':>8}{'users':>8}{'sequence':>10}{'median stop':>13}"
    )
    for traffic, effect, wanted in ((0.5, 0.2, 0.8), (0.1, 0.2, 0.8), (0.1, 0.5, 0.9), (0.5, 0.3, 0.9)):
        given = settings(traffic, effect, wanted)
        plan, seen = planned(given), 0
        canary = np.repeat([0, 1], plan.fixed)
        units = Units(canary, canary, np.zeros_like(canary), np.arange(len(canary)))
        for _ in range(runs):
            value = generator.standard_normal(len(canary)) + effect * canary
            found = compared(units._replace(value=value))
            assert found is not None
            seen += welch(found, ALPHA)[0] < ALPHA
        stops = []
        for size in batches(runs):
            side = generator.random((size, plan.sequence.total)) < traffic
            value = generator.standard_normal(side.shape) + effect * side
            out = looked(*sums(value, side), given)[0]
            stops += np.where(out.any(axis=1), out.argmax(axis=1) + 1, 10**9).tolist()
        reached = np.mean(np.array(stops) < 10**9)
        numbers = (seen / runs, plan.sequence.total, reached, np.median(stops))
        print(
            f"{traffic:>9.0%}{effect:>6.1f}{plan.fixed.total:>8,}{wanted:>9.0%}"
            + "{:>8.1%}{:>8,}{:>10.1%}{:>9,.0f}".format(*numbers),
            flush=True,
        )
    print()


def decisions(generator: Generator, runs: int = 100) -> None:
    """What is decided in the end, with both guardrails, at looks until three times the planned users are there."""
    print(f"decisions, d = 0.2 worth shipping, {runs} runs each, a look after every 8 % of 2,200 or 788 planned users")
    print(f"{'true effect on rating, success':<42}{'traffic':>9}{'ship':>8}{'keep':>8}{'open':>8}{'users, median':>15}")
    for traffic in (0.5, 0.1):
        given = settings(traffic, 0.2)
        plan = planned(given)
        for effects in ((0.0, 0.0), (0.2, 0.0), (0.4, 0.0), (-0.2, 0.0), (0.4, -0.4)):
            ends = [decided(generator, given, plan, *effects) for _ in range(runs)]
            shares = [sum(verdict == name for verdict, _ in ends) / runs for name in ("ship", "keep", "more")]
            text = f"{effects[0]:+.1f}, {effects[1]:+.1f}"
            numbers = "".join(f"{share:>8.1%}" for share in shares)
            print(f"{text:<42}{traffic:>9.0%}{numbers}{np.median([users for _, users in ends]):>15,.0f}", flush=True)
    print()


def decided(generator: Generator, given: Settings, plan: Plan, better: float, safer: float) -> tuple[str, int]:
    """The verdict of one experiment, and after how many users it came."""
    step = plan.fixed.total * 8 // 100
    canary = (generator.random(step * 38) < given.traffic).astype(int)
    stage, user = np.zeros_like(canary), np.arange(len(canary))
    values = {
        name: Units(generator.standard_normal(len(canary)) + effect * canary, canary, stage, user)
        for name, effect in (("rating", better), ("success", safer), ("latency", 0.0))
    }
    for size in range(step, len(canary) + 1, step):
        found = {name: judged(METRICS[name], units.first(size), given, plan) for name, units in values.items()}
        verdict = decision.decided(given, plan, found, 1.0, 0.0, "sequence").verdict
        if verdict != "more":
            break
    return verdict, size


def main() -> None:
    """Print all tables."""
    began = time.monotonic()
    for part in (peeking, returning, coverage, ratio, power, decisions):
        part(np.random.default_rng(SEED))
    print(f"{time.monotonic() - began:.0f} s, {time.process_time():.0f} of them on a core")


if __name__ == "__main__":
    main()
