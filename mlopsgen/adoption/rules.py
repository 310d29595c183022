"""Alerts: limits where their PromQL is plain, alerts of one's own otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from mlopsgen.adoption.draft import Draft
from mlopsgen.adoption.files import Document, Files, entries, items, text
from mlopsgen.contract.alerts import NAMES
from mlopsgen.project.promql.names import OWN, SERIES
from mlopsgen.project.promql.parser import parse
from mlopsgen.project.promql.tokens import Unparsable
from mlopsgen.spec.tree import Node, Path
from mlopsgen.spec.written import duration

ALERTS: Path = ("monitoring", "alerts")
SEVERITIES = {
    "critical": ("critical", "crit", "page", "error", "high", "emergency"),
    "warning": ("warning", "warn", "ticket", "medium"),
    "info": ("info", "low", "none"),
}
KNOWN = {
    "severity",
    "summary",
    "description",
    "environment",
    "project",
    "owner",
    "category",
    "runbook_url",
    "dashboard_url",
}
"""Labels and annotations that say nothing that is lost."""

_ERROR = re.compile(r"\w*(?:status|code|outcome|result)\w*\s*=~?\s*\"[^\"]*(?:5|err|fail|timeout)[^\"]*\"")
_QUANTILE = re.compile(r"^histogram_quantile\(\s*([0-9.]+)\s*,")
_FALLEN = re.compile(r"^(.+?)\s*<=?\s*(0?\.[0-9]+)\s*\*\s*(.+)$")
_OFFSET = re.compile(r"\boffset\s+([0-9]+[smhdw])")


class Limit(NamedTuple):
    """What an expression says of a field of `monitoring.alerts`."""

    field: str
    bound: str
    value: Any
    note: str = ""
    more: tuple[tuple[str, str], ...] = ()


def rules(draft: Draft, files: Files) -> None:
    """Take what rules, and configurations of Prometheus and Alertmanager, say."""
    metrics: dict[str, Node] = {}
    for document in sorted(files.documents, key=lambda one: (_is_second(one.file), one.file)):
        node = document.node.find(("spec",)) if document.kind == "PrometheusRule" else document.node
        for group in items(node.find(("groups",)) if node else None):
            for rule in items(group.find(("rules",))):
                _rule(draft, rule, metrics)
        _configuration(draft, document)
    if metrics:
        draft.take(
            ("monitoring", "metrics"), sorted(metrics), next(iter(metrics.values())).span, "custom alerts name them"
        )


def _is_second(file: str) -> bool:
    """What stands there is for trying things out."""
    return re.search(r"(?:^|/)(?:local|examples?|tests?|dev)(?:/|$)", file) is not None


def _rule(draft: Draft, rule: Node, metrics: dict[str, Node]) -> None:
    name, expr = text(rule, "alert"), rule.find(("expr",))
    if expr is None or not isinstance(expr.value, str | int | float):
        return
    if not name:
        draft.leave(rule.span, f"recording rule {text(rule, 'record')}", "mlopsgen writes those that it needs")
        return
    asked = _plain(" ".join(str(expr.value).split()), text(rule, "labels", "environment"))
    found = limit(asked)
    if found is not None and not _is_taken(draft, found):
        _take(draft, rule, expr, found)
    elif found is not None and _same(draft, found):
        return
    elif name in NAMES:
        draft.leave(rule.span, f"alert {name}", "mlopsgen writes this alert itself")
    else:
        _custom(draft, rule, name, asked, metrics)


def limit(expr: str) -> Limit | None:
    """The limit that an expression states in the language's own terms, None when it states none."""
    first, *more = re.split(r"\s+and\s+(?=(?:[^{}\"]|\{[^}]*\}|\"[^\"]*\")*$)", expr)
    note = "without what follows `and`" if more else ""
    fallen = _FALLEN.match(first)
    if fallen and (back := _OFFSET.search(fallen[3])):
        return Limit("traffic_drop", "max", _share(1 - float(fallen[2])), note, (("compared_to", back[1]),))
    left, sign, number = _compared(first)
    if number is None:
        return None
    names = " ".join(_metrics(left)).lower()
    if re.search(r"\*\s*100\b", left) and number > 1:
        number /= 100
    if sign in (">", ">="):
        return _above(left, names, number, note)
    if re.search(r"accuracy", names):
        return Limit("accuracy", "min", _share(number), note)
    ago = _OFFSET.search(left)
    if ago and "/" in left and number < 1:
        return Limit("traffic_drop", "max", _share(1 - number), note, (("compared_to", ago[1]),))
    return None


def _above(left: str, names: str, number: float, note: str) -> Limit | None:
    quantile = _QUANTILE.match(left)
    ago = _OFFSET.search(left)
    if quantile:
        unit = 0.001 if re.search(r"_ms(?:_|\b)|milli", names) else 1 if "second" in names else 0
        if float(quantile[1]) != 0.95 or not unit:
            return None
        seconds = number * unit
        return Limit("latency_p95", "max", duration(seconds), note)
    if ago and re.match(r"^\(?1\s*-", left):
        return Limit("traffic_drop", "max", _share(number), note, (("compared_to", ago[1]),))
    if "/" in left and (_ERROR.search(left.partition("/")[0]) or re.search(r"error|fail", names.partition(" ")[0])):
        return Limit("error_rate", "max", _share(number), note) if number <= 1 else None
    if "/" in left and re.search(r"gpu|dcgm|nvidia", names) and re.search(r"mem|fb_", names) and number <= 1:
        return Limit("gpu_memory", "max", _share(number), note)
    if "drift" in names and number <= 1:
        return Limit("drift", "max", number, note)
    return None


def _compared(expr: str) -> tuple[str, str, float | None]:
    """Left side, sign and number of the last comparison that stands in no bracket."""
    depth, at, inside = 0, -1, False
    for index, letter in enumerate(expr):
        if letter == '"':
            inside = not inside
        elif not inside and letter in "({[":
            depth += 1
        elif not inside and letter in ")}]":
            depth -= 1
        elif not inside and depth == 0 and letter in "<>":
            at = index
    match = re.match(r"([<>]=?)\s*(?:bool\s+)?([0-9.eE+-]+)$", expr[at:]) if at >= 0 else None
    try:
        return (expr[:at].strip(), match[1], float(match[2])) if match else ("", "", None)
    except ValueError:
        return "", "", None


def _metrics(expr: str) -> list[str]:
    try:
        return list(dict.fromkeys(one.name for one in parse(expr).selectors if one.name))
    except Unparsable:
        return re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?=[\[{])", expr)


def _plain(expr: str, environment: str) -> str:
    """The expression without the matchers that a build adds."""
    if not environment:
        return expr
    expr = re.sub(rf"(?:environment=\"{re.escape(environment)}\"|model_name=\"[^\"]*\"),?", "", expr)
    return re.sub(r",\}", "}", expr).replace("{}", "")


def _is_taken(draft: Draft, found: Limit) -> bool:
    return (*ALERTS, found.field, found.bound) in draft.taken


def _same(draft: Draft, found: Limit) -> bool:
    return bool(draft.taken[(*ALERTS, found.field, found.bound)].value == found.value)


def _take(draft: Draft, rule: Node, expr: Node, found: Limit) -> None:
    base: Path = (*ALERTS, found.field)
    note = f"alert {text(rule, 'alert')}, judged on mlopsgen's own metrics here"
    draft.take((*base, found.bound), found.value, expr.span, f"{note}, {found.note}" if found.note else note)
    for key, value in found.more:
        draft.take((*base, key), value, expr.span)
    for key, value, node in _common(draft, rule):
        draft.take((*base, key), value, node.span)
    retrain = rule.find(("labels", "retrain"))
    if retrain is not None and str(retrain.value) == "true":
        draft.take((*base, "retrain"), True, retrain.span)


def _common(draft: Draft, rule: Node) -> Iterator[tuple[str, str, Node]]:
    """How long, and how bad."""
    waits, severity = rule.find(("for",)), rule.find(("labels", "severity"))
    if waits is not None and waits.value not in ("0s", 0, "0m"):
        yield "for", str(waits.value), waits
    else:
        draft.leave(rule.span, f"alert {text(rule, 'alert')} fires at once", "an alert waits, 5m where nothing is said")
    if severity is not None:
        known = next((one for one, words in SEVERITIES.items() if str(severity.value).lower() in words), "")
        if known:
            yield "severity", known, severity
        else:
            draft.leave(severity.span, f"severity: {severity.value}", "there are critical, warning and info")


def _custom(draft: Draft, rule: Node, name: str, expr: str, metrics: dict[str, Node]) -> None:
    every = [one for path, one in draft.taken.items() if path[:3] == (*ALERTS, "custom")]
    known = next((one for one in every if one.value["name"] == name), None)
    if known is not None:
        if known.value["expr"] != expr:
            draft.leave(rule.span, f"alert {name}", f"{known.file}:{known.line} has the name already")
        return
    summary = text(rule, "annotations", "summary") or text(rule, "annotations", "description") or name
    alert: dict[str, Any] = {"name": name, "expr": expr}
    alert |= {key: value for key, value, _ in _common(draft, rule)}
    alert["summary"] = " ".join(summary.split())
    draft.take((*ALERTS, "custom", len(every)), alert, rule.span)
    for metric in _metrics(expr):
        if metric not in SERIES and metric not in OWN:
            metrics.setdefault(metric, rule)
    others = sorted({*entries(rule.find(("labels",))), *entries(rule.find(("annotations",)))} - KNOWN)
    if others:
        why = "mlopsgen writes labels and annotations of its own"
        draft.leave(rule.span, f"alert {name}: {', '.join(others)}", why)


def _configuration(draft: Draft, document: Document) -> None:
    """Prometheus' and Alertmanager's own."""
    interval = document.node.find(("global", "scrape_interval"))
    if document.node.find(("scrape_configs",)) is not None and interval is not None:
        draft.take(("monitoring", "scrape_interval"), interval.value, interval.span)
    if document.node.find(("route",)) is not None:
        for one in items(document.node.find(("receivers",))):
            why = "`monitoring.notify` has Slack, e-mail and PagerDuty; name their Secrets there"
            draft.leave(one.span, f"receiver {text(one, 'name')}", why)


def _share(value: float) -> str:
    return f"{round(value * 100, 6):g}%"
