"""Metric families of the contract as objects of the Prometheus client, in a registry of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from mlopsgen.contract.metrics import Family

TEXT = "text/plain; version=0.0.4; charset=utf-8"
"""Content type of Prometheus' text format."""

disable_created_metrics()  # type: ignore[no-untyped-call]


def metrics(
    families: Iterable[Family],
    registry: CollectorRegistry,
    known: Mapping[str, Sequence[str]],
    buckets: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, Any]:
    """Metrics by name. Series whose labels are all known exist from the start, with 0.

    Args:
        families: of one exporter.
        registry: that they are registered in.
        known: values of labels that the contract leaves open, such as `model_name`, or narrower ones than it names.
        buckets: upper bounds of histograms by name, where they are not the contract's.
    """
    found: dict[str, Any] = {}
    for family in families:
        found[family.name] = metric = _metric(family, registry, (buckets or {}).get(family.name, family.buckets))
        values = [known.get(name, closed) for name, closed in family.labels]
        if family.labels and all(values):
            for labels in product(*values):
                metric.labels(*labels)
    return found


def _metric(family: Family, registry: CollectorRegistry, buckets: Sequence[float]) -> Any:
    names = [name for name, _ in family.labels]
    if family.kind == "counter":
        return Counter(family.name, family.help, names, registry=registry)
    if family.kind == "gauge":
        return Gauge(family.name, family.help, names, registry=registry)
    return Histogram(family.name, family.help, names, registry=registry, buckets=tuple(buckets))
