"""How often a canary rollout is rolled back for nothing, and how soon a bad one is found.

Monte Carlo over the decision that the controller takes (`mlops_runtime.rollout.decision`), look by look, through the
steps of the language. Only the traffic is made up: Poisson requests, binomial failures, lognormal latencies. Beside it,
on the same traffic, stands the rule of the usual controllers: 5 checks of 60 s in all with more than 1 % errors.

`python benchmarks/rollout.py` prints the same numbers each time for the same `--runs` and `--seed`.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import beta, norm
from tqdm import tqdm

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / folder) for folder in ("runtime", ".")]

from mlops_runtime.rollout.decision import Arm, Evidence, Policy, Window, judge  # noqa: E402

from mlopsgen.contract.metrics.family import LATENCY_BUCKETS  # noqa: E402

RUNS, SEED, BASELINE = 300, 20_261_123, 0.005
STEPS = (0.05, 0.1, 0.25, 0.5, 1.0)
HOUR = 3600.0
MEDIAN, SIGMA = 0.25, 0.6
"""Of the lognormal latency in seconds: 95% within 0.67 s."""
EVENTS, EVENT, PODS = 300.0, 10.0, 8
"""Seconds between two bursts on average, length of a sick pod, pods in all."""
CHECK, SHARE, CHECKS = 60.0, 0.01, 5
"""The fixed rule: a check every so many seconds, errors above this share, so many failed checks in all."""


class Scenario(NamedTuple):
    """One line of the tables.

    Attributes:
        rate: requests a second in all.
        share: the canary's, all the time; None for the default steps.
        errors, latency: canary over champion.
        looks: seconds between two looks.
        bursts: `errors`, `sick` or `slow` spells that hit whom they like; empty for none.
        limit: seconds after which nobody looks any more.
        runs: times the number asked for.
        tail: only the slowest tenth is slower.
        limits: no comparison, hard limits only.
        since: seconds at which the canary gets worse; times count from there.
    """

    name: str
    rate: float
    share: float | None = None
    errors: float = 1.0
    latency: float = 1.0
    looks: float = 15.0
    bursts: str = ""
    limit: float = 6 * HOUR
    runs: float = 1.0
    tail: bool = False
    since: float = 0.0
    limits: bool = False


class Result(NamedTuple):
    """Of one run: how it ended, when, why; when the fixed rule gave up (infinite: never); the last words."""

    outcome: str
    seconds: float
    reason: str
    fixed: float
    text: str


EQUAL = (
    Scenario("equal, 2/s", 2, runs=2.5),
    Scenario("equal, 10/s", 10, runs=2.5),
    Scenario("equal, 100/s", 100, runs=2.5),
    Scenario("equal, 10/s, looks 5 s", 10, looks=5),
    Scenario("equal, 10/s, looks 60 s", 10, looks=60),
    Scenario("bursts of 5-20 errors, 2/s", 2, bursts="errors", runs=1.5),
    Scenario("bursts of 5-20 errors, 10/s", 10, bursts="errors", runs=1.5),
    Scenario("bursts of 5-20 errors, 100/s", 100, bursts="errors", runs=1.5),
    Scenario("a pod sick for 10 s, 2/s", 2, bursts="sick", runs=1.5),
    Scenario("a pod sick for 10 s, 10/s", 10, bursts="sick", runs=1.5),
    Scenario("a pod sick for 10 s, 100/s", 100, bursts="sick", runs=1.5),
    Scenario("a pod slow for 10 s, 10/s", 10, bursts="slow"),
    Scenario("a pod slow for 10 s, 100/s", 100, bursts="slow"),
)
"""The canary is as good as the champion: any rollback is false."""

WORSE = (
    *(
        Scenario(
            f"{ratio}-fold errors, {rate}/s, {share:.0%}",
            rate,
            share,
            errors=ratio,
            limit=HOUR,
            runs=4 if ratio == 4 and share == 0.25 and rate > 2 else 1,
        )
        for rate, share in ((2, 0.05), (2, 0.25), (10, 0.05), (10, 0.25), (100, 0.25))
        for ratio in (4, 10)
    ),
    Scenario("4-fold errors, 100/s, 25%, looks 5 s", 100, 0.25, errors=4, looks=5, limit=HOUR, runs=4),
    Scenario("4-fold errors, 10/s, 25%, looks 5 s", 10, 0.25, errors=4, looks=5, limit=HOUR, runs=4),
    Scenario("4-fold errors, 10/s, all steps", 10, errors=4),
    Scenario("4-fold errors after 30 min, 10/s, 25%", 10, 0.25, errors=4, limit=2 * HOUR, since=HOUR / 2, runs=0.3),
    Scenario("4-fold errors after 30 min, 100/s, 25%", 100, 0.25, errors=4, limit=2 * HOUR, since=HOUR / 2, runs=0.3),
    Scenario("outage at once, 10/s, 5%", 10, 0.05, errors=200, limit=HOUR, runs=0.3),
    Scenario("outage after 30 min, 10/s, 5%", 10, 0.05, errors=200, limit=HOUR, since=HOUR / 2, runs=0.3),
    Scenario("outage after 30 min, 100/s, 25%", 100, 0.25, errors=200, limit=HOUR, since=HOUR / 2, runs=0.3),
    Scenario("p95 × 1.5 after 30 min, 10/s, 25%", 10, 0.25, latency=1.5, limit=2 * HOUR, since=HOUR / 2, runs=0.3),
    Scenario("20% errors, limit 5% alone, 10/s, 5%", 10, 0.05, errors=40, limit=HOUR, runs=0.3, limits=True),
    Scenario("20% errors, limit 5% alone, 100/s, 25%", 100, 0.25, errors=40, limit=HOUR, runs=0.3, limits=True),
    Scenario("p95 × 1.5, 2/s, 25%", 2, 0.25, latency=1.5, limit=HOUR),
    Scenario("p95 × 1.5, 10/s, 25%", 10, 0.25, latency=1.5, limit=HOUR),
    Scenario("p95 × 1.5, 100/s, 25%", 100, 0.25, latency=1.5, limit=HOUR),
    Scenario("p95 × 1.5, 100/s, 25%, looks 5 s", 100, 0.25, latency=1.5, looks=5, limit=HOUR),
    Scenario("p95 × 1.5, tail only, 10/s, 25%", 10, 0.25, latency=1.5, limit=HOUR, tail=True),
)
"""The canary is worse: a rollback is right, the sooner the better."""

QUIET = Scenario("0.05 requests/s", 0.05)


def policy(steps: tuple[float, ...] = STEPS, hold: float = 600.0, *, limits: bool = False) -> Policy:
    """The rules of the language's example: hard limits and, unless these count alone, both comparisons; alpha 1 %."""
    content: dict[str, Any] = {
        "steps": steps,
        "hold": hold,
        "check_every": 60.0,
        "min_requests": 200,
        "gates": {"error_rate": {"max": 0.05}, "latency_p95": {"max": 2.0}, "rating": None},
        "against_champion": {"error_rate": {"max_ratio": 2}, "latency_p95": {"max_ratio": 1.2}, "alpha": 0.01},
        "deadline": 6 * HOUR,
    }
    return Policy.read(content | {"against_champion": None} if limits else content, LATENCY_BUCKETS)


def cells(ratio: float, *, tail: bool = False) -> np.ndarray:
    """Shares of the latency buckets when all latencies, or those of the slowest tenth, are `ratio` times as long."""
    bounds = np.log(np.array(LATENCY_BUCKETS) / MEDIAN) / SIGMA
    below = norm.cdf(bounds - math.log(ratio) / SIGMA)
    if tail:
        below = np.minimum(norm.cdf(bounds), np.maximum(below, np.minimum(norm.cdf(bounds), 0.9)))
    return np.diff(np.concatenate([[0.0], below, [1.0]]))


def traffic(scenario: Scenario, share: float, began: float, generator: np.random.Generator) -> Iterator[Window]:
    """Windows at one weight, drawn a hundred at a time; `began` is the time of the first."""
    shares = (cells(1.0), cells(scenario.latency, tail=scenario.tail))
    slow = cells(3.0)
    count = 100
    while True:
        starts = began + scenario.looks * np.arange(count)
        both = generator.poisson(scenario.rate * scenario.looks, count)
        canary = generator.binomial(both, share)
        requests = (both - canary, canary)
        worse = np.where(starts >= scenario.since, min(1.0, BASELINE * scenario.errors), BASELINE)
        failed = [generator.binomial(n, p) for n, p in zip(requests, (BASELINE, worse), strict=True)]
        spells = [np.zeros(count), np.zeros(count)]
        if scenario.bursts:
            more = bursts(scenario, share, starts, requests, generator)
            if scenario.bursts == "slow":
                spells = more
            else:
                failed = [np.minimum(k + m.astype(int), n) for k, m, n in zip(failed, more, requests, strict=True)]
        latency = [generator.multinomial(n, p) for n, p in zip(requests, shares, strict=True)]
        calm = starts < scenario.since
        latency[1][calm] = generator.multinomial(canary[calm], shares[0])
        for side, hit in enumerate(spells):
            for at in np.flatnonzero(hit):
                ill = min(int(hit[at]), requests[side][at])
                latency[side][at] = generator.multinomial(requests[side][at] - ill, shares[side])
                latency[side][at] += generator.multinomial(ill, slow)
        rows = [
            zip(n.tolist(), k.tolist(), c.tolist(), strict=True)
            for n, k, c in zip(requests, failed, latency, strict=True)
        ]
        for pair in zip(*rows, strict=True):
            yield Window(scenario.looks, *(Arm(n, k, tuple(c), (0, 0, 0, 0, 0)) for n, k, c in pair))
        began = float(starts[-1]) + scenario.looks


def bursts(
    scenario: Scenario, share: float, starts: np.ndarray, requests: tuple[np.ndarray, np.ndarray], generator: Any
) -> list[np.ndarray]:
    """Requests of both sides that bursts hit, per window; a burst is blind to the side.

    `errors`: a geometric number of failures (mean 5 to 20) within 1 to 10 s, on one side by its share of the traffic,
    every fourth time on both. Otherwise one of all pods is hit for 10 s with all of its requests.
    """
    hits = [np.zeros(len(starts)), np.zeros(len(starts))]
    end = starts[-1] + scenario.looks
    for begin in generator.uniform(starts[0], end, generator.poisson((end - starts[0]) / EVENTS)):
        length = generator.uniform(1, EVENT) if scenario.bursts == "errors" else EVENT
        overlap = np.clip(np.minimum(starts + scenario.looks, begin + length) - np.maximum(starts, begin), 0, None)
        touched = np.flatnonzero(overlap)
        if scenario.bursts == "errors":
            size = generator.geometric(1 / generator.uniform(5, 20))
            on = generator.binomial(size, share) if generator.random() < 0.25 else size * (generator.random() < share)
            for side, number in enumerate((size - on, on)):
                parts = generator.multinomial(number, overlap[touched] / overlap[touched].sum())
                available = requests[side][touched] * overlap[touched] / scenario.looks
                hits[side][touched] += np.minimum(parts, np.ceil(available))
            continue
        canary_pods = max(1, round(PODS * share))
        pods = (PODS, canary_pods) if share == 1 else (max(1, PODS - canary_pods), canary_pods)
        side = int(generator.random() < pods[1] / sum(pods))
        part = overlap[touched] / scenario.looks / pods[side]
        hits[side][touched] += generator.binomial(requests[side][touched], np.minimum(1, part))
    return hits


def run(work: tuple[Scenario, int, int]) -> Result:
    """One rollout to its end, or to the end of the scenario."""
    scenario, seed, index = work
    generator = np.random.default_rng([seed, *scenario.name.encode(), index])
    rules = policy() if scenario.share is None else policy((scenario.share, 1.0), 2 * HOUR, limits=scenario.limits)
    evidence, step, now, held, checks = Evidence.empty(rules), 0, 0.0, 0.0, [0, 0, 0.0, 0]
    source = traffic(scenario, rules.steps[0], 0.0, generator)
    ended: Result | None = None
    fixed, text = math.inf, ""
    while now < scenario.limit and (ended is None or (ended.outcome == "rollback" and fixed == math.inf)):
        window = next(source)
        now, held = now + scenario.looks, held + scenario.looks
        if fixed == math.inf and failed_checks(checks, window) >= CHECKS:
            fixed = now
        if ended is not None:
            continue
        evidence = evidence.seen(rules, window)
        found = judge(rules, evidence, step, held)
        text = text or (found.text if now >= 600 else "")
        if found.outcome == "rollback":
            ended = Result("rollback", now, found.reason, 0.0, found.text)
        elif found.outcome == "advance" and step + 1 == len(rules.steps):
            ended = Result("promoted", now, "", 0.0, found.text)
        elif found.outcome == "advance":
            step, held, evidence = step + 1, 0.0, evidence.stepped()
            source = traffic(scenario, rules.steps[step], now, generator)
    ended = ended or Result("held", now, "", 0.0, text)
    return ended._replace(fixed=fixed)


def failed_checks(checks: list[Any], window: Window) -> int:
    """Failed checks so far: requests and failures since the last check, its age, and how many failed."""
    checks[0] += window.canary.requests
    checks[1] += window.canary.failed
    checks[2] += window.seconds
    if checks[2] >= CHECK:
        checks[3] += bool(checks[0]) and checks[1] / checks[0] > SHARE
        checks[:3] = [0, 0, 0.0]
    return int(checks[3])


def interval(hits: int, runs: int) -> tuple[float, float]:
    """Exact two-sided 95% interval of a share (Clopper and Pearson, 1934)."""
    low = beta.ppf(0.025, hits, runs - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, runs - hits) if hits < runs else 1.0
    return float(low), float(high)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS, help="rollouts of a line, about (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="of the traffic (default: %(default)s)")
    parser.add_argument("--only", default="", help="lines whose name contains this")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count(), help="processes (default: all cores)")
    given = parser.parse_args()
    lines = [line for line in (*EQUAL, *WORSE, QUIET) if given.only in line.name]
    work = {line: max(20, int(given.runs * line.runs)) if line is not QUIET else 20 for line in lines}
    began = time.monotonic()
    tasks = [(line, given.seed, index) for line, runs in work.items() for index in range(runs)]
    with multiprocessing.Pool(given.jobs) as pool:
        stream = tqdm(pool.imap(run, tasks, chunksize=10), total=len(tasks), disable=None, leave=False)
        results = iter(list(stream))
    found = {line: [next(results) for _ in range(runs)] for line, runs in work.items()}
    show(found)
    print(f"\n{len(tasks):,} rollouts, seed {given.seed}, {time.monotonic() - began:.0f} s")


def show(found: dict[Scenario, list[Result]]) -> None:
    """Both tables and the words of a quiet service."""
    print(
        f"{'equal canary: false rollbacks':<40}{'runs':>6}{'ours':>8}{'95% interval':>16}{'promoted':>10}{'fixed':>8}"
    )
    for line in filter(found.__contains__, EQUAL):
        results = found[line]
        hits = [result for result in results if result.outcome == "rollback"]
        low, high = interval(len(hits), len(results))
        done = sum(result.outcome == "promoted" for result in results) / len(results)
        fixed = _found([result.fixed for result in results])
        reasons = ", ".join(sorted({result.reason for result in hits}))
        print(
            f"{line.name:<40}{len(results):>6}{len(hits) / len(results):>8.2%}{f'{low:.2%} to {high:.2%}':>16}"
            f"{done:>10.1%}{fixed:>8}  {reasons}"
        )
    print(f"\n{'worse canary: found':<40}{'runs':>6}{'ours':>8}{'median':>9}{'9 of 10':>9}{'fixed':>8}{'median':>9}")
    for line in filter(found.__contains__, WORSE):
        results = found[line]
        ours = [
            max(0.0, result.seconds - line.since) if result.outcome == "rollback" else math.inf for result in results
        ]
        fixed = [max(0.0, result.fixed - line.since) for result in results]
        late = _time(float(np.quantile(ours, 0.9, method="higher")))
        print(
            f"{line.name:<40}{len(results):>6}{_found(ours):>8}{_time(statistics.median(ours)):>9}{late:>9}"
            f"{_found(fixed):>8}{_time(statistics.median(fixed)):>9}"
        )
    for result in found.get(QUIET, [])[:1]:
        outcomes = {each.outcome for each in found[QUIET]}
        print(f"\n{QUIET.name}, six hours, {len(found[QUIET])} runs: {', '.join(sorted(outcomes))}; after ten minutes:")
        print(f"  {result.text}")


def _found(times: list[float]) -> str:
    return f"{sum(value < math.inf for value in times) / len(times):.1%}"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < math.inf else "-"


if __name__ == "__main__":
    main()
