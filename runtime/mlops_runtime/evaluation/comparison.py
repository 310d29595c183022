"""A new model against the champion on the same records: how much worse it is, with an interval.

Both models scored the same records, so records are drawn in pairs: what is hard for both cancels out, and the interval
is that of the difference (paired bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 16;
for test sets of language: Koehn, Statistical Significance Tests for Machine Translation Evaluation, 2004). A metric is
formed from the sums over the drawn records, as it is over all of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from mlopsgen.contract.evaluation import METRICS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlops_runtime.evaluation.losses import Losses

DRAWS = 2000
"""Bootstrap samples."""

CONFIDENCE = 0.95
"""Of the one-sided interval."""

MINIMUM = 30
"""Records that both models must have scored; below, the interval would be an invention."""

FROM_LOSSES = ("val_loss", "val_perplexity", "val_accuracy")
"""Metrics that follow from losses by record."""

MOST = 20_000
"""Units that are drawn; of more records, as many groups of about the same size are drawn instead."""

_CELLS = 1 << 22
"""Counts held at a time."""


class Comparison(NamedTuple):
    """How much worse a model is than the champion, as a share of the champion's value; negative when it is better.

    Attributes:
        worse: of all records.
        upper: upper end of the one-sided interval; None when it is unknown.
        records: how many both scored; 0 when only the metrics were compared.
    """

    worse: float
    upper: float | None
    records: int


def lower_is_better(metric: str) -> bool:
    """Direction of a metric; unknown ones are errors or times."""
    return next((known[metric].lower_is_better for known in METRICS.values() if metric in known), True)


def plain(metric: str, new: float, champion: float) -> Comparison:
    """Compare two values of a metric."""
    return Comparison(_worse(metric, new, champion), None, 0)


def paired(metric: str, new: Losses, champion: Losses, seed: int = 0) -> Comparison | None:
    """Compare on the records that both scored.

    Args:
        metric: one of `FROM_LOSSES`.
        new: losses of the new model.
        champion: losses of the champion.
        seed: of the drawing; the same losses give the same interval.

    Returns:
        None when the metric does not follow from losses, or both have fewer than `MINIMUM` records in common.
    """
    import numpy as np

    if metric not in FROM_LOSSES:
        return None
    _, mine, theirs = np.intersect1d(new.id, champion.id, assume_unique=True, return_indices=True)
    if len(mine) < MINIMUM:
        return None
    # Columns: numerator and denominator of the metric, of the new model and of the champion.
    part = "correct" if metric == "val_accuracy" else "nll"
    columns = [(getattr(losses, part)[rows], losses.tokens[rows]) for losses, rows in ((new, mine), (champion, theirs))]
    sums = np.stack([column.astype(np.float64) for pair in columns for column in pair], axis=1)
    whole = _statistic(metric, sums.sum(axis=0))
    if len(sums) > MOST:
        # Ids are digests, so that neighbours in their order are a random group.
        sums = np.add.reduceat(sums, np.linspace(0, len(sums), MOST, endpoint=False).astype(np.int64))
    units = len(sums)
    generator = np.random.Generator(np.random.Philox(seed))
    with np.errstate(invalid="ignore"):  # what is not finite stays so
        drawn = [generator.multinomial(units, np.full(units, 1 / units), size=size) @ sums for size in _sizes(units)]
    samples = [_statistic(metric, row) for row in np.concatenate(drawn)]
    upper = float(np.quantile(samples, CONFIDENCE)) if all(map(math.isfinite, samples)) else math.nan
    return Comparison(whole, upper, len(mine))


def _sizes(count: int) -> list[int]:
    """Numbers of samples that are drawn at a time."""
    each = max(1, _CELLS // count)
    return [min(each, DRAWS - start) for start in range(0, DRAWS, each)]


def _statistic(metric: str, sums: NDArray[Any]) -> float:
    values = [float(sums[0] / sums[1]) if sums[1] else math.nan, float(sums[2] / sums[3]) if sums[3] else math.nan]
    if metric == "val_perplexity":
        values = [math.exp(value) if value < 700 else math.inf for value in values]
    return _worse(metric, values[0], values[1])


def _worse(metric: str, new: float, champion: float) -> float:
    difference = new - champion if lower_is_better(metric) else champion - new
    if not champion:
        return 0.0 if not difference else math.copysign(math.inf, difference)
    return difference / abs(champion)
