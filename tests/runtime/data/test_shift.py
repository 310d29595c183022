"""The statistics of drift: distances, calibration, correction."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlops_runtime.data.features import CLASSES, Counts, Features, bin_start, counted, load, number_bin, save
from mlops_runtime.data.shift import BINS, ENOUGH, aligned, compare, holm
from mlops_runtime.errors import Mistaken
from scipy.spatial.distance import jensenshannon
from scipy.stats import PermutationMethod, anderson_ksamp, chi2_contingency, ks_2samp

from tests.runtime.data.conftest import Folder


def numbers(values: Any) -> Counts:
    return Counts("number", Counter(map(number_bin, np.asarray(values, dtype=float).tolist())))


def classes(values: Any) -> Counts:
    return Counts("class", Counter(map(str, values)))


def window(**counts: Counts) -> Features:
    return Features(max(each.total for each in counts.values()), dict(counts))


def judged(reference: Features, now: Features, **more: Any) -> Any:
    return compare(reference, now, **({"alpha": 0.01, "min_effect": 0.05} | more))


def test_distances_are_those_of_scipy() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.integers(0, 60, 800), generator.integers(0, 56, 300)
    shift = judged(window(a=numbers(one)), window(a=numbers(other)))["a"]
    assert shift.distance == pytest.approx(ks_2samp(one, other).statistic)
    kinds, fewer = generator.integers(0, 9, 800), generator.integers(0, 8, 300)
    shift = judged(window(a=classes(kinds)), window(a=classes(fewer)))["a"]
    expected = jensenshannon(np.bincount(kinds, minlength=9), np.bincount(fewer, minlength=9), base=2)
    assert shift.distance == pytest.approx(expected)


def test_numbers_are_judged_by_anderson_and_darling() -> None:
    generator = np.random.default_rng(3)
    for moved in (1, 2):
        one, other = generator.integers(0, 60, 800), generator.integers(0, 60, 300) + moved
        expected = anderson_ksamp(
            [one, other], variant="midrank", method=PermutationMethod(n_resamples=999, rng=generator)
        )
        found = judged(window(a=numbers(one)), window(a=numbers(other)))["a"]
        assert found.p == pytest.approx(expected.pvalue, rel=0.4, abs=0.003)


def test_classes_are_judged_by_chi_square() -> None:
    generator = np.random.default_rng(3)
    one, other = generator.choice(4, 800), generator.choice(4, 300, p=[0.31, 0.19, 0.25, 0.25])
    table = np.stack([np.bincount(one), np.bincount(other)])
    found = judged(window(a=classes(one)), window(a=classes(other)))["a"]
    assert found.p == pytest.approx(chi2_contingency(table).pvalue, rel=0.4)


def test_a_shift_too_small_for_the_distance_of_kolmogorov_and_smirnov() -> None:
    generator, seen, by_distance = np.random.default_rng(4), 0, 0
    reference = generator.standard_normal(4000)
    for _ in range(30):
        now = generator.standard_normal(500) + 0.17
        found = judged(window(a=numbers(reference)), window(a=numbers(now)), whole=False)["a"]
        seen += found.state == "drift"
        by_distance += ks_2samp(reference, now).pvalue < 0.01
    assert seen > by_distance + 2


def test_windows_without_a_shift_are_left_alone_and_shifted_ones_are_not() -> None:
    generator = np.random.default_rng(11)

    def sample(size: int, moved: float = 0.0) -> Features:
        text = np.rint(np.exp(5 + 0.6 * (generator.standard_normal(size) + moved)))
        return window(
            length=numbers(text),
            words=numbers(np.rint(text / 6)),
            kind=classes(generator.choice(6, size, p=[0.4, 0.3, 0.1, 0.1, 0.05, 0.05])),
        )

    reference = sample(4000)

    def share(moved: float, windows: int) -> float:
        found = [judged(reference, sample(500, moved), whole=False, min_effect=0.0) for _ in range(windows)]
        return sum(any(shift.state == "drift" for shift in each.values()) for each in found) / windows

    assert share(0.0, 150) <= 0.03
    assert share(0.3, 30) >= 0.9


def test_a_shift_too_small_to_matter_is_no_drift() -> None:
    generator = np.random.default_rng(5)
    one, other = generator.standard_normal(60_000), generator.standard_normal(60_000) + 0.05
    reference, now = window(a=numbers(one)), window(a=numbers(other))
    shift = judged(reference, now)["a"]
    assert shift.p < 0.001
    assert shift.distance < 0.05
    assert shift.state == "none"
    assert judged(reference, now, min_effect=0.0)["a"].state == "drift"


def test_the_cut_shrinks_with_the_windows_and_the_state_says_what_is_too_small() -> None:
    generator = np.random.default_rng(6)
    reference = window(a=numbers(generator.standard_normal(4000)))
    cuts = [judged(reference, window(a=numbers(generator.standard_normal(n))))["a"].cut for n in (100, 500, 4000)]
    assert cuts == sorted(cuts, reverse=True)
    assert cuts[1] == pytest.approx(1.63 * (1 / 500 + 1 / 4000) ** 0.5, rel=0.1)
    few = judged(reference, window(a=numbers(generator.standard_normal(ENOUGH - 1) + 9)))["a"]
    assert (few.state, few.cut, few.p_holm, few.records) == ("not enough data", None, 1.0, (ENOUGH - 1, 4000))


def test_the_same_counts_give_the_same_answer_and_features_that_one_lacks_are_left_out() -> None:
    generator = np.random.default_rng(8)
    reference = window(a=numbers(generator.standard_normal(900)), b=classes("xy" * 200))
    now = window(a=numbers(generator.standard_normal(300)), c=classes("xy" * 200))
    assert list(judged(reference, now)) == ["a"]
    assert judged(reference, now) == judged(reference, now)


def test_stopping_early_changes_no_decision() -> None:
    generator = np.random.default_rng(9)
    reference = window(a=numbers(generator.standard_normal(3000)))
    for moved in (0.0, 0.1, 0.2, 0.5):
        now = window(a=numbers(generator.standard_normal(400) + moved))
        assert judged(reference, now)["a"].state == judged(reference, now, whole=False)["a"].state


def test_an_alpha_that_cannot_be_shown() -> None:
    same = window(a=classes("xy" * 200))
    with pytest.raises(Mistaken, match="5e-05 is the smallest"):
        judged(same, same, alpha=1e-6)


def test_holm() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == {"a": 0.03, "c": 0.06, "b": 0.06}
    assert holm({"a": 0.9, "b": 0.8}) == {"b": 1.0, "a": 1.0}
    assert holm({}) == {}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(-500, 500), st.integers(1, 9), min_size=1, max_size=400), st.booleans())
def test_bins_are_taken_together_without_losing_a_record(counts: dict[int, int], ordered: bool) -> None:
    kind: Any = "number" if ordered else "class"
    bins = {key if ordered else str(key): count for key, count in counts.items()}
    reference, now = Counts(kind, Counter(bins)), Counts(kind, Counter(list(bins)[:3]))
    first, second = aligned(reference, now)
    assert len(first) == len(second) <= BINS
    assert (first.sum(), second.sum()) == (reference.total, now.total)
    assert ((first + second) > 0).all()
    if len(reference.bins) <= BINS:
        assert sorted(first.tolist()) == sorted(counts.values())


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_bins_of_numbers_keep_their_order_and_nearly_their_value(one: float, other: float) -> None:
    if one <= other:
        assert number_bin(one) <= number_bin(other)
    start = bin_start(number_bin(one))
    assert abs(start) <= abs(one)
    assert abs(one - start) <= max(abs(one) / 1000, 1e-300)


def test_whole_numbers_to_2048_have_bins_of_their_own() -> None:
    assert [bin_start(number_bin(n)) for n in range(2049)] == list(range(2049))
    assert number_bin(-0.0) == number_bin(0.0) == 0


def test_what_is_counted_of_records(folder: Folder) -> None:
    records = [
        {"prompt": "two words", "score": 3, "kind": "a", "ok": True},
        {"prompt": "", "score": 3.0, "kind": "b", "ok": False, "chat": [{"role": "user", "content": "x y z"}]},
    ]
    wanted = {
        "prompt": ["length", "words", "tokens"],
        "score": ["value"],
        "kind": ["category"],
        "ok": ["category"],
        "chat": ["words"],
    }
    found = counted(records, wanted)
    bins = {name: {str(b): n for b, n in given.bins.items()} for name, given in found.counts.items()}
    assert found.records == 2
    assert bins["prompt.length"] == {str(number_bin(9)): 1, "0": 1}
    assert bins["prompt.words"] == {str(number_bin(2)): 1, "0": 1}
    assert set(bins["prompt.tokens"]) >= {"none"}
    assert found.counts["prompt.tokens"].total == 2
    assert bins["score.value"] == {str(number_bin(3)): 2}
    assert bins["kind.category"] == {"a": 1, "b": 1}
    assert bins["ok.category"] == {"true": 1, "false": 1}
    assert bins["chat.words"] == {str(number_bin(3)): 1}
    save("features.json", found)
    assert load("features.json") == found
    assert "two words" not in (folder.path / "features.json").read_text()


def test_a_word_is_picked_by_the_text_alone() -> None:
    text = "one two three four five six"
    first, second = (counted([{"a": text}], {"a": ["tokens"]}) for _ in range(2))
    assert first == second
    texts = [f"{text} {number}" for number in range(400)]
    spread = counted([{"a": each} for each in texts], {"a": ["tokens"]}).counts["a.tokens"].bins
    assert 5 < len(spread) <= 129


def test_features_that_do_not_fit() -> None:
    with pytest.raises(Mistaken, match="the column `a` has no `words`: it holds numbers"):
        counted([{"a": 3}], {"a": ["words"]})
    with pytest.raises(Mistaken, match="the column `a` has no `value`: it holds texts"):
        counted([{"a": "x"}], {"a": ["value"]})
    with pytest.raises(Mistaken, match="more than 1000 classes"):
        counted(({"a": str(n)} for n in range(CLASSES + 1)), {"a": ["category"]})


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 99, "records": 1, "features": {}}'])
def test_a_file_that_holds_no_counts(content: str, folder: Folder) -> None:
    folder.write("features.json", content)
    with pytest.raises(Mistaken, match=r"features\.json holds"):
        load("features.json")
