"""The shape of a metric family, and the label sets and buckets that several parts share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]
Source = Literal["serving", "vllm", "quality", "rollout", "trainer", "dcgm"]
Need = Literal["gpu", "cost"]
Labels = tuple[tuple[str, tuple[str, ...]], ...]

VARIANT = ("champion", "canary")

LATENCY_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds in seconds; answers of a language model can take minutes."""

TOKEN_BUCKETS = (1.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0)

MODEL = ("model_name", ())
BY_VARIANT = ("variant", VARIANT)


class Family(NamedTuple):
    """One metric family.

    Attributes:
        name: as exported; counters end in `_total`.
        kind: Prometheus type.
        help: one sentence.
        unit: of the value.
        labels: label names; those with a closed set of values name it.
        buckets: upper bounds of a histogram.
        source: the part that exports it.
        engines: values of `serving.engine` with which it is exported; empty for all.
        tasks: values of `model.task` with which it is exported; empty for all.
        needs: what the spec must ask for before it is exported: a GPU, or prices.
        version: versions of a foreign exporter that have it.
    """

    name: str
    kind: Kind
    help: str
    unit: str
    labels: Labels = ()
    buckets: tuple[float, ...] = ()
    source: Source = "serving"
    engines: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    needs: Need | None = None
    version: str = ""

    @property
    def series(self) -> tuple[str, ...]:
        """Names under which samples are stored."""
        if self.kind == "histogram":
            return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")
        return (self.name,)


def latency_buckets(limits: Iterable[float] = ()) -> tuple[float, ...]:
    """Upper bounds in seconds of the latency histogram.

    Args:
        limits: latencies that somebody judges by. Each becomes a bound, so that "slower than the limit" is counted
            and not guessed, and the largest bound stays above all of them: a quantile never exceeds it.
    """
    asked = {float(limit) for limit in limits}
    found = sorted({*LATENCY_BUCKETS, *asked})
    return (*found, 2 * found[-1]) if found[-1] in asked else tuple(found)


def bound(value: float) -> str:
    """An upper bound as the Python client writes it in `le`: `2.0`, `+Inf`."""
    return "+Inf" if value == float("inf") else repr(float(value))
