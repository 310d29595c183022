"""What each gate says of a canary, in words and with its counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Literal, NamedTuple

from mlops_runtime.rollout.decision.evidence import Evidence
from mlops_runtime.rollout.decision.policy import Policy, Range
from mlops_runtime.rollout.decision.quantile import p95
from mlops_runtime.rollout.decision.wagers import CLEAR, TAIL
from mlops_runtime.rollout.decision.windows import STARS
from mlops_runtime.rollout.decision.words import chance, duration, of, share

Verdict = Literal["pass", "fail", "hold"]

FEWEST = 30
"""Champion requests of a step without which nothing is compared, ratings without which no mean is judged, canary
requests of the last minutes without which these are not looked at."""

FEW_RATINGS = 5
"""So many ratings with a mean beyond the limit hold a step for as long as it takes."""

PATIENCE = 2.0
"""A step waits for rare ratings this many times its hold, then goes on without."""


class Finding(NamedTuple):
    """What one gate says.

    Attributes:
        gate: of contract GATE.
        verdict: `pass`, `fail` or `hold`.
        text: for people, with the counts.
        numbers: the same as numbers; `evidence` and `needed` are natural logarithms.
    """

    gate: str
    verdict: Verdict
    text: str
    numbers: Mapping[str, float]


class Proof(NamedTuple):
    """Evidence against the canary and how much proves it, as natural logarithms."""

    evidence: float
    needed: float

    @property
    def done(self) -> bool:
        """Proven."""
        return self.evidence >= self.needed


class View(NamedTuple):
    """What a gate is judged by.

    Attributes:
        step: position from 0.
        held: seconds at this step.
        proofs: by gate; of a limit with two ends the end nearer to being proven broken.
    """

    policy: Policy
    evidence: Evidence
    step: int
    held: float
    proofs: Mapping[str, Proof]


def view(policy: Policy, evidence: Evidence, step: int, held: float) -> View:
    """One look at a canary."""
    proofs: dict[str, Proof] = {}
    for wager, value in zip(policy.wagers, evidence.logs(policy), strict=True):
        known = proofs.get(wager.gate)
        if known is None or value - wager.needed > known.evidence - known.needed:
            proofs[wager.gate] = Proof(value, wager.needed)
    return View(policy, evidence, step, held, proofs)


def finding(gate: str, view: View) -> Finding:
    """What a gate of contract GATE says."""
    if gate == "error_rate_against_champion":
        return _errors_against(view)
    if gate == "latency_against_champion":
        return _latency_against(view)
    return {"error_rate": _error_rate, "latency_p95": _latency, "rating": _rating}[gate](view)


def _error_rate(view: View) -> Finding:
    arm, limit = view.evidence.step.canary, view.policy.gates["error_rate"]
    if not view.proofs["error_rate"].done and arm.requests < view.policy.min_requests:
        return _short("error_rate", arm.requests, view)
    value = arm.failed / arm.requests if arm.requests else 0.0
    requests, failed = view.evidence.recent.requests
    now = failed / requests if requests >= FEWEST else value
    seen = f"{of(arm.failed, arm.requests)} requests of this step failed, {_range(limit, share)}"
    if _inside(value, limit) and not _inside(now, limit):
        seen += f", {share(now)} in the last minutes"
    numbers = {"requests": arm.requests, "failed": arm.failed, "error_rate": value, "error_rate_recent": now}
    return _hard("error_rate", seen, _inside(value, limit) and _inside(now, limit), numbers, view)


def _latency(view: View) -> Finding:
    counts, limit, bounds = view.evidence.step.canary.latency, view.policy.gates["latency_p95"], view.policy.bounds
    requests = sum(counts)
    if not view.proofs["latency_p95"].done and requests < view.policy.min_requests:
        return _short("latency_p95", requests, view)
    value = p95(counts, bounds) if requests else 0.0
    slow = 0 if limit.max is None else round(_above(counts, bounds, limit.max))
    seen = f"95% of the requests of this step took up to {value:.3g} s, {_range(limit, lambda x: f'{x:g} s')}"
    if limit.max is not None:
        seen += f"; {of(slow, requests)} took longer"
    recent = view.evidence.recent.canary
    inside, now = _quick(counts, bounds, limit), sum(recent) < FEWEST or _quick(recent, bounds, limit)
    if inside and not now:
        seen += ", not so in the last minutes"
    numbers = {"requests": requests, "slow": slow, "latency_p95": value}
    return _hard("latency_p95", seen, inside and now, numbers, view)


def _rating(view: View) -> Finding:
    limit, counts = view.policy.gates["rating"], view.evidence.rollout.canary.ratings
    given, others = sum(counts), sum(view.evidence.rollout.champion.ratings)
    mean = sum(star * count for star, count in zip(STARS, counts, strict=True)) / given if given else 0.0
    numbers = {"ratings": given, "rating": mean}
    seen = f"{given} ratings since the rollout began, mean {mean:.2f}, {_range(limit, lambda x: f'{x:g}')}"
    if view.proofs["rating"].done or given >= FEWEST:
        return _hard("rating", seen, _inside(mean, limit), numbers, view)
    if not given and not others:
        return _told("rating", "pass", "not judged: nobody rates, neither canary nor champion", numbers, view)
    if given >= FEW_RATINGS and not _inside(mean, limit):
        return _told("rating", "hold", f"{seen}; too few to tell, {FEWEST} needed", numbers, view)
    left = PATIENCE * view.policy.hold - view.held
    if left > 0:
        text = f"{given} of the {FEWEST} ratings needed; goes on without them in {duration(left)}"
        return _told("rating", "hold", text, numbers, view, left)
    text = f"not judged: {given} of the {FEWEST} ratings needed after {duration(view.held)} at this step"
    return _told("rating", "pass", text, numbers, view)


def _errors_against(view: View) -> Finding:
    gate, against, step = "error_rate_against_champion", view.policy.against_champion, view.evidence.step
    assert against is not None
    assert against.error_rate is not None
    champion, canary = step.champion, step.canary
    ratio, whole = view.evidence.tilt_step.ratio, view.evidence.tilt.ratio
    recent = view.evidence.recent.tilt.ratio
    proven = view.proofs[gate].done
    numbers = {
        "champion_requests": champion.requests,
        "champion_failed": champion.failed,
        "canary_requests": canary.requests,
        "canary_failed": canary.failed,
        "ratio": ratio,
        "ratio_rollout": whole,
        "ratio_recent": recent,
    }
    seen = (
        f"canary failed {of(canary.failed, canary.requests)}, champion {of(champion.failed, champion.requests)} in "
        f"this step: about {ratio:.2g} times as often, {against.error_rate:g} allowed"
    )
    if view.policy.steps[view.step] >= 1:
        return _told(gate, "pass", "not compared: the champion has no traffic at 100%", numbers, view)
    if ratio <= against.error_rate < recent:
        seen += f", {recent:.2g} times in the last minutes"
    if proven and max(ratio, whole, recent) > against.error_rate:
        return _told(gate, "fail", f"{seen}; {_odds(gate, view)}", numbers, view)
    if short := _uncompared(gate, canary.requests, champion.requests, view):
        return short
    if ratio <= against.error_rate and recent <= max(CLEAR, 2 * against.error_rate):
        return _told(gate, "pass", seen, numbers, view)
    return _told(gate, "hold", f"{seen}; not proven yet: {_odds(gate, view)}", numbers, view, _rest(gate, view))


def _latency_against(view: View) -> Finding:
    gate, against, step = "latency_against_champion", view.policy.against_champion, view.evidence.step
    assert against is not None
    assert against.latency_p95 is not None
    champion, canary = step.champion.latency, step.canary.latency
    numbers: dict[str, float] = {"champion_requests": sum(champion), "canary_requests": sum(canary)}
    if view.policy.steps[view.step] >= 1:
        return _told(gate, "pass", "not compared: the champion has no traffic at 100%", numbers, view)
    if short := _uncompared(gate, sum(canary), sum(champion), view):
        return short
    usual, now = p95(champion, view.policy.bounds), p95(canary, view.policy.bounds)
    ratio, recent = now / usual, _recent_latency(view)
    numbers |= {"champion_p95": usual, "canary_p95": now, "ratio": ratio, "ratio_recent": recent}
    seen = (
        f"95% within {now:.3g} s for the canary ({sum(canary)} requests) and {usual:.3g} s for the champion "
        f"({sum(champion)}) in this step: {ratio:.2f} times, {against.latency_p95:g} allowed"
    )
    if ratio <= against.latency_p95 < recent:
        seen += f", {recent:.2f} times in the last minutes"
    if view.proofs[gate].done and max(ratio, recent) > against.latency_p95:
        return _told(gate, "fail", f"{seen}; {_odds(gate, view)}", numbers, view)
    if max(ratio, recent) <= against.latency_p95:
        return _told(gate, "pass", seen, numbers, view)
    return _told(gate, "hold", f"{seen}; not proven yet: {_odds(gate, view)}", numbers, view, _rest(gate, view))


def _recent_latency(view: View) -> float:
    """Ratio of the 95th percentiles over the last minutes; 1 where these are too few requests for it."""
    recent = view.evidence.recent
    if sum(recent.canary) < view.policy.min_requests or sum(recent.champion) < FEWEST:
        return 1.0
    return p95(recent.canary, view.policy.bounds) / p95(recent.champion, view.policy.bounds)


def _hard(gate: str, seen: str, inside: bool, numbers: Mapping[str, float], view: View) -> Finding:
    """Of a hard limit with enough samples, or proven broken without them."""
    if view.proofs[gate].done:
        return _told(gate, "fail", f"{seen}; {_odds(gate, view)}", numbers, view)
    if inside:
        return _told(gate, "pass", seen, numbers, view)
    return _told(gate, "hold", f"{seen}; not proven yet: {_odds(gate, view)}", numbers, view, _rest(gate, view))


def _short(gate: str, requests: int, view: View) -> Finding:
    """The finding while the canary has answered too little in this step."""
    text = f"{requests} of the {view.policy.min_requests} canary requests needed in this step"
    return _told(gate, "hold", text, {"requests": requests}, view)


def _uncompared(gate: str, canary: int, champion: int, view: View) -> Finding | None:
    """The finding while there is too little to compare; None when there is enough, of proven harm sooner."""
    least = view.policy.min_requests
    if canary < (min(FEWEST, least) if view.proofs[gate].done else least):
        return _short(gate, canary, view)
    if champion >= FEWEST:
        return None
    text = f"{champion} of the {FEWEST} champion requests needed in this step to compare with"
    return _told(gate, "hold", text, {"canary_requests": canary, "champion_requests": champion}, view, None)


def _told(
    gate: str, verdict: Verdict, text: str, numbers: Mapping[str, float], view: View, wait: float | None = 0.0
) -> Finding:
    value, needed = view.proofs[gate]
    more = {} if wait is None else {"wait": wait}
    return Finding(gate, verdict, text, {**numbers, "evidence": value, "needed": needed, **more})


def _odds(gate: str, view: View) -> str:
    value, needed = view.proofs[gate]
    return f"a sound canary looks this bad with a chance of {chance(value)}, proven at {chance(needed)}"


def _rest(gate: str, view: View) -> float | None:
    """Seconds until the evidence suffices if it goes on growing as it did in this step; None when it does not grow."""
    value, needed = view.proofs[gate]
    seconds = view.evidence.step.seconds
    if value <= 0 or not seconds:
        return None
    return ceil((needed - value) / value * seconds)


def _above(counts: Sequence[float], bounds: Sequence[float], limit: float) -> float:
    return sum(counts[bounds.index(limit) + 1 :])


def _quick(counts: Sequence[float], bounds: Sequence[float], limit: Range) -> bool:
    """Whether the 95th percentile of a histogram lies within the limit, by its counts alone."""
    allowed = TAIL * sum(counts)
    return (limit.max is None or _above(counts, bounds, limit.max) <= allowed) and (
        limit.min is None or _above(counts, bounds, limit.min) >= allowed
    )


def _inside(value: float, limit: Range) -> bool:
    return (limit.min is None or value >= limit.min) and (limit.max is None or value <= limit.max)


def _range(limit: Range, shown: object) -> str:
    assert callable(shown)
    low, high = limit
    if low is None:
        return f"{shown(high)} allowed"
    return f"at least {shown(low)} asked for" if high is None else f"{shown(low)} to {shown(high)} asked for"
