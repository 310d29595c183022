"""Alerts of the compiled rules: when they fire in words, at which limit, who is told, what follows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mlopsgen.overview import values
from mlopsgen.overview.routes import Receiver, Routing
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.promql.names import SERIES
from mlopsgen.project.promql.parser import parse
from mlopsgen.project.promql.tokens import Unparsable, tokens
from mlopsgen.review.documents import Files
from mlopsgen.review.parts import mapping, mappings

FILE = "monitoring/rules.yaml"
SEVERITIES = ("critical", "warning", "info")

_PLACE = re.compile(r"\{\{(?P<inside>.*?)\}\}", re.DOTALL)
_LABEL = re.compile(r"\s*\$labels\.(\w+)\s*")
_PLACES = re.compile(r'(?:environment|namespace)=~?"([^"]*)"')
_WINDOW = re.compile(r"(?P<stem>.*?)(?P<window>[0-9]+[smhdwy])")
_COMPARISONS = (">", "<", ">=", "<=", "==", "!=")


class Piece(NamedTuple):
    """A part of a sentence; `variable` is one that Prometheus fills in."""

    text: str
    variable: bool = False


class Limit(NamedTuple):
    """What the value of an alert is held against."""

    operator: str
    value: float
    unit: values.Unit

    @property
    def shown(self) -> str:
        """`> 5%`."""
        sign = {">=": "≥", "<=": "≤", "==": "=", "!=": "≠"}.get(self.operator, self.operator)
        return f"{sign} {values.shown(self.value, self.unit)}"


class Record(NamedTuple):
    """Recording rules that differ in their window only."""

    name: str
    windows: tuple[str, ...]
    metrics: tuple[str, ...]


class Alert(NamedTuple):
    """Rules of one name that fire alike.

    Attributes:
        hold: how long it must hold, as Prometheus writes it.
        sentences: when each of its rules fires.
        limits: of its rules, each once.
        expressions: PromQL.
        environments: names of those in which it can fire.
        metrics: families that it asks for itself.
        records: names of the records that it asks for.
        told: receivers that reach somebody.
        mutes: labels shared by what is silent while it fires.
    """

    name: str
    severity: str
    category: str
    hold: str
    retrain: bool
    sentences: tuple[tuple[Piece, ...], ...]
    limits: tuple[Limit, ...]
    expressions: tuple[str, ...]
    environments: tuple[str, ...]
    metrics: tuple[str, ...]
    records: tuple[str, ...]
    told: tuple[Receiver, ...]
    mutes: tuple[str, ...]
    runbook: str
    dashboard: str


def records(files: Files) -> list[Record]:
    """Recording rules by what they record, in order."""
    windows: dict[str, list[str]] = {}
    metrics: dict[str, list[str]] = {}
    for rule in _rules(files):
        if "record" in rule:
            name, window = stem(str(rule["record"]))
            windows.setdefault(name, []).append(window)
            metrics.setdefault(name, []).extend(_asked(str(rule.get("expr", ""))))
    return [
        Record(name, tuple(each for each in dict.fromkeys(found) if each), tuple(dict.fromkeys(metrics[name])))
        for name, found in windows.items()
    ]


def stem(record: str) -> tuple[str, str]:
    """Name of a record without its window, and that."""
    found = _WINDOW.fullmatch(record) if ":" in record else None
    return (found["stem"], found["window"]) if found else (record, "")


def alerts(project: Project, files: Files) -> list[Alert]:
    """Every alert, the gravest of a category first, categories in the order of the rules."""
    routing, recorded = Routing(files), {each.name for each in records(files)}
    found: dict[Any, list[Alert]] = {}
    for rule in _rules(files):
        if "alert" in rule:
            alert = _alert(project, rule, routing, recorded)
            key = (alert.name, alert.severity, alert.hold, alert.retrain, alert.told, alert.category)
            found.setdefault(key, []).append(alert)
    merged = [_merged(alike) for alike in found.values()]
    categories = list(dict.fromkeys(each.category for each in merged))
    return sorted(merged, key=lambda each: (categories.index(each.category), rank(each.severity)))


def rank(severity: str) -> int:
    """The gravest severity first; one of which nobody knows comes last."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def _rules(files: Files) -> Iterator[dict[Any, Any]]:
    for group in mappings(mapping(files.document(FILE)).get("groups")):
        yield from mappings(group.get("rules"))


def _alert(project: Project, rule: dict[Any, Any], routing: Routing, recorded: set[str]) -> Alert:
    labels = {str(name): str(value) for name, value in mapping(rule.get("labels")).items()}
    notes = {str(name): str(value) for name, value in mapping(rule.get("annotations")).items()}
    expression = str(rule.get("expr", ""))
    places = _places(project, labels, expression)
    asked = [stem(name)[0] for name in _asked(expression)]
    text = notes.get("description") or notes.get("summary") or ""
    given = {**labels, "alertname": str(rule["alert"])}
    told = [each for place in places for each in routing.told({**given, "environment": place.name})]
    return Alert(
        name=str(rule["alert"]),
        severity=labels.get("severity", ""),
        category=labels.get("category", "other"),
        hold=str(rule.get("for") or "0s"),
        retrain=labels.get("retrain") == "true",
        sentences=(tuple(_sentence(text, project, places, labels)),),
        limits=tuple(_limit(expression, text)),
        expressions=(expression,),
        environments=tuple(each.name for each in places),
        metrics=tuple(dict.fromkeys(name for name in asked if name not in recorded)),
        records=tuple(dict.fromkeys(name for name in asked if name in recorded)),
        told=tuple(dict.fromkeys(told)),
        mutes=tuple(routing.mutes(given)),
        runbook=notes.get("runbook_url", ""),
        dashboard=notes.get("dashboard_url", ""),
    )


def _merged(alike: Sequence[Alert]) -> Alert:
    """One alert of several that differ in where or on what they fire."""
    together = ("sentences", "limits", "expressions", "environments", "metrics", "records")
    found: dict[str, Any] = {
        name: tuple(dict.fromkeys(item for each in alike for item in getattr(each, name))) for name in together
    }
    return alike[0]._replace(**found)


def _places(project: Project, labels: dict[str, str], expression: str) -> list[Environment]:
    """Environments that a rule names, by their name or namespace; all of them when it names none."""
    named = {labels["environment"]} if "environment" in labels else set()
    for text in _PLACES.findall(expression):
        named |= set(text.split("|"))
    found = [each for each in project.environments if each.name in named or each.namespace in named]
    return found or list(project.environments)


def _asked(expression: str) -> list[str]:
    """Metric families and records that an expression names."""
    try:
        names = [each.name for each in parse(expression).selectors if each.name]
    except Unparsable:
        return []
    return list(dict.fromkeys(SERIES[name].name if name in SERIES else name for name in names))


def _limit(expression: str, text: str) -> Iterator[Limit]:
    """The first comparison with a number that stands in no brackets and before the first `and`."""
    try:
        found = tokens(expression)
    except Unparsable:
        return
    depth = 0
    for index, token in enumerate(found[:-1]):
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(token.kind, 0)
        if depth == 0 and token.text.lower() in ("and", "or", "unless"):
            return
        if depth == 0 and token.kind in _COMPARISONS:
            minus = found[index + 1].kind == "-"
            limit = found[index + 1 + minus]
            if limit.kind == "number":
                value = float.fromhex(limit.text) if limit.text[:2].lower() == "0x" else float(limit.text)
                yield Limit(token.kind, -value if minus else value, _unit(text))
            return


def _unit(text: str) -> values.Unit:
    """Unit of an alert's value, by how its text prints it."""
    return "percent" if "humanizePercentage" in text else "duration" if "humanizeDuration" in text else "number"


def _sentence(text: str, project: Project, places: Sequence[Environment], labels: dict[str, str]) -> Iterator[Piece]:
    """A text of an alert with what is known in place of Prometheus' expressions."""
    at = 0
    for found in _PLACE.finditer(text):
        yield Piece(text[at : found.start()])
        yield _filled(found["inside"], project, places, labels)
        at = found.end()
    yield Piece(text[at:])


def _filled(inside: str, project: Project, places: Sequence[Environment], labels: dict[str, str]) -> Piece:
    label = _LABEL.fullmatch(inside)
    if label is None:
        unit = {"percent": "x%", "duration": "some time"}.get(_unit(inside), "x")
        return Piece(unit if "$value" in inside else "…", variable=True)
    name = label[1]
    known = {
        "environment": " or ".join(each.name for each in places),
        "model_name": str(project.model.name),
        "variant": "champion or canary" if any(each.canary for each in places) else "champion",
        **labels,
    }
    return Piece(known[name]) if name in known else Piece(name, variable=True)
