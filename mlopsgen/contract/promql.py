"""PromQL over the metric families of the contract: a query can name nothing that is not exported.

Ratios divide sums, quantiles keep `le`, `rate` takes counters only and `over_time` gauges only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from mlopsgen.contract.metrics import KNOWN, TARGET_LABELS, Family

Labels = Mapping[str, str | Sequence[str]]
"""Values by label; several values match any of them."""

Suffix = Literal["", "_bucket", "_count", "_sum"]

UP = Family("up", "gauge", "1 when the last scrape of a target succeeded, else 0.", "")
"""What Prometheus knows about every target."""

SCRAPES = 4
"""Scrapes that a window holds at least: two may fail and there is still a rate."""


def family(name: str) -> Family:
    """A family of the contract.

    Raises:
        KeyError: nothing exports it.
    """
    return KNOWN[name]


def selector(given: Family, labels: Labels | None = None, suffix: str = "") -> str:
    """An instant vector of a family.

    Args:
        given: the family.
        labels: a value, or several of which any matches, by label; each label is the family's own, one of
            `TARGET_LABELS`, or `le` of a bucket.
        suffix: `_bucket`, `_count` or `_sum` of a histogram.

    Raises:
        KeyError: the family has no such label, or the label no such value.
    """
    own = dict(given.labels)
    for name, value in (labels or {}).items():
        if name not in own and name not in TARGET_LABELS and (name, suffix) != ("le", "_bucket"):
            raise KeyError(f"{given.name} has no label {name}")
        for one in (value,) if isinstance(value, str) else value:
            if own.get(name) and one not in own[name]:
                raise KeyError(f"{name} of {given.name} is never {one}")
    return given.name + suffix + matchers(labels or {})


def matchers(labels: Labels) -> str:
    """`{…}` of a selector; nothing for no labels."""
    inside = ",".join(name + _matcher(value) for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _matcher(value: str | Sequence[str]) -> str:
    values = [value] if isinstance(value, str) else list(dict.fromkeys(value))
    if len(values) == 1:
        return "=" + _quoted(values[0])
    return "=~" + _quoted("|".join(re.sub(r"([.+*?()\[\]{}|^$\\])", r"\\\1", str(one)) for one in values))


def _quoted(text: str) -> str:
    return json.dumps(str(text), ensure_ascii=False)


def window(seconds: float, scrape_interval: float) -> str:
    """A window of `seconds`, or of four scrape intervals where that is longer."""
    return duration(max(seconds, SCRAPES * scrape_interval))


def total(expression: str, by: Sequence[str] = ()) -> str:
    """Sum of a vector, kept apart by labels."""
    return aggregate("sum", expression, by)


def aggregate(operation: Literal["sum", "min", "max", "count"], expression: str, by: Sequence[str] = ()) -> str:
    """A vector aggregated, kept apart by labels."""
    return f"{operation} by ({', '.join(by)}) ({expression})" if by else f"{operation}({expression})"


def increase(
    given: Family, window: str, labels: Labels | None = None, part: Suffix = "", *, offset: str | None = None
) -> str:
    """Growth of a counter, or of a histogram's count, over a window.

    Args:
        given: the family.
        window: how far back, as `duration` writes it.
        labels: as in `selector`.
        part: of a histogram, its count unless said otherwise.
        offset: the window ends this long ago.

    Raises:
        TypeError: the family is a gauge.
    """
    return f"increase({_counted(given, labels, part)}[{window}]{f' offset {offset}' if offset else ''})"


def rate(
    given: Family, window: str, labels: Labels | None = None, part: Suffix = "", *, offset: str | None = None
) -> str:
    """Growth per second of a counter, or of a histogram's count, over a window; arguments as in `increase`.

    Raises:
        TypeError: the family is a gauge.
    """
    return f"rate({_counted(given, labels, part)}[{window}]{f' offset {offset}' if offset else ''})"


def over_time(
    operation: Literal["avg", "min", "max", "changes"], given: Family, window: str, labels: Labels | None = None
) -> str:
    """A gauge looked at over a window.

    Raises:
        TypeError: the family is no gauge.
    """
    if given.kind != "gauge":
        raise TypeError(f"{given.name} is a {given.kind}: look at its rate")
    name = operation if operation == "changes" else f"{operation}_over_time"
    return f"{name}({selector(given, labels)}[{window}])"


def ratio(numerator: str, denominator: str) -> str:
    """One sum over another; both sums keep the same labels. Nothing over nothing is no sample."""
    return f"{numerator} / ({denominator} > 0)"


def mean(given: Family, window: str, labels: Labels | None = None, by: Sequence[str] = ()) -> str:
    """Mean of what a histogram observed over a window.

    Raises:
        TypeError: the family is no histogram.
    """
    _histogram(given)
    return ratio(
        total(rate(given, window, labels, "_sum"), by),
        total(rate(given, window, labels, "_count"), by),
    )


def quantile(share: float, given: Family, window: str, labels: Labels | None = None, by: Sequence[str] = ()) -> str:
    """Quantile of a histogram over a window, kept apart by labels, over all its series without any.

    Raises:
        TypeError: the family is no histogram.
    """
    _histogram(given)
    buckets = f"rate({selector(given, labels, '_bucket')}[{window}])"
    return f"histogram_quantile({share:g}, {total(buckets, (*by, 'le'))})"


def absent(given: Family, labels: Labels | None = None) -> str:
    """1 with the labels that stand for one value each, when there is no such series.

    A histogram is looked for by its count.
    """
    return f"absent({selector(given, labels, '_count' if given.kind == 'histogram' else '')})"


def recorded(by: Sequence[str], metric: str, operations: str) -> str:
    """Name of a recording rule, `level:metric:operations`; the level is the labels that are left.

    Args:
        by: labels of the result.
        metric: what was measured, without `_total`.
        operations: what was done to it, the last first.
    """
    return f"{'_'.join(by)}:{metric.removesuffix('_total')}:{operations}"


def duration(seconds: float) -> str:
    """A window as PromQL writes it: `90` is `90s`, `600` is `10m`, `0.5` is `500ms`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s" if seconds % 1 == 0 else f"{seconds * 1000:.0f}ms"


def _counted(given: Family, labels: Labels | None, part: Suffix) -> str:
    if given.kind == "gauge":
        raise TypeError(f"{given.name} is a gauge: it has no rate")
    if part and given.kind != "histogram":
        raise TypeError(f"{given.name} is a {given.kind}: it has no {part}")
    return selector(given, labels, part or ("_count" if given.kind == "histogram" else ""))


def _histogram(given: Family) -> None:
    if given.kind != "histogram":
        raise TypeError(f"{given.name} is a {given.kind}, no histogram")
