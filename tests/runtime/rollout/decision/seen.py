"""Policies and windows for the tests of the decision."""

from __future__ import annotations

from typing import Any

from mlops_runtime.rollout.decision import Arm, Evidence, Judgement, Policy, Window, judge

BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
BOTH = {"error_rate": {"max_ratio": 2}, "latency_p95": {"max_ratio": 1.2}, "alpha": 0.01}


def policy(**changed: Any) -> Policy:
    """The spec's example with some settings changed."""
    content: dict[str, Any] = {
        "steps": [0.05, 0.25, 0.5, 1.0],
        "hold": 600.0,
        "check_every": 60.0,
        "min_requests": 200,
        "gates": {
            "error_rate": {"min": None, "max": 0.05},
            "latency_p95": {"min": None, "max": 2.0},
            "rating": {"min": 3.5, "max": None},
        },
        "against_champion": BOTH,
        "deadline": 21600.0,
    }
    return Policy.read(content | changed, BOUNDS)


def arm(requests: int, failed: int = 0, slow: int = 0, *, ratings: tuple[int, ...] = (0, 0, 0, 0, 0)) -> Arm:
    """One side; `slow` of its answers took between 2 and 4 seconds, the others up to 0.1."""
    return Arm(requests, failed, (requests - slow, 0, 0, 0, 0, slow, 0), ratings)  # type: ignore[arg-type]


def gathered(rules: Policy, champion: Arm, canary: Arm, times: int = 1, seconds: float = 15.0) -> Evidence:
    """Evidence of so many equal windows."""
    return seen(Evidence.empty(rules), rules, champion, canary, times, seconds)


def seen(
    evidence: Evidence, rules: Policy, champion: Arm, canary: Arm, times: int = 1, seconds: float = 15.0
) -> Evidence:
    """The evidence with so many equal windows more."""
    for _ in range(times):
        evidence = evidence.seen(rules, Window(seconds, champion, canary))
    return evidence


def judged(rules: Policy, champion: Arm, canary: Arm, times: int = 40, step: int = 0) -> Judgement:
    """The judgement after so many equal windows, all at one step, as long as they took."""
    return judge(rules, gathered(rules, champion, canary, times), step, 15.0 * times)


def verdicts(judgement: Judgement) -> dict[str, str]:
    """Verdict by gate."""
    return {found.gate: found.verdict for found in judgement.findings}
