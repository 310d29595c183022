"""The canary can be judged, and nobody else claims its traffic."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from mlopsgen.diagnostics import Diagnostic
from mlopsgen.project.checks.view import Also, View
from mlopsgen.spec.monitoring import Alert
from mlopsgen.spec.tree import Path

POWER = 0.9


def check(view: View) -> Iterator[Diagnostic]:
    """Steps, times, traffic, alerts and the experiment."""
    yield from _steps(view)
    yield from _times(view)
    yield from _traffic(view)
    yield from _alerts(view)
    yield from _experiment(view)


def _steps(view: View) -> Iterator[Diagnostic]:
    steps = view.spec.rollout.steps
    for index, (before, step) in enumerate(pairwise(steps), start=1):
        if step <= before:
            message = f"the step {step:.4g} does not rise above {before:.4g}"
            also: Also = (("the step before", ("rollout", "steps", index - 1)),)
            yield view.finding("E211", message, "rollout", "steps", index, help="let every step be larger", also=also)
    if steps[0] == 0:
        yield view.finding("E211", "a step of 0 sends the canary nothing", "rollout", "steps", 0, help="begin above 0")
    if steps[-1] != 1:
        message = f"the last step is {steps[-1]:.4g}, so the canary never takes over"
        yield view.finding("E211", message, "rollout", "steps", len(steps) - 1, help="end at `100%`")


def _times(view: View) -> Iterator[Diagnostic]:
    rollout = view.spec.rollout
    if rollout.check_every > rollout.hold:
        also: Also = (("the hold", ("rollout", "hold")),)
        message = f"a look every {rollout.check_every:g} s comes later than the end of a step ({rollout.hold:g} s)"
        yield view.finding("E227", message, "rollout", "check_every", help="look at least once per step", also=also)
    needed = rollout.hold * len(rollout.steps)
    if rollout.deadline < needed:
        also = (("the hold", ("rollout", "hold")), ("the steps", ("rollout", "steps")))
        message = (
            f"the deadline of {rollout.deadline:g} s ends before {len(rollout.steps)} steps are held ({needed:g} s)"
        )
        yield view.finding("E228", message, "rollout", "deadline", help="raise the deadline", also=also)


def _traffic(view: View) -> Iterator[Diagnostic]:
    rollout = view.spec.rollout
    if rollout.expected_rate is None:
        return
    first = rollout.steps[0] or 1.0
    seen = rollout.expected_rate * first * rollout.hold
    if seen < rollout.min_requests:
        minutes = math.ceil(rollout.min_requests / (rollout.expected_rate * first) / 60)
        also: Also = (("the hold", ("rollout", "hold")), ("the requests needed", ("rollout", "min_requests")))
        message = (
            f"at {rollout.expected_rate:g} requests a second the step of {first:.4g} sees about {seen:.0f} "
            f"in its hold, {rollout.min_requests} are needed: it is held for about {minutes} minutes"
        )
        yield view.finding(
            "W212", message, "rollout", "expected_rate", help="lengthen `hold`, or begin with a larger step", also=also
        )
    yield from _detection(view)


def _detection(view: View) -> Iterator[Diagnostic]:
    rollout, slo = view.spec.rollout, view.spec.monitoring.slo
    against = rollout.against_champion
    if against is None or against.error_rate is None or rollout.expected_rate is None:
        return
    usual = max(1 - (slo.availability if slo else 0.995), 1e-4)
    worse = min(usual * against.error_rate.max_ratio, 0.99)
    needed = requests_needed(usual, worse, against.alpha)
    slow = [
        (step, needed / (rollout.expected_rate * min(step, 1 - step)) / 60) for step in rollout.steps if 0 < step < 1
    ]
    slow = [(step, minutes) for step, minutes in slow if minutes * 60 > rollout.hold]
    if slow:
        also: Also = (("the hold", ("rollout", "hold")),)
        times = ", ".join(f"{math.ceil(minutes)} min at {step * 100:.4g}%" for step, minutes in slow)
        message = (
            f"{against.error_rate.max_ratio:g} times {usual * 100:.3g}% errors take {needed} requests a side to tell: "
            f"{times}; the hold is {rollout.hold / 60:.3g} min"
        )
        help = "lengthen `hold`, accept a larger ratio, or know that a smaller regression passes these steps"
        yield view.finding("W213", message, "rollout", "against_champion", "error_rate", help=help, also=also)


def requests_needed(usual: float, worse: float, alpha: float, power: float = POWER) -> int:
    """Requests per side that tell two error rates apart, one-sided.

    Args:
        usual: error rate of the champion, between 0 and 1.
        worse: error rate to be told from it, larger.
        alpha: chance of a false alarm.
        power: chance to see the difference.

    Source: normal approximation for two proportions, Fleiss, Levin, Paik, Statistical Methods for Rates and
    Proportions, ch. 4.
    """
    from statistics import NormalDist

    normal, mean = NormalDist(), (usual + worse) / 2
    spread = normal.inv_cdf(1 - min(max(alpha, 1e-9), 0.5)) * math.sqrt(2 * mean * (1 - mean))
    spread += normal.inv_cdf(power) * math.sqrt(usual * (1 - usual) + worse * (1 - worse))
    return math.ceil((spread / (worse - usual)) ** 2)


def _alerts(view: View) -> Iterator[Diagnostic]:
    alerts, hold = view.spec.monitoring.alerts, view.spec.rollout.hold
    # Quality alerts (accuracy, drift) come from an hourly exporter and never guard a step.
    watched: list[tuple[str, Alert | None, Path]] = [
        (name, getattr(alerts, name), ("monitoring", "alerts", name, "for"))
        for name in ("latency_p95", "error_rate", "gpu_memory", "traffic_drop")
    ]
    watched += [(a.name, a, ("monitoring", "alerts", "custom", i, "for")) for i, a in enumerate(alerts.custom)]
    for name, alert, path in watched:
        if alert is not None and alert.for_ > hold:
            also: Also = (("the hold", ("rollout", "hold")),)
            message = f"the alert {name} fires after {alert.for_:g} s, and a step is passed after {hold:g} s"
            at = path if view.tree.find(path) is not None else ("rollout", "hold")
            yield view.finding("W214", message, *at, help="shorten `for`, or lengthen `rollout.hold`", also=also)


def _experiment(view: View) -> Iterator[Diagnostic]:
    experiment, rollout = view.spec.experiment, view.spec.rollout
    if experiment is None:
        return
    if rollout.sticky is not None and rollout.sticky.header.lower() != experiment.sticky.header.lower():
        also: Also = (("the rollout's", ("rollout", "sticky", "header")),)
        headers = f"{experiment.sticky.header}, {rollout.sticky.header}"
        message = f"experiment and rollout tell users apart by different headers: {headers}"
        yield view.finding("E215", message, "experiment", "sticky", "header", help="use one header", also=also)
    largest = max((step for step in rollout.steps if step < 1), default=0.0)
    if experiment.traffic + largest > 1:
        also = (("the step", ("rollout", "steps")),)
        shares = f"{experiment.traffic * 100:.4g}% and the canary up to {largest * 100:.4g}%"
        message = f"the experiment takes {shares}: more than there is"
        yield view.finding(
            "E216", message, "experiment", "traffic", help="lower `traffic`, or the largest step", also=also
        )
