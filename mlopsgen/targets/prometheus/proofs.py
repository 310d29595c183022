"""Tests of the rules, for promtool: each alert is driven through what must and what must not fire it.

Tests of several alerts share a timeline where they share no series: promtool evaluates all rules for each timeline.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mlopsgen.contract.promql import duration, matchers
from mlopsgen.project.model import Project
from mlopsgen.targets.prometheus.model import Alert, Proof, filled
from mlopsgen.targets.prometheus.rules import Group, labels, links

STEPS = (60.0, 30.0, 15.0)
"""Seconds between two evaluations; the longest that lets every `for` last two of them."""

MARGIN = 2
"""Steps after which what must have happened is looked at."""

LATER = 3600.0
"""Seconds after its `for` within which a custom alert must have fired on its series."""

NUMBERLESS = "quiet on values that are no number"
EMPTY = "quiet without data"


class Case(NamedTuple):
    """One alert in one test: the samples, and the times at which it is looked at with what must be found."""

    title: str
    alert: Alert
    series: Mapping[str, str]
    looks: tuple[tuple[float, tuple[dict[str, Any], ...]], ...]


def documents(project: Project, groups: Iterable[Group], rules: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Test files: name and content. Windows of a day have a file of their own, evaluated at their own pace.

    Args:
        project: the project.
        groups: what is tested.
        rules: name of the rules' file, in the same folder.
    """
    alerts = [alert for group in groups for alert in group.alerts]
    step = next((each for each in STEPS if all(2 * each <= alert.for_ for alert in alerts)), STEPS[-1])
    slow = [alert for alert in alerts if alert.proof is not None and alert.proof.interval is not None]
    cases = [case for alert in alerts if alert not in slow for case in _cases(project, alert, step)]
    cases += _absence(project, [alert for alert in alerts if alert.absent], step)
    tests = [*_packed(cases, step), *(test for alert in alerts if alert.literal for test in _custom(alert, step))]
    yield "rules_test.yaml", {"rule_files": [rules], "evaluation_interval": duration(step), "tests": tests}
    for pace in sorted({alert.proof.interval for alert in slow if alert.proof and alert.proof.interval}):
        own = [alert for alert in slow if alert.proof and alert.proof.interval == pace]
        tests = _packed([case for alert in own for case in _cases(project, alert, pace)], pace)
        yield "rules_slow_test.yaml", {"rule_files": [rules], "evaluation_interval": duration(pace), "tests": tests}


def _packed(cases: Sequence[Case], step: float) -> list[dict[str, Any]]:
    """Tests of the same title on one timeline, as long as neither series nor names of alerts meet."""
    packs: list[tuple[str, list[Case]]] = []
    for case in cases:
        for title, pack in packs:
            shares = title in (NUMBERLESS, EMPTY) or not any(case.series.keys() & each.series.keys() for each in pack)
            if title == case.title and shares and case.alert.name not in [each.alert.name for each in pack]:
                pack.append(case)
                break
        else:
            packs.append((case.title, [case]))
    return [_test(title, pack, step) for title, pack in packs]


def _test(title: str, pack: Sequence[Case], step: float) -> dict[str, Any]:
    series: dict[str, str] = {}
    for case in pack:
        for name, values in case.series.items():
            series[name] = max(values, series.get(name, ""), key=lambda text: (len(text), text))
    return {
        "name": f"{', '.join(case.alert.name for case in pack)}: {title}",
        "interval": duration(step),
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": duration(at), "alertname": case.alert.name, "exp_alerts": list(found)}
            for case in pack
            for at, found in case.looks
        ],
    }


def _cases(project: Project, alert: Alert, step: float) -> Iterator[Case]:
    """The tests of an alert that says how it is made to fire."""
    proof = alert.proof
    if proof is None or alert.absent:
        return
    lead = math.ceil(proof.lead / step)
    firing = _up(lead * step + proof.settle + alert.for_ + (1 if proof.sudden else MARGIN) * step, step)
    resolved = _up(firing + 2 * step + proof.resolve + MARGIN * step, step)
    bad = math.ceil(firing / step) - lead + 1
    good = math.ceil(resolved / step) - lead - bad + 1
    value = proof.value(firing) if callable(proof.value) else proof.value
    fires = tuple(_expected(project, alert, value, result) for result in (proof.labels, *proof.others))
    phases = {
        line.series: _values(line.counter, [(line.good, lead), (line.bad, bad), (line.good, good)])
        for line in proof.lines
    }
    yield Case(
        "fires and resolves",
        alert,
        phases,
        (*_pending(proof, alert, lead * step, step), (firing, fires), (resolved, ())),
    )
    for title, values in (("values below the limit", tuple(line.edge for line in proof.lines)), *proof.quiet):
        yield Case(f"quiet with {title}", alert, _constant(proof, values, firing / step), ((firing, ()),))
    yield Case(EMPTY, alert, {}, ((firing, ()),))
    yield Case(NUMBERLESS, alert, _constant(proof, [math.nan] * len(proof.lines), firing / step), ((firing, ()),))
    if any(line.counter for line in proof.lines):
        yield Case("quiet when counters start again", alert, _restarting(proof, firing / step), ((firing, ()),))


def _pending(proof: Proof, alert: Alert, begins: float, step: float) -> Iterator[tuple[float, tuple[()]]]:
    """When the alert has seen its condition for less than its `for`: the last moment that is sure."""
    if proof.sudden:
        yield begins + proof.settle + alert.for_ - step, ()
    else:
        yield begins + alert.for_, ()


def _constant(proof: Proof, values: Sequence[float | None], steps: float) -> dict[str, str]:
    """Constant growth or value."""
    count = math.ceil(steps) + 1
    return {
        line.series: _values(line.counter, [(value, count)]) for line, value in zip(proof.lines, values, strict=True)
    }


def _restarting(proof: Proof, steps: float) -> dict[str, str]:
    """All is well, and the process restarts every four samples."""
    rounds = math.ceil(steps / 4) + 1
    return {
        line.series: " ".join([_values(True, [(line.good, 4)])[2:]] * rounds)
        if line.counter
        else _values(False, [(line.good, 4 * rounds)])
        for line in proof.lines
    }


def _expected(project: Project, alert: Alert, value: float, result: Mapping[str, str]) -> dict[str, Any]:
    """An alert as it fires."""
    found = {**result, **labels(project, alert)}
    return {
        "exp_labels": found,
        "exp_annotations": {
            "summary": filled(alert.summary, alert.unit, value, found),
            "description": filled(alert.description, alert.unit, value, found),
            **links(project, alert),
        },
    }


def _values(counter: bool, phases: Sequence[tuple[float | None, int]]) -> str:
    """Samples in promtool's notation: behind a gap, phases of growth or value, each with a number of samples."""
    parts, total = ["_"], 0.0
    for value, count in phases:
        if count <= 0:
            continue
        if value is None:
            parts.append(f"_x{count}")
        elif math.isnan(value):
            parts.append(f"NaN+0x{count - 1}")
        elif counter:
            parts.append(f"{_number(total)}+{_number(value)}x{count - 1}")
            total += value * count
        else:
            parts.append(f"{_number(value)}+0x{count - 1}")
    return " ".join(parts)


def _number(value: float) -> str:
    return f"{value:.15g}"


def _up(seconds: float, step: float) -> float:
    return math.ceil(seconds / step) * step


def _custom(alert: Alert, step: float) -> Iterator[dict[str, Any]]:
    """Tests of an alert of the user's: only the author knows what it fires on."""
    firing = f"ALERTS{matchers({'alertname': alert.name, 'alertstate': 'firing', **alert.labels})}"
    ever = f"group by (alertname) (max_over_time({firing}[1y]))"
    late, early = duration(_up(alert.for_ + LATER, step)), duration(max(0.0, _up(alert.for_, step) - step))
    if not _speaks_of_nothing(alert.expr):
        yield {
            "name": f"{alert.name}: {EMPTY}",
            "interval": "1m",
            "input_series": [],
            "promql_expr_test": [{"expr": ever, "eval_time": late, "exp_samples": []}],
        }
    if alert.series:
        sample = {"labels": f'{{alertname="{alert.name}"}}', "value": 1}
        yield {
            "name": f"{alert.name}: fires on its series",
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in alert.series.items()],
            "promql_expr_test": [
                {"expr": ever, "eval_time": early, "exp_samples": []},
                {"expr": ever, "eval_time": late, "exp_samples": [sample]},
            ],
        }


def _speaks_of_nothing(expr: str) -> bool:
    """Whether an expression may have a result where there are no series."""
    return any(word in expr for word in ("absent", "vector", "time()")) or "{" not in expr


def _absence(project: Project, alerts: Sequence[Alert], step: float) -> Iterator[Case]:
    """All alerts on absence at once: they share a name."""
    if not alerts:
        return
    one, hold = alerts[0], alerts[0].for_
    gone = math.ceil(hold / step) + MARGIN
    expected = tuple(_expected(project, alert, 1.0, result) for alert in alerts for result in alert.absent)
    names = [line.series for alert in alerts if alert.proof is not None for line in alert.proof.lines]
    back = dict.fromkeys(names, f"_x{gone + 1} 1+0x{4 * MARGIN}")
    looks = ((hold - step, ()), (gone * step, expected), ((gone + 2 * MARGIN) * step, ()))
    yield Case("fires where nothing is, and resolves", one, back, looks)
    for title, value in (("quiet on zeros", "0"), (NUMBERLESS, "NaN")):
        yield Case(title, one, dict.fromkeys(names, f"{value}+0x{gone}"), ((gone * step, ()),))
