"""A judge of queries: do they parse, and do they name only what the contract has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql

from mlopsgen.contract.metrics import FAMILIES, TARGET_LABELS, Family

SERIES: dict[str, tuple[Family, str]] = {
    series: (family, series.removeprefix(family.name)) for family in FAMILIES for series in family.series
}
OWN = {
    "ALERTS": {"alertname", "alertstate", "severity", "category", "project", "owner"},
    "up": set(),
}
"""Series of Prometheus itself, with their labels."""

COUNTED = {"rate", "increase", "irate", "resets"}
LOOKED_AT = {"changes", "delta", "deriv", "avg_over_time", "min_over_time", "max_over_time"}


def substituted(query: str, variables: dict[str, str]) -> str:
    """A query with Grafana's variables filled in, as Grafana does it."""
    for name in sorted(variables, key=len, reverse=True):
        query = re.sub(rf"\${{{name}}}|\${name}\b", variables[name], query)
    return query


def faults(query: str) -> list[str]:
    """What is wrong with a query; nothing for a good one."""
    try:
        tree = promql.parse(query)
    except ValueError as error:
        return [f"does not parse: {error}"]
    return list(_faults(tree, ""))


def _faults(node: Any, inside: str) -> Iterator[str]:
    if isinstance(node, promql.VectorSelector):
        yield from _selector(node, inside)
    elif isinstance(node, promql.Call):
        for each in node.args:
            yield from _faults(each, node.func.name)
    elif isinstance(node, promql.AggregateExpr):
        known = _labels(node.expr)
        for label in node.modifier.labels if node.modifier else ():
            if label not in known:
                yield f"nothing in {node.expr.prettify()} has a label {label}"
        yield from _faults(node.expr, "")
    else:
        for name in ("lhs", "rhs", "expr", "vector_selector"):
            if hasattr(node, name):
                yield from _faults(getattr(node, name), inside)


def _selector(node: Any, inside: str) -> Iterator[str]:
    if node.name not in SERIES and node.name not in OWN:
        yield f"nobody exports {node.name}"
        return
    known = _labels(node)
    for matcher in node.matchers.matchers:
        if matcher.name not in known:
            yield f"{node.name} has no label {matcher.name}"
    if node.name not in SERIES:
        return
    family, part = SERIES[node.name]
    closed = dict(family.labels)
    for matcher in node.matchers.matchers:
        for value in matcher.value.split("|") if closed.get(matcher.name) else ():
            if value not in closed[matcher.name]:
                yield f"{matcher.name} of {node.name} is never {value}"
    grows = family.kind == "counter" or bool(part)
    if inside in COUNTED and not grows:
        yield f"{inside} of the gauge {node.name}"
    if inside in LOOKED_AT and grows:
        yield f"{inside} of the counter {node.name}"


def _labels(node: Any) -> set[str]:
    """Labels that anything below a node may have."""
    if isinstance(node, promql.VectorSelector):
        if node.name in OWN:
            return {*OWN[node.name], *TARGET_LABELS}
        if node.name not in SERIES:
            return set()
        family, part = SERIES[node.name]
        return {*dict(family.labels), *TARGET_LABELS, *({"le"} if part == "_bucket" else ())}
    if isinstance(node, promql.Call):
        return set().union(*(_labels(each) for each in node.args))
    below = (getattr(node, name) for name in ("lhs", "rhs", "expr", "vector_selector") if hasattr(node, name))
    return set().union(*(_labels(each) for each in below))
