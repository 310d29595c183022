"""The decision at one look: on to the next step, hold, or back to the champion."""

from __future__ import annotations

from math import ceil
from typing import Literal, NamedTuple

from mlops_runtime.rollout.decision.evidence import Evidence
from mlops_runtime.rollout.decision.findings import Finding, View, finding, view
from mlops_runtime.rollout.decision.policy import Policy
from mlops_runtime.rollout.decision.words import duration, share

Outcome = Literal["advance", "hold", "rollback"]

KNOWN = 10
"""Canary requests of a step from which on its own rate is known; before, the step's share of all traffic is."""


class Judgement(NamedTuple):
    """What to do.

    Attributes:
        outcome: `advance`, `hold` or `rollback`.
        reason: the gate that ended the canary, of contract REASON; empty otherwise.
        findings: one per gate that is asked for.
        wait: seconds until this step can be judged if traffic and rates go on as they are; None when unknown, 0 when
            there is nothing to wait for.
        text: one line for people.
    """

    outcome: Outcome
    reason: str
    findings: tuple[Finding, ...]
    wait: float | None
    text: str


def judge(policy: Policy, evidence: Evidence, step: int, held: float) -> Judgement:
    """The decision; may be asked for at every look, as often as one likes.

    Args:
        policy: the rules.
        evidence: all that was seen of this rollout.
        step: position of the current step, from 0.
        held: seconds at this step so far.

    Raises:
        IndexError: the policy has no such step.
    """
    seen = view(policy, evidence, step, held)
    findings = tuple(finding(gate, seen) for gate in policy.asked)
    where = f"{share(policy.steps[step])} (step {step + 1} of {len(policy.steps)})"
    failed = [found for found in findings if found.verdict == "fail"]
    if failed:
        text = f"{where}: roll back, {failed[0].gate}: {failed[0].text}"
        return Judgement("rollback", failed[0].gate, findings, 0.0, text)
    requests = evidence.step.canary.requests
    held_up = [found for found in findings if found.verdict == "hold"]
    if held >= policy.hold and requests >= policy.min_requests and not held_up:
        last = step == len(policy.steps) - 1
        text = f"{where}: {'promote' if last else 'advance'}, all gates pass on {requests} canary requests"
        return Judgement("advance", "", findings, 0.0, text)
    wait = _wait(seen, held_up)
    return Judgement("hold", "", findings, wait, f"{where}: hold, {_why(seen, held_up)}; {_when(seen, wait)}")


def _why(view: View, held_up: list[Finding]) -> str:
    policy, requests = view.policy, view.evidence.step.canary.requests
    if requests < policy.min_requests:
        return f"{requests} of {policy.min_requests} canary requests"
    if held_up:
        return f"{held_up[0].gate}: {held_up[0].text}"
    return f"{duration(view.held)} of {duration(policy.hold)}, all gates pass so far"


def _when(view: View, wait: float | None) -> str:
    if wait is None:
        return "nobody can say how long: " + (
            "no traffic" if not _rate(view) else "the evidence does not grow either way"
        )
    beyond = ", longer than the deadline" if wait > view.policy.deadline else ""
    return f"about {duration(wait)} to go{beyond}"


def _wait(view: View, held_up: list[Finding]) -> float | None:
    policy, rate = view.policy, _rate(view)
    missing = policy.min_requests - view.evidence.step.canary.requests
    if missing > 0 and not rate:
        return None
    waits = [policy.hold - view.held, missing / rate if missing > 0 else 0.0]
    for found in held_up:
        if missing <= 0 and "wait" not in found.numbers:
            return None
        waits.append(found.numbers.get("wait", 0.0))
    return float(max(0, ceil(max(waits))))


def _rate(view: View) -> float:
    """Canary requests a second."""
    seen, share = view.evidence.step, view.policy.steps[view.step]
    if not seen.seconds:
        return 0.0
    if seen.canary.requests >= KNOWN:
        return seen.canary.requests / seen.seconds
    return share * (seen.canary.requests + seen.champion.requests) / seen.seconds
