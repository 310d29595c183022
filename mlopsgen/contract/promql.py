"""PromQL over the metric families of the contract: a query can name nothing that is not exported.

Ratios divide sums, quantiles keep `le`, `rate` takes counters only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from mlopsgen.contract.metrics import FAMILIES, Family

TARGET_LABELS = ("namespace", "pod", "job", "instance")
"""Labels that Prometheus adds to what it scrapes."""

_KNOWN = {family.name: family for family in FAMILIES}


def family(name: str) -> Family:
    """A family of the contract.

    Raises:
        KeyError: nothing exports it.
    """
    return _KNOWN[name]


def selector(given: Family, labels: Mapping[str, str] | None = None, suffix: str = "") -> str:
    """An instant vector of a family.

    Args:
        given: the family.
        labels: values by label; each label is the family's own or one of `TARGET_LABELS`.
        suffix: `_bucket`, `_count` or `_sum` of a histogram.

    Raises:
        KeyError: the family has no such label, or the label no such value.
    """
    own = dict(given.labels)
    for name, value in (labels or {}).items():
        if name not in own and name not in TARGET_LABELS:
            raise KeyError(f"{given.name} has no label {name}")
        if own.get(name) and value not in own[name]:
            raise KeyError(f"{name} of {given.name} is never {value}")
    inside = ",".join(f"{name}={json.dumps(str(value), ensure_ascii=False)}" for name, value in (labels or {}).items())
    return f"{given.name}{suffix}{{{inside}}}" if inside else given.name + suffix


def total(expression: str, by: Sequence[str] = ()) -> str:
    """Sum of a vector, kept apart by labels."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def increase(given: Family, window: str, labels: Mapping[str, str] | None = None) -> str:
    """Growth of a counter, or of a histogram's count, over a window.

    Raises:
        TypeError: the family is a gauge.
    """
    return f"increase({_counted(given, labels)}[{window}])"


def rate(given: Family, window: str, labels: Mapping[str, str] | None = None) -> str:
    """Growth per second of a counter, or of a histogram's count, over a window.

    Raises:
        TypeError: the family is a gauge.
    """
    return f"rate({_counted(given, labels)}[{window}])"


def ratio(numerator: str, denominator: str) -> str:
    """One sum over another; both sums keep the same labels. Nothing over nothing is no sample."""
    return f"{numerator} / ({denominator} > 0)"


def quantile(share: float, given: Family, window: str, labels: Mapping[str, str] | None = None) -> str:
    """Quantile of a histogram over a window, over all its series.

    Raises:
        TypeError: the family is no histogram.
    """
    if given.kind != "histogram":
        raise TypeError(f"{given.name} is a {given.kind}, no histogram")
    return f"histogram_quantile({share:g}, sum by (le) (rate({selector(given, labels, '_bucket')}[{window}])))"


def duration(seconds: float) -> str:
    """A window as PromQL writes it: `90` is `90s`, `600` is `10m`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"


def _counted(given: Family, labels: Mapping[str, str] | None) -> str:
    if given.kind == "gauge":
        raise TypeError(f"{given.name} is a gauge: it has no rate")
    return selector(given, labels, "_count" if given.kind == "histogram" else "")
