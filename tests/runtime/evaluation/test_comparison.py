"""The paired bootstrap, and the file of losses that it reads."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlops_runtime.errors import Mistaken
from mlops_runtime.evaluation import comparison, losses
from mlops_runtime.evaluation.losses import Losses


def drawn(generator: Any, count: int, worse: float) -> tuple[Losses, Losses]:
    """A new model and a champion on the same records: common difficulty, own noise, the new one worse by a share."""
    ids = np.arange(count, dtype=np.uint64)
    tokens = generator.integers(5, 60, count)
    hard = generator.gamma(3.0, 0.7, count)
    sides = [tokens * hard * (1 + share) * (1 + generator.normal(0, 0.15, count)) for share in (worse, 0.0)]
    new, champion = (Losses(ids, nll, tokens, tokens // 2) for nll in sides)
    return new, champion


def test_the_interval_covers_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """95 % of the upper ends lie above the true difference: 200 draws, so 90.3 to 99.7 % (three standard errors)."""
    monkeypatch.setattr(comparison, "DRAWS", 300)
    generator = np.random.default_rng(5)
    above = 0
    for seed in range(200):
        new, champion = drawn(generator, 150, 0.03)
        found = comparison.paired("val_loss", new, champion, seed)
        assert found is not None
        assert found.upper is not None
        above += found.upper > 0.03
    assert 0.903 <= above / 200 <= 0.997


def test_pairs_tell_more_than_two_samples_would() -> None:
    new, champion = drawn(np.random.default_rng(1), 500, 0.0)
    found = comparison.paired("val_loss", new, champion)
    shuffled = np.random.default_rng(2).permutation(500)
    alone = champion._replace(nll=champion.nll[shuffled], tokens=champion.tokens[shuffled])
    other = comparison.paired("val_loss", new, alone)
    assert found is not None
    assert other is not None
    assert found.upper is not None
    assert other.upper is not None
    assert other.upper - other.worse > 2 * (found.upper - found.worse)


def test_a_metric_is_a_ratio_of_sums() -> None:
    ids = np.arange(100, dtype=np.uint64)
    tokens = np.where(ids < 50, 1, 99)
    new = Losses(ids, np.where(ids < 50, 4.0, 99.0), tokens, tokens // 2)
    champion = Losses(ids, np.where(ids < 50, 2.0, 99.0), tokens, tokens)
    found = comparison.paired("val_loss", new, champion)
    assert found is not None
    assert found.worse == pytest.approx((50 * 4 + 50 * 99) / (50 * 2 + 50 * 99) - 1)
    perplexity = comparison.paired("val_perplexity", new, champion)
    assert perplexity is not None
    means = [(50 * loss + 50 * 99) / 5000 for loss in (4, 2)]
    assert perplexity.worse == pytest.approx(math.exp(means[0] - means[1]) - 1)
    accuracy = comparison.paired("val_accuracy", new, champion)
    assert accuracy is not None
    assert accuracy.worse == pytest.approx(1 - 50 * 49 / 5000)


def test_many_records_are_drawn_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    new, champion = drawn(np.random.default_rng(3), 3000, 0.01)
    whole = comparison.paired("val_loss", new, champion)
    monkeypatch.setattr(comparison, "MOST", 400)
    grouped = comparison.paired("val_loss", new, champion)
    assert whole is not None
    assert grouped is not None
    assert whole.upper is not None
    assert grouped.upper is not None
    assert grouped[::2] == whole[::2]
    assert grouped.upper - grouped.worse == pytest.approx(whole.upper - whole.worse, rel=0.15)
    assert grouped == comparison.paired("val_loss", new, champion)


def test_only_common_records_count_and_few_are_none() -> None:
    new, champion = drawn(np.random.default_rng(4), 60, 0.0)
    later = Losses(*(column[31:] for column in champion))
    assert comparison.paired("val_loss", new, later) is None
    found = comparison.paired("val_loss", new, Losses(*(column[20:][::-1] for column in champion)))
    assert found is not None
    assert found.records == 40
    assert comparison.paired("val_f1", new, champion) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stays_one(bad: float) -> None:
    new, champion = drawn(np.random.default_rng(4), 60, 0.0)
    new.nll[3] = bad
    found = comparison.paired("val_loss", new, champion)
    assert found is not None
    assert not math.isfinite(found.worse)


@pytest.mark.parametrize(
    ("metric", "new", "champion", "worse"),
    [
        ("val_loss", 2.2, 2.0, 0.1),
        ("val_loss", 1.8, 2.0, -0.1),
        ("val_accuracy", 0.72, 0.8, 0.1),
        ("val_f1", 0.88, 0.8, -0.1),
        ("val_loss", 0.1, 0.0, math.inf),
        ("val_loss", 0.0, 0.0, 0.0),
    ],
)
def test_without_records(metric: str, new: float, champion: float, worse: float) -> None:
    assert comparison.plain(metric, new, champion) == (pytest.approx(worse), None, 0)


def test_losses_come_back_in_the_order_of_their_ids(tmp_path: Path) -> None:
    path = str(tmp_path / "reports" / "evaluation.npz")
    losses.write(path, ["ffffffffffffffff", "0a"], [1.5, 2.5], [3, 4], [1, 2])
    found = losses.read(path)
    assert found.id.tolist() == [10, 2**64 - 1]
    assert (found.nll.tolist(), found.tokens.tolist(), found.correct.tolist()) == ([2.5, 1.5], [4, 3], [2, 1])
    before = Path(path).read_bytes()
    losses.write(path, ["0a", "ffffffffffffffff"], [2.5, 1.5], [4, 3], [2, 1])
    assert Path(path).read_bytes() == before
    for ids in (["0a", "0a"], ["0a"]):
        with pytest.raises(ValueError, match="each record once"):
            losses.write(path, ids, [2.5, 1.5], [4, 3], [2, 1])


def test_what_is_no_file_of_losses(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "owned",))

    path = tmp_path / "x.npz"
    arrays: dict[str, Any] = {"id": np.array([1], "u8"), "nll": np.array([1.0]), "tokens": np.array([1])}
    wrong: list[Any] = [
        lambda: path.write_bytes(b""),
        lambda: path.write_bytes(pickle.dumps(Evil())),
        lambda: np.savez(path, **arrays),
        lambda: np.savez(path, **arrays, correct=np.array([Evil()], dtype=object)),
        lambda: np.savez(path, **arrays, correct=np.array([1.0])),
        lambda: np.savez(path, **arrays, correct=np.array([1, 2])),
        path.unlink,
    ]
    for make in wrong:
        make()
        with pytest.raises(Mistaken, match="run `dvc repro evaluate`"):
            losses.read(str(path))
    assert not (tmp_path / "owned").exists()
