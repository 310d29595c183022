"""Draws follow the distribution that was asked for."""

from __future__ import annotations

import math

import pytest
from mlops_runtime.serving.engines.local.sampling import Draw, draw, uniform


def shares(odds: list[float], temperature: float, top_p: float, count: int = 4000) -> list[float]:
    """How often each token is drawn."""
    import torch

    logits = torch.tensor([[math.log(one) for one in odds]]).expand(count, -1)
    taken = draw(logits, [Draw(temperature, top_p, 5, number, False) for number in range(count)])
    return [taken.tokens.count(token) / count for token in range(len(odds))]


def test_tokens_come_as_often_as_they_are_likely() -> None:
    assert shares([0.1, 0.6, 0.3], 1.0, 1.0) == pytest.approx([0.1, 0.6, 0.3], abs=0.03)


def test_temperature_sharpens() -> None:
    squares = [0.01, 0.36, 0.09]
    assert shares([0.1, 0.6, 0.3], 0.5, 1.0) == pytest.approx([one / sum(squares) for one in squares], abs=0.03)


def test_top_p_keeps_the_fewest_tokens_that_reach_it() -> None:
    assert shares([0.1, 0.6, 0.3], 1.0, 0.59)[1] == 1
    assert shares([0.1, 0.6, 0.3], 1.0, 0.7) == pytest.approx([0, 2 / 3, 1 / 3], abs=0.03)


@pytest.mark.parametrize("temperature", [1e-30, 0.0])
def test_no_temperature_takes_the_likeliest(temperature: float) -> None:
    assert shares([0.1, 0.5, 0.4], temperature, 1.0, 50)[1] == 1


def test_a_row_that_is_no_number_is_told_and_leaves_the_others_alone() -> None:
    import torch

    logits = torch.tensor([[1.0, 2.0], [float("nan"), 0.0], [float("inf"), 0.0], [3.0, -float("inf")]])
    taken = draw(logits, [Draw(1.0, 0.9, 1, 0, True)] * 4)
    assert taken.sound == [True, False, False, True]
    assert taken.tokens[3] == 0
    assert taken.logprobs[3] == 0


def test_numbers_of_a_counter_are_even_and_fixed() -> None:
    drawn = [uniform(seed, number) for seed in range(40) for number in range(100)]
    assert all(0 <= one < 1 for one in drawn)
    assert len(set(drawn)) == len(drawn)
    tenths = [sum(int(one * 10) == tenth for one in drawn) for tenth in range(10)]
    assert all(330 < count < 470 for count in tenths)
    assert uniform(7, 0) == uniform(7, 0) != uniform(-7, 0)
