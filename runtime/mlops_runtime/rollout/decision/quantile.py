"""The 95th percentile of a latency histogram."""

from __future__ import annotations

from collections.abc import Sequence

from mlops_runtime.rollout.decision.wagers import TAIL


def p95(counts: Sequence[float], bounds: Sequence[float]) -> float:
    """Estimate in seconds, by a straight line inside of the bucket, as Prometheus' `histogram_quantile` has it.

    Args:
        counts: requests per bucket, not cumulative, the last one above all bounds; at least one.
        bounds: upper bounds in seconds; a percentile above all of them reads as the largest.
    """
    rank, below, start = (1 - TAIL) * sum(counts), 0.0, 0.0
    for count, bound in zip(counts, bounds, strict=False):
        if count and below + count >= rank:
            return start + (bound - start) * (rank - below) / count
        below, start = below + count, bound
    return bounds[-1]
