"""Numbers as people read them."""

from __future__ import annotations

import pytest
from mlops_runtime.rollout.decision.words import chance, duration, of, share


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (45, "45 s"), (90, "2 min"), (3580, "1 h"), (9000, "2.5 h"), (120_000, "33 h"), (200_000, "2 days")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_shares_and_chances() -> None:
    assert (share(0.05), of(3, 200), of(0, 0)) == ("5%", "3 of 200 (1.5%)", "0 of 0")
    assert [chance(value) for value in (-5.0, 4.6052, 700.0)] == ["1 in 1", "1 in 100", "less than 1 in 100 million"]
