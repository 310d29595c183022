"""Looks at drift, repeated: how often they are wrong, and what they see."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from mlops_runtime.data.features import Counts, Features, number_bin
from mlops_runtime.data.shift import ENOUGH, Shift
from mlops_runtime.quality.drift import DAY, Look, Looks

ALPHA, EFFECT = 0.01, 0.05
"""Defaults of mlops.yaml."""

HOUR = 3600.0


def texts(generator: np.random.Generator, count: int, shift: float = 0.0) -> Features:
    """Features of prompts whose log-lengths are normal, moved by `shift` standard deviations."""
    normal = generator.normal(shift, 1.0, count)
    length = np.exp(4.5 + 0.5 * normal)
    words = length / 5.5 * np.exp(generator.normal(0, 0.1, count))
    columns = {"prompt.length": np.ceil(length), "prompt.words": np.ceil(words)}
    counts = {name: Counts("number", Counter(map(number_bin, column.tolist()))) for name, column in columns.items()}
    return Features(count, counts)


def lengths(generator: np.random.Generator, count: int, shift: float = 0.0) -> Features:
    """The same without words: one feature is judged in half of the time."""
    found = texts(generator, count, shift)
    return Features(count, {"prompt.length": found.counts["prompt.length"]})


REFERENCE = texts(np.random.default_rng(0), 10_000)


def drifted(look: Look) -> list[str]:
    return [name for name, found in look.shifts.items() if found.state == "drift"]


def test_thirty_days_without_drift_have_one_false_alarm_at_most() -> None:
    """Of one feature, as that is quick; `benchmarks/quality.py` does months of three."""
    generator = np.random.default_rng(1)
    looks, alarms, judged, named = Looks(ALPHA, EFFECT, 0.0), 0, 0, 0
    for cycle in range(1, int(30 * DAY / HOUR) + 1):
        look = looks.look(REFERENCE, lengths(generator, 60), cycle * HOUR)
        judged += bool(look.shifts)
        alarms += bool(drifted(look))
        named += any(found.p < 0.05 for found in look.shifts.values())
    assert judged == 360
    assert alarms <= 1
    assert named > 10, "the windows do differ by chance"


def test_a_shift_of_a_third_of_a_sigma_at_500_requests_is_seen_in_the_next_cycle() -> None:
    generator = np.random.default_rng(2)
    seen = 0
    for _ in range(6):
        looks = Looks(ALPHA, EFFECT, 0.0)
        assert not drifted(looks.look(REFERENCE, lengths(generator, 500), HOUR))
        seen += drifted(looks.look(REFERENCE, lengths(generator, 500, shift=0.3), 2 * HOUR)) == ["prompt.length"]
    assert seen >= 5


def test_few_requests_wait_for_more_and_are_judged_once() -> None:
    generator, looks = np.random.default_rng(3), Looks(ALPHA, EFFECT, 0.0)
    sizes = []
    for cycle in range(1, 6):
        look = looks.look(REFERENCE, texts(generator, 40), cycle * HOUR)
        sizes.append((bool(look.shifts), look.records["prompt.length"]))
    assert sizes == [(False, 40), (False, 80), (True, 120), (False, 40), (False, 80)]


def test_a_look_waits_until_its_level_can_be_shown() -> None:
    generator, looks = np.random.default_rng(4), Looks(ALPHA, EFFECT, 0.0)
    first = looks.look(REFERENCE, texts(generator, 500), 60.0)
    assert (first.shifts, first.records["prompt.words"]) == ({}, 500)
    assert looks.look(REFERENCE, texts(generator, 500, shift=2.0), HOUR).records["prompt.words"] == 1000


def test_after_an_alarm_the_next_needs_a_tenth_of_the_level_for_thirty_days(monkeypatch: pytest.MonkeyPatch) -> None:
    levels, states = list[float](), iter(["none", "drift", "none", "none"])

    def compare(reference: Features, window: Features, *, alpha: float, **_: object) -> dict[str, Shift]:
        levels.append(alpha)
        return {"prompt.length": Shift("number", next(states), 0.1, None, 0.1, 0.1, (500, 500))}  # type: ignore[arg-type]

    monkeypatch.setattr("mlops_runtime.data.shift.compare", compare)
    generator, looks = np.random.default_rng(7), Looks(ALPHA, EFFECT, 0.0)
    for day in (1, 2, 31, 32):
        looks.look(REFERENCE, lengths(generator, ENOUGH), day * DAY)
    assert levels == pytest.approx([ALPHA, ALPHA, ALPHA / 10, ALPHA])


def test_only_what_both_sides_have_is_compared_and_nothing_without_a_reference() -> None:
    generator, looks = np.random.default_rng(5), Looks(ALPHA, EFFECT, 0.0)
    window = texts(generator, ENOUGH)
    assert looks.look(Features(0, {}), window, HOUR) == Look({}, {})
    only = Features(10_000, {"prompt.length": REFERENCE.counts["prompt.length"]})
    assert set(looks.look(only, window, 2 * HOUR).shifts) == {"prompt.length"}


def test_a_feature_with_too_few_values_is_not_judged_beside_one_with_enough() -> None:
    generator, looks = np.random.default_rng(6), Looks(ALPHA, EFFECT, 0.0)
    window, few = texts(generator, 500), texts(generator, 50)
    window.counts["prompt.words"] = few.counts["prompt.words"]
    found = looks.look(REFERENCE, window, HOUR).shifts
    assert {name: shift.state for name, shift in found.items()} == {
        "prompt.length": "none",
        "prompt.words": "not enough data",
    }
