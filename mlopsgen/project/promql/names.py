"""Whether an expression names what somebody exports, and the expression narrowed to one environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mlopsgen.contract.metrics import FAMILIES, TARGET_LABELS, Family, Setup, exported
from mlopsgen.contract.promql import matchers
from mlopsgen.diagnostics.hints import closest
from mlopsgen.project.promql.parser import Expression
from mlopsgen.project.promql.selectors import Selector

SERIES: dict[str, Family] = {name: family for family in FAMILIES for name in family.series}
"""Families by the names that their samples have."""

OWN = ("up", "scrape_duration_seconds", "scrape_samples_scraped", "ALERTS", "ALERTS_FOR_STATE")
"""Series that Prometheus makes itself."""

_OF_ALERTS = ("alertname", "alertstate", "severity", "owner", "project", "category")


class Complaint(NamedTuple):
    """What is wrong with a name: `metric`, `label`, or `setup` for a metric that this deployment does not export."""

    kind: str
    message: str
    help: str


def complaints(expression: Expression, setup: Setup, others: Iterable[str] = ()) -> Iterator[Complaint]:
    """Names that nobody exports.

    Args:
        expression: as parsed.
        setup: what the deployment exports.
        others: metrics of exporters that the contract does not know.
    """
    foreign, allowed, open_ended = frozenset(others), set(expression.made), False
    for selector in expression.selectors:
        family = SERIES.get(selector.name)
        if family is not None:
            yield from _of_family(selector, family, setup)
            allowed |= _labels(selector.name, family)
        elif selector.name in OWN:
            allowed |= {*TARGET_LABELS, *_OF_ALERTS}
        elif selector.name in foreign or not selector.name:
            open_ended = True
        else:
            yield _unknown(selector.name, foreign)
            open_ended = True
    for label, _ in () if open_ended else expression.labels:
        if label not in allowed and label != "__name__":
            yield _no_label(label, "what it is taken from", allowed)


def _unknown(name: str, foreign: frozenset[str]) -> Complaint:
    base = next((name.removesuffix(end) for end in ("_bucket", "_count", "_sum") if name.endswith(end)), name)
    whole = next((family for family in FAMILIES if family.name == name), None)
    if whole is not None:
        return Complaint(
            "metric", f"{name} is a histogram and has no samples of that name", f"did you mean `{name}_bucket`?"
        )
    near = closest(name, [*SERIES, *OWN, *foreign]) or closest(base, [family.name for family in FAMILIES])
    help = f"did you mean `{near}`?" if near else "name a metric of the contract, or list it under `monitoring.metrics`"
    return Complaint("metric", f"nobody exports {name}", help)


def _of_family(selector: Selector, family: Family, setup: Setup) -> Iterator[Complaint]:
    reason = exported(family, setup)
    if reason:
        yield Complaint("setup", f"nobody exports {selector.name} here: {reason}", "use another metric, or change that")
    known = _labels(selector.name, family)
    for label, _ in selector.labels:
        if label not in known:
            yield _no_label(label, selector.name, known)
    closed = dict(family.labels)
    for label, value, _ in selector.values:
        values = closed.get(label)
        if values and value and value not in values:
            near = closest(value, list(values))
            help = f"did you mean `{near}`?" if near else "one of " + ", ".join(f"`{one}`" for one in values)
            yield Complaint("label", f"{label} of {selector.name} is never {value}", help)


def _no_label(label: str, what: str, known: set[str]) -> Complaint:
    near = closest(label, sorted(known))
    help = f"did you mean `{near}`?" if near else "it has " + ", ".join(f"`{name}`" for name in sorted(known))
    return Complaint("label", f"{what} has no label {label}", help)


def _labels(series: str, family: Family) -> set[str]:
    bucket = ("le",) if series.endswith("_bucket") and family.kind == "histogram" else ()
    return {*dict(family.labels), *TARGET_LABELS, *bucket}


def scoped(text: str, expression: Expression, labels: Mapping[str, str]) -> str:
    """The expression with more labels matched, wherever a metric has them and the author did not match them.

    Args:
        text: the expression.
        expression: as parsed from it.
        labels: values by label; `namespace` is for metrics of GPUs, which know no environment, and for no others.
    """
    for selector in sorted(expression.selectors, key=lambda each: -each.start):
        family = SERIES.get(selector.name)
        if family is None and selector.name not in OWN:
            continue
        has = _labels(selector.name, family) if family is not None else {*TARGET_LABELS}
        has -= {"environment"} if family is not None and family.source == "dcgm" else {"namespace"}
        written = {name for name, _ in selector.labels}
        more = {name: value for name, value in labels.items() if name in has and name not in written}
        if not more:
            continue
        inside = matchers(more)[1:-1]
        if selector.inside < 0:
            text = f"{text[: selector.end]}{{{inside}}}{text[selector.end :]}"
        else:
            rest = text[selector.inside :]
            comma = "" if rest.lstrip().startswith("}") else ","
            text = f"{text[: selector.inside]}{inside}{comma}{rest}"
    return text
