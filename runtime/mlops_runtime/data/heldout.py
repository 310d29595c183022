"""Which held-out records are asked of a model that serves: a sample that does not depend on their order."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Any

from mlops_runtime.data.columns import digest

KEPT = 5000
"""Records that the run of a model keeps at most, for the quality exporter, which has no other data."""


def sample(records: Iterable[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """As many records at most, those with the least hashes of their `id`: random, and the same whatever the order.

    A sample of a larger sample is the sample of the whole.
    """
    keyed = ((digest("quality", str(record["id"])), str(record["id"]), record) for record in records)
    return [record for _, _, record in heapq.nsmallest(count, keyed, key=lambda one: one[:2])]
