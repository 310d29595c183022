"""Evidence: exact, immutable, refused when it is none; properties that hold for any counts."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from math import isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlops_runtime.rollout.decision import Arm, Evidence, Policy, Window, judge

from tests.runtime.rollout.decision.seen import arm, gathered, policy, seen, verdicts

COUNTS = st.integers(0, 10_000)
FEW = st.integers(0, 50)


@st.composite
def arms(draw: Any, requests: st.SearchStrategy[int] = COUNTS) -> Arm:
    """Any counts that can be."""
    total = draw(requests)
    cells, left = [], total
    for _ in range(6):
        cells.append(draw(st.integers(0, left)))
        left -= cells[-1]
    return Arm(total, draw(st.integers(0, total)), (*cells, left), tuple(draw(FEW) for _ in range(5)))  # type: ignore[arg-type]


WINDOWS = st.lists(st.builds(Window, st.floats(0, 120), arms(), arms()), max_size=8)
STEPS = st.integers(0, 3)
RULES = policy()


def whole(rules: Policy, windows: list[Window]) -> Evidence:
    evidence = Evidence.empty(rules)
    for index, window in enumerate(windows):
        evidence = evidence.seen(rules, window)
        evidence = evidence.stepped() if index == 4 else evidence
    return evidence


@given(WINDOWS, WINDOWS)
@settings(deadline=None, max_examples=60)
def test_a_controller_that_was_killed_goes_on_exactly_where_it_was(before: list[Window], after: list[Window]) -> None:
    evidence = whole(RULES, before)
    text = json.dumps(evidence.content(), allow_nan=False)
    again = Evidence.read(RULES, json.loads(text))
    assert again == evidence
    assert len(text) < 10_000
    for window in after:
        evidence, again = evidence.seen(RULES, window), again.seen(RULES, window)
    assert again == evidence
    assert judge(RULES, again, 0, 700.0) == judge(RULES, evidence, 0, 700.0)


@given(WINDOWS, STEPS, st.floats(0, 1e6))
@settings(deadline=None, max_examples=100)
def test_a_judgement_always_exists_and_all_its_numbers_are_numbers(
    windows: list[Window], step: int, held: float
) -> None:
    evidence = whole(RULES, windows)
    found = judge(RULES, evidence, step, held)
    numbers = [value for finding in found.findings for value in finding.numbers.values()]
    assert all(isfinite(value) for value in (*numbers, *evidence.wealth))
    assert found.wait is None or 0 <= found.wait < float("inf")
    assert (found.outcome == "rollback") == ("fail" in verdicts(found).values()) == bool(found.reason)
    if found.outcome == "advance":
        assert held >= RULES.hold
        assert evidence.step.canary.requests >= RULES.min_requests
        assert set(verdicts(found).values()) == {"pass"}


@given(WINDOWS, STEPS, st.data())
@settings(deadline=None, max_examples=100)
def test_more_failures_never_turn_a_rollback_into_an_advance(windows: list[Window], step: int, data: Any) -> None:
    rules = policy(min_requests=1, hold=0, gates={"error_rate": {"max": 0.05}})
    worse = [
        window._replace(
            canary=window.canary._replace(failed=data.draw(st.integers(window.canary.failed, window.canary.requests)))
        )
        for window in windows
    ]
    before = judge(rules, whole(rules, windows), step, 700.0)
    after = judge(rules, whole(rules, worse), step, 700.0)
    if before.outcome == "rollback":
        assert after.outcome != "advance"


@given(st.lists(st.builds(Window, st.just(15.0), arms(), arms()), max_size=6), st.randoms())
@settings(deadline=None, max_examples=60)
def test_the_order_of_the_blocks_matters_only_by_the_later_stakes(windows: list[Window], random: Any) -> None:
    rules = policy(against_champion=None, deadline=float("inf"))
    mixed = list(windows)
    random.shuffle(mixed)
    one, other = (Evidence.empty(rules), Evidence.empty(rules))
    for window, another in zip(windows, mixed, strict=True):
        one, other = one.seen(rules, window), other.seen(rules, another)
    assert (one.rollout, one.step) == (other.rollout, other.step)
    assert one.logs(rules) == pytest.approx(other.logs(rules))


@given(st.builds(Window, st.floats(0, 4), arms(), arms()), st.builds(Window, st.floats(0, 4), arms(), arms()))
@settings(deadline=None, max_examples=40)
def test_two_windows_of_one_block_are_one_window(one: Window, other: Window) -> None:
    apart = Evidence.empty(RULES).seen(RULES, one).seen(RULES, other)
    swapped = Evidence.empty(RULES).seen(RULES, other).seen(RULES, one)
    assert (apart.block, apart.open) == (swapped.block, swapped.open)
    assert apart.block.canary.requests == one.canary.requests + other.canary.requests


def test_a_window_without_requests_changes_no_evidence() -> None:
    evidence = gathered(RULES, arm(95, 1), arm(5, 1), 4)
    assert seen(evidence, RULES, arm(0), arm(0), 50).logs(RULES) == pytest.approx(evidence.logs(RULES), abs=0.01)


def test_evidence_is_immutable() -> None:
    evidence = Evidence.empty(RULES)
    assert evidence.seen(RULES, Window(15.0, arm(9), arm(1))) is not evidence
    assert evidence == Evidence.empty(RULES)
    with pytest.raises(FrozenInstanceError):
        evidence.steps = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("window", "wrong"),
    [
        (Window(15.0, arm(5), arm(5, 6)), "canary: no counts of one time"),
        (Window(15.0, arm(5, -1), arm(5)), "champion: no counts of one time"),
        (Window(15.0, arm(5), Arm(5, 0, (5, 0), (0, 0, 0, 0, 0))), "canary: 2 buckets of latency"),
        (Window(-1.0, arm(5), arm(5)), "a window of -1.0 seconds"),
        (Window(float("nan"), arm(5), arm(5)), "a window of nan seconds"),
    ],
)
def test_counts_that_cannot_be_are_refused(window: Window, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Evidence.empty(RULES).seen(RULES, window)


@pytest.mark.parametrize(
    "change", [{"wealth": [0.0]}, {"wealth": None}, {"tilt": ["nan", 1]}, {"block": {}}, {"steps": "x"}]
)
def test_content_that_is_no_evidence_is_refused(change: dict[str, Any]) -> None:
    content = gathered(RULES, arm(95), arm(5)).content()
    with pytest.raises(ValueError, match="evidence of"):
        Evidence.read(RULES, {**content, **change})


def test_evidence_of_another_policy_is_refused() -> None:
    content = gathered(RULES, arm(95), arm(5)).content()
    with pytest.raises(ValueError, match="gathered under another one"):
        Evidence.read(policy(against_champion=None), content)
    with pytest.raises(ValueError, match="evidence of another histogram"):
        Evidence.read(RULES, {**content, "recent": [*content["recent"][:3], [0.0]]})
