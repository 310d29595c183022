"""Quantiles of the latency in both arms, from counts in narrow bins, with intervals that know users.

A mean of logarithms says how long the typical answer takes, not how long the slow ones do. Users are put into groups by
their hash; groups are drawn with replacement (cluster bootstrap: Davison and Hinkley, Bootstrap Methods and their
Application, 1997, section 3.8), so that requests of one user stay together. In each stage both arms count alike, so
that a stage in which everything was slow weighs the same in both.
"""

from __future__ import annotations

import math
from array import array
from typing import Any

import numpy as np

QUANTILES = (0.5, 0.95)
GROUPS = 64
DRAWS = 400
LOW, HIGH = 1e-4, 1e4
"""Seconds between which latencies are told apart."""
STEP = math.log(1.02)
"""Width of a bin: 2 %."""
BINS = math.ceil(math.log(HIGH / LOW) / STEP) + 1
SEED = 20_161_123


class Latencies:
    """Counts by stage, arm, group of users and bin.

    Args:
        stages: number of stages.
    """

    def __init__(self, stages: int) -> None:
        self._stages = stages
        self._counts: dict[tuple[int, int], array[int]] = {}

    def add(self, stage: int, arm: int, user: int, seconds: float) -> None:
        """Count one request."""
        key = (stage, arm)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = array("q", bytes(8 * GROUPS * BINS))
        bin = 0 if seconds <= LOW else min(BINS - 1, int(math.log(seconds / LOW) / STEP) + 1)
        counts[(user % GROUPS) * BINS + bin] += 1

    def document(self, alpha: float) -> dict[str, Any] | None:
        """Quantiles of both arms, and by how many seconds they differ; None where no stage has both.

        Args:
            alpha: 1 minus the confidence of the intervals, each by itself and for one look.

        Returns:
            By name (`p50`, `p95`): `champion` and `canary` in seconds, `difference` and `interval`.
        """
        stages = [stage for stage in range(self._stages) if {(stage, 0), (stage, 1)} <= self._counts.keys()]
        if not stages:
            return None
        shape = (GROUPS, BINS)
        cells = [[np.array(self._counts[stage, arm]).reshape(shape) for arm in (0, 1)] for stage in stages]
        sizes = np.array([[cell.sum() for cell in pair] for pair in cells], dtype=float)
        weights = sizes.prod(axis=1) / sizes.sum(axis=1)
        draws = np.random.default_rng(SEED).multinomial(GROUPS, np.full(GROUPS, 1 / GROUPS), size=DRAWS)
        draws = np.vstack([np.ones(GROUPS), draws])
        curves = [
            sum(_curve(draws, pair[arm], weight) for pair, weight in zip(cells, weights, strict=True)) for arm in (0, 1)
        ]
        return {f"p{level * 100:g}": _compared(curves, level, alpha) for level in QUANTILES}


def _curve(draws: Any, cell: Any, weight: float) -> Any:
    """Cumulative weight by bin of each draw."""
    drawn = draws @ cell
    return weight * np.cumsum(drawn, axis=1) / np.maximum(drawn.sum(axis=1, keepdims=True), 1)


def _compared(curves: Any, level: float, alpha: float) -> dict[str, Any]:
    found = []
    for curve in curves:
        wanted = level * curve[:, -1]
        above = (curve >= wanted[:, None]).argmax(axis=1)
        rows = np.arange(len(curve))
        before = np.where(above > 0, curve[rows, above - 1], 0.0)
        part = (wanted - before) / np.maximum(curve[rows, above] - before, 1e-300)
        found.append(LOW * np.exp((above - 1 + part) * STEP))
    apart = found[1] - found[0]
    low, high = np.quantile(apart[1:], [alpha / 2, 1 - alpha / 2])
    return {
        "champion": float(found[0][0]),
        "canary": float(found[1][0]),
        "difference": float(apart[0]),
        "interval": [float(low), float(high)],
    }
