"""The split: a record's side is its own, whatever else there is."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mlops_runtime.data.splitting import TRAIN, VALIDATION, no_template, position, sides
from mlops_runtime.errors import Mistaken

GROUPS = st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=60)
SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.floats(0.05, 0.95)


def by_position(groups: list[int], share: float, seed: int) -> bool:
    """Whether both parts have a group by themselves."""
    return len({position(group, seed) < share for group in groups}) == 2


@given(GROUPS, GROUPS, SHARES, SEEDS, st.randoms(use_true_random=False))
def test_new_records_and_another_order_move_none(
    old: list[int], new: list[int], share: float, seed: int, order: random.Random
) -> None:
    assume(by_position(old, share, seed))
    before = dict(zip(old, sides(old, share, seed), strict=True))
    both = [*old, *new]
    order.shuffle(both)
    after = dict(zip(both, sides(both, share, seed), strict=True))
    assert all(after[group] == side for group, side in before.items())


@given(GROUPS, SHARES, SEEDS)
def test_a_group_is_never_torn_and_no_part_is_empty(groups: list[int], share: float, seed: int) -> None:
    assume(len(set(groups)) > 1)
    found = sides([*groups, *groups], share, seed)
    assert found[: len(groups)] == found[len(groups) :]
    assert set(found) == {TRAIN, VALIDATION}
    seen: dict[int, int] = {}
    assert all(seen.setdefault(group, side) == side for group, side in zip(groups, found, strict=False))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.01])
def test_the_share_is_met(share: float) -> None:
    count = 20_000
    for seed in range(5):
        found = sides(list(range(count)), share, seed)
        assert abs(sum(found) / count - share) < 4.5 * math.sqrt(share * (1 - share) / count)


def test_seeds_split_differently() -> None:
    one, other = (sides(list(range(2000)), 0.5, seed) for seed in (1, 2))
    assert 850 < sum(a == b for a, b in zip(one, other, strict=True)) < 1150


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(Mistaken, match=r"3 records of 1 group cannot be split.*split\.group_by"):
        sides([5, 5, 5], 0.1, 42)


def test_a_template_is_no_group() -> None:
    no_template({1: 10, 2: 10, 3: 10, 4: 10, 5: 10, 6: 10}, "")
    no_template({1: 30}, "")
    with pytest.raises(Mistaken, match=r"30 of 60 records begin alike \(\"Classify\"\).*split\.group_by"):
        no_template({1: 30, **dict.fromkeys(range(2, 32), 1)}, "Classify")
