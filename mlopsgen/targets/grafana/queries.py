"""Queries of panels: `contract.promql` with the dashboard's variables in place of fixed labels and windows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mlopsgen.contract import promql
from mlopsgen.contract.metrics import FAMILIES, VARIANT, Family

WINDOW: Any = "$__rate_interval"
"""At least four scrapes, whatever the zoom: Grafana computes it from the data source's scrape interval."""

RANGE: Any = "$__range"
"""All of the time that the dashboard shows."""

ENVIRONMENT, NAMESPACE, MODEL, VARIANTS = "$environment", "$namespace", "$model", "$variant"
VARIABLES = ("environment", "namespace", "model", "variant")

_EVERY_VARIANT = promql.matchers({"variant": VARIANT})[1:-1]
_CHOSEN_VARIANTS = f'variant=~"{VARIANTS}"'
_OF_SERIES: dict[str, Family] = {name: family for family in FAMILIES for name in family.series}
_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")

Values = str | Sequence[str] | None


def families(expression: str) -> list[Family]:
    """Families that an expression reads, in order."""
    return [_OF_SERIES[name] for name in _NAME.findall(expression) if name in _OF_SERIES]


def used(expressions: Iterable[str]) -> tuple[str, ...]:
    """Variables that expressions refer to."""
    text = " ".join(expressions)
    return tuple(name for name in VARIABLES if re.search(rf"\${name}\b", text))


def level(name: str, **narrowed: Values) -> str:
    """The present value of a gauge."""
    given = promql.family(name)
    found = _spelled(given, narrowed, lambda labels: promql.selector(given, labels))
    return f"({found})" if given.source == "dcgm" else found


def rate(name: str, by: Sequence[str] = (), part: Any = "", window: str = WINDOW, **narrowed: Values) -> str:
    """Growth per second of a counter or of a histogram's part, summed."""
    given = promql.family(name)
    return promql.total(_spelled(given, narrowed, lambda labels: promql.rate(given, window, labels, part)), by)


def increase(name: str, by: Sequence[str] = (), part: Any = "", window: str = WINDOW, **narrowed: Values) -> str:
    """Growth of a counter or of a histogram's part over a window, summed."""
    given = promql.family(name)
    return promql.total(_spelled(given, narrowed, lambda labels: promql.increase(given, window, labels, part)), by)


def quantile(share: float, name: str, by: Sequence[str] = (), **narrowed: Values) -> str:
    """Quantile of a histogram."""
    given = promql.family(name)
    return _spelled(given, narrowed, lambda labels: promql.quantile(share, given, WINDOW, labels, by))


def mean(name: str, by: Sequence[str] = (), window: str = WINDOW, **narrowed: Values) -> str:
    """Mean of what a histogram observed."""
    given = promql.family(name)
    return _spelled(given, narrowed, lambda labels: promql.mean(given, window, labels, by))


def changes(name: str, window: str, **narrowed: Values) -> str:
    """How often a gauge changed over a window."""
    given = promql.family(name)
    return _spelled(given, narrowed, lambda labels: promql.over_time("changes", given, window, labels))


def buckets(name: str) -> str:
    """What fell into each bucket of a histogram: the rows of a heat map."""
    return increase(name, ("le",), "_bucket")


def age(name: str, **narrowed: Values) -> str:
    """Seconds since the moment that a gauge holds."""
    return f"time() - {level(name, **narrowed)}"


def _spelled(given: Family, narrowed: Mapping[str, Values], write: Callable[[promql.Labels], str]) -> str:
    """A query of what the dashboard's variables choose; None in `narrowed` leaves a label open."""
    if given.source == "dcgm":  # it knows namespaces only, and calls them after `honor_labels` of the scrape
        return " or ".join(write({name: NAMESPACE}) for name in ("namespace", "exported_namespace"))
    own = dict(given.labels)
    chosen: dict[str, Values] = {"environment": ENVIRONMENT}
    if "model_name" in own:
        chosen["model_name"] = MODEL
    if "variant" in own:
        chosen["variant"] = VARIANT
    labels = {name: value for name, value in {**chosen, **narrowed}.items() if value is not None}
    # The variable stands for one variant or for both.
    return write(labels).replace(_EVERY_VARIANT, _CHOSEN_VARIANTS)
