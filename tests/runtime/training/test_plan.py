"""Order, packing and dealing are pure functions."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlops_runtime.training.plan import Plan, deal, micro_batches, pack, permutation

from mlopsgen.spec.training import Training


def plan(lengths: Any, **fields: Any) -> Plan:
    return Plan(np.array(lengths), Training.model_validate({"batch_size": 4, "max_length": 16, **fields}))


def test_the_order_is_the_same_on_any_machine_and_version() -> None:
    assert permutation(8, 42, 0).tolist() == [4, 3, 7, 6, 1, 5, 2, 0]
    assert permutation(8, 42, 2).tolist() != permutation(8, 42, 0).tolist()
    assert permutation(8, 43, 0).tolist() != permutation(8, 42, 0).tolist()


@pytest.mark.parametrize("packing", [False, True])
def test_each_epoch_sees_each_record_once_in_another_order(packing: bool) -> None:
    lengths = [1 + i * 5 % 16 for i in range(50)]
    made = plan(lengths, epochs=3.0, packing=packing)
    by_epoch: list[list[int]] = [[], [], []]
    for step in range(made.steps):
        by_epoch[made.place(step)[0]] += made.records(step).tolist()
    assert all(sorted(records) == list(range(50)) for records in by_epoch)
    assert by_epoch[0] != by_epoch[1] != by_epoch[2]
    again = plan(lengths, epochs=3.0, packing=packing)
    last = made.steps - 1
    assert again.records(last).tolist() == made.records(last).tolist(), "without having walked there"
    assert [step for step in range(made.steps) if made.ends_epoch(step)][-1] == last


def test_part_of_an_epoch() -> None:
    assert plan([1] * 40, epochs=1.5).steps == 15
    assert plan([1] * 40, epochs=0.01).steps == 1
    with pytest.raises(IndexError):
        plan([1] * 40, epochs=1.0).place(10)


@given(st.lists(st.integers(1, 32), min_size=1, max_size=200))
@settings(max_examples=50, deadline=None)
def test_packing_loses_nothing_and_overfills_nothing(lengths: list[int]) -> None:
    array = np.array(lengths)
    rows = list(pack(permutation(len(lengths), 1, 0), array, 32))
    assert sorted(int(r) for row in rows for r in row) == list(range(len(lengths)))
    assert all(array[row].sum() <= 32 for row in rows)
    fills = sorted(int(array[row].sum()) for row in rows)
    assert all(a + b > 32 for a, b in itertools.pairwise(fills)), "two rows that would fit into one"


def test_packing_fills_rows_with_real_tokens() -> None:
    lengths = np.random.default_rng(0).lognormal(4.5, 0.8, 20_000).clip(5, 1024).astype(int)
    rows = list(pack(permutation(len(lengths), 1, 0), lengths, 1024))
    assert lengths.sum() / (len(rows) * 1024) > 0.98


@given(st.lists(st.integers(1, 64), min_size=1, max_size=40), st.integers(1, 5), st.booleans())
@settings(max_examples=50, deadline=None)
def test_dealing_changes_who_computes_and_nothing_else(lengths: list[int], ranks: int, padded: bool) -> None:
    array = np.array(lengths)
    shares = deal(np.arange(len(lengths)), array, ranks)
    assert sorted(record for share in shares for record in share) == list(range(len(lengths)))
    loads = [sum(lengths[r] for r in share) for share in shares]
    assert max(loads) - min(loads) <= max(lengths)
    for share in shares:
        batches = micro_batches(share, array, 64, padded)
        assert [r for batch in batches for r in batch] == share
        for batch in batches:
            cost = len(batch) * max(lengths[r] for r in batch) if padded else sum(lengths[r] for r in batch)
            assert cost <= 64
