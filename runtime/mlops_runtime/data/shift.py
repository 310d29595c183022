"""Whether two windows of a feature differ by more than chance, and by how much.

The distance is Kolmogorov-Smirnov's D for numbers (largest difference of the distribution functions) and the
Jensen-Shannon distance for classes (square root of the divergence to base 2, as scipy and Evidently have it); both run
from 0 to 1. Whether it is more than chance is judged by Anderson and Darling's statistic for numbers, in the form of
Scholz and Stephens for ties ("K-Sample Anderson-Darling Tests", Journal of the American Statistical Association 82,
1987), which sees smaller shifts than D does, and by Pearson's chi-square for classes. How large they get by chance
depends on the sizes of both windows and on ties, so it is found by permutation: the records of both windows are dealt
again and again into windows of these sizes (Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses", ch. 3).
That test is exact at any size. Over the features Holm's step-down correction (Scandinavian Journal of Statistics 6,
1979) keeps the share of windows with a false alarm at `alpha` or below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from mlops_runtime.data.columns import digest
from mlops_runtime.errors import Mistaken

if TYPE_CHECKING:
    import numpy as np

    from mlops_runtime.data.features import Counts, Features

    Array = np.ndarray[Any, Any]

ENOUGH = 100
"""Records that each window needs; below, nothing is said about it."""

BINS = 64
"""Bins of a test at most: neighbouring numbers, or the rarest classes, are taken together."""

PER_LEVEL = 10
"""Permutations beyond the strictest level: at a level of 0.001, 10,000."""

MOST = 200_000
"""Permutations of one feature at most."""

STAGES = (200, 1000)
"""Permutations after which a p that is clear ends the drawing, where no cut is asked for: `CLEAR` of them reach what is
observed, and p is four times `alpha` or more. So nothing that could be drift ends early."""

CLEAR = 20

_CELLS = 2_000_000

State = Literal["drift", "none", "not enough data"]


class Shift(NamedTuple):
    """What was found for one feature.

    Attributes:
        kind: `number` or `class`.
        state: whether it is drift.
        distance: Kolmogorov-Smirnov or Jensen-Shannon, 0 to 1; 0 without enough data.
        cut: distance that chance reaches with the strictest level of Holm's procedure; None without enough data, or
            where it was clear before that was known.
        p: probability of a difference like this or more by chance.
        p_holm: the same, corrected for the number of features.
        records: in the window and in the reference.
    """

    kind: str
    state: State
    distance: float
    cut: float | None
    p: float
    p_holm: float
    records: tuple[int, int]


def compare(
    reference: Features, window: Features, *, alpha: float, min_effect: float, whole: bool = True
) -> dict[str, Shift]:
    """Compare all features that both have.

    Args:
        reference: counts of the data that a model was trained on.
        window: counts of what is to be judged.
        alpha: false alarms over all features together.
        min_effect: distance below which nothing is drift.
        whole: draw all permutations, so that every `cut` is known; else stop where p is clear.

    Raises:
        Mistaken: `alpha` is so small that no number of permutations shows it.
    """
    names = [name for name in window.counts if name in reference.counts]
    tested = [n for n in names if min(reference.counts[n].total, window.counts[n].total) >= ENOUGH]
    level = alpha / max(len(tested), 1)
    if tested and level * MOST < PER_LEVEL:
        raise Mistaken(
            f"`data.drift.alpha` of {alpha:g} over {len(tested)} features cannot be told from chance: "
            f"{PER_LEVEL * len(tested) / MOST:g} is the smallest that can"
        )
    found = {
        name: _test(name, reference.counts[name], window.counts[name], level, math.inf if whole else 4 * alpha)
        for name in tested
    }
    corrected = holm({name: p for name, (_, _, p) in found.items()})
    result = {}
    for name in names:
        kind = window.counts[name].kind
        sizes = window.counts[name].total, reference.counts[name].total
        if name not in found:
            result[name] = Shift(kind, "not enough data", 0.0, None, 1.0, 1.0, sizes)
            continue
        distance, cut, p = found[name]
        drifts = corrected[name] <= alpha and distance >= min_effect
        result[name] = Shift(kind, "drift" if drifts else "none", distance, cut, p, corrected[name], sizes)
    return result


def holm(values: Mapping[str, float]) -> dict[str, float]:
    """p-values corrected by Holm's step-down procedure."""
    result, largest = {}, 0.0
    for rank, name in enumerate(sorted(values, key=lambda name: values[name])):
        largest = max(largest, min(1.0, values[name] * (len(values) - rank)))
        result[name] = largest
    return result


def _test(
    name: str, reference: Counts, window: Counts, level: float, clear: float
) -> tuple[float, float | None, float]:
    """Distance, cut at `level`, and p; drawing ends early from a p of `clear` on. Same counts, same answer."""
    import numpy as np

    first, second = aligned(reference, window)
    pooled, size = first + second, int(second.sum())
    distance, observed = (float(one) for one in _measures(second[None, :], pooled, reference.kind)[0])
    generator = np.random.default_rng(digest("drift", name, first.tolist(), second.tolist()))
    draws = max(math.ceil(PER_LEVEL / level), STAGES[-1])
    null, reached = np.empty((0, 2)), 0
    for stage in (*STAGES, draws):
        null = np.concatenate([null, _null(generator, pooled, size, stage - len(null), reference.kind)])
        reached = int((null[:, 1] >= observed * (1 - 1e-9)).sum())
        if reached >= CLEAR and (reached + 1) / (stage + 1) >= clear:
            return distance, None, (reached + 1) / (stage + 1)
    cut = float(np.quantile(null[:, 0], 1 - level, method="higher"))
    return distance, cut, (reached + 1) / (draws + 1)


def aligned(reference: Counts, window: Counts) -> tuple[Array, Array]:
    """Both windows as counts over the same bins, at most `BINS`, which depend on the two together only."""
    import numpy as np

    pooled = reference.bins + window.bins
    keys = sorted(pooled)
    if len(keys) > BINS:
        if reference.kind == "number":
            groups = _neighbours([pooled[key] for key in keys])
        else:
            often = set(sorted(keys, key=lambda key: (-pooled[key], key))[: BINS - 1])
            keys = sorted(keys, key=lambda key: (key not in often, key))
            groups = [min(index, BINS - 1) for index in range(len(keys))]
    else:
        groups = list(range(len(keys)))
    result = np.zeros((2, groups[-1] + 1 if groups else 1), dtype=np.int64)
    for key, group in zip(keys, groups, strict=True):
        result[0, group] += reference.bins[key]
        result[1, group] += window.bins[key]
    return result[0], result[1]


def _neighbours(counts: list[int]) -> list[int]:
    """A group for each bin in order, without gaps: about equally many records in each of at most `BINS` groups."""
    total, before, groups, group, last = sum(counts), 0, [], -1, -1
    for count in counts:
        part = before * BINS // total
        if part != last:
            group, last = group + 1, part
        groups.append(group)
        before += count
    return groups


def _null(generator: Any, pooled: Array, size: int, draws: int, kind: str) -> Array:
    """Distances and statistics of `draws` random deals of the pooled records into a window of `size` and the rest."""
    import numpy as np

    block = max(1, _CELLS // len(pooled))
    parts = [np.empty((0, 2))]
    for start in range(0, draws, block):
        count = min(block, draws - start)
        dealt = generator.multivariate_hypergeometric(pooled, size, size=count, method="marginals")
        parts.append(_measures(dealt, pooled, kind))
    return np.concatenate(parts)


def _measures(windows: Array, pooled: Array, kind: str) -> Array:
    """Distance and test statistic of each window (a row of counts) and the rest of the pooled records, as columns."""
    import numpy as np

    statistics = _anderson_darling(windows, pooled) if kind == "number" else _chi_square(windows, pooled)
    return np.stack([_distances(windows, pooled, kind), statistics], axis=1)


def _anderson_darling(windows: Array, pooled: Array) -> Array:
    """Scholz and Stephens' statistic for ties, of each window and the rest."""
    import numpy as np

    size, total = int(windows[0].sum()), int(pooled.sum())
    until = np.cumsum(pooled) - pooled / 2
    spread = until * (total - until) - total * pooled / 4
    weights = np.divide(pooled, spread, out=np.zeros(len(pooled)), where=spread > 0)
    apart = total * (np.cumsum(windows, axis=1) - windows / 2) - size * until
    scale = (total - 1) / total**2 * (1 / size + 1 / (total - size))
    result: Array = scale * (apart**2 * weights).sum(axis=1)
    return result


def _chi_square(windows: Array, pooled: Array) -> Array:
    """Pearson's statistic of homogeneity, of each window and the rest."""
    size, total = int(windows[0].sum()), int(pooled.sum())
    expected = pooled * (size / total)
    result: Array = ((windows - expected) ** 2 / expected).sum(axis=1) * (total / (total - size))
    return result


def _distances(windows: Array, pooled: Array, kind: str) -> Array:
    """Distance of each window (a row of counts) to the rest of the pooled records."""
    import numpy as np

    size = int(windows[0].sum())
    rest = int(pooled.sum()) - size
    if kind == "number":
        reached = np.cumsum(windows, axis=1)
        result: Array = np.abs(reached / size - (np.cumsum(pooled) - reached) / rest).max(axis=1)
        return result
    p, q = windows / size, (pooled - windows) / rest
    middle = (p + q) / 2
    divergence = (_entropy(middle) - (_entropy(p) + _entropy(q)) / 2).clip(0, 1)
    result = np.sqrt(divergence)
    return result


def _entropy(shares: Array) -> Array:
    """Shannon entropy of each row, in bits."""
    import numpy as np

    result: Array = -(shares * np.log2(shares, out=np.zeros_like(shares), where=shares > 0)).sum(axis=1)
    return result
