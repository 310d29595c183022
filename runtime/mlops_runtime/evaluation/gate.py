"""Gates: every limit of `evaluation` against the reports. What is missing or not finite fails."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mlops_runtime import parameters
from mlops_runtime.data.atomic import write_json
from mlops_runtime.evaluation import comparison
from mlopsgen.contract import files

SUITES = {
    "benchmark": (files.BENCHMARK, ("latency_p95", "tokens_per_second")),
    "safety": (files.SAFETY, ("refusal_rate", "over_refusal_rate")),
    "bias": (files.BIAS, ("gap",)),
}
"""Report of each suite, and its metrics that may have limits."""

JUDGED = {"gap": "gap_upper"}
"""Metrics that are judged by the upper end of their interval, which the report holds under this name."""


class Gate(NamedTuple):
    """One limit and what was found.

    Attributes:
        name: of the metric.
        value: None when the report has none.
        minimum: None for no limit.
        maximum: None for no limit.
        passed: whether the value is inside; None when there was nothing to judge.
        note: why, where the numbers do not say it.
    """

    name: str
    value: float | None
    minimum: float | None
    maximum: float | None
    passed: bool | None
    note: str = ""


def gate() -> list[Gate]:
    """Judge the reports by `params.yaml` and write `reports/gates.json`.

    Raises:
        Mistaken: no parameters, or the registry that the champion is in does not answer.
    """
    given = parameters.read("model", optional=("evaluate", "benchmark", "safety", "bias"))
    gates = list(_judged(given))
    report = {gate.name: _plain(gate) for gate in gates}
    failed = sum(gate.passed is False for gate in gates)
    write_json(files.GATES, {"passed": not failed, "failed": failed, "judged": len(gates), "gates": report})
    return gates


def _judged(given: Mapping[str, Any]) -> Iterator[Gate]:
    evaluate = given.get("evaluate") or {}
    limits = evaluate.get("gates") or {}
    if limits or evaluate.get("against_champion"):
        report = _report(files.EVALUATION)
        for name, bounds in limits.items():
            yield _held(name, report, files.EVALUATION, bounds)
        if evaluate.get("against_champion"):
            yield _against_champion(report, **evaluate["against_champion"])
    for suite, (path, names) in SUITES.items():
        if suite not in given:
            continue
        report = _report(path)
        if report is None:
            yield Gate(suite, None, None, None, False, f"{path} cannot be read: run `dvc repro {suite}`")
            continue
        for name in names:
            if given[suite].get(name):
                yield _held(name, report, path, given[suite][name])


def _held(name: str, report: Mapping[str, Any] | None, path: str, bounds: Mapping[str, float]) -> Gate:
    minimum, maximum = bounds.get("min"), bounds.get("max")
    if report is None:
        return Gate(name, None, minimum, maximum, False, f"{path} cannot be read")
    key = JUDGED.get(name, name)
    value = report.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        why = f": {report['reason']}" if report.get("reason") else ""
        return Gate(name, None, minimum, maximum, False, f"{path} has no number `{key}`{why}")
    if not math.isfinite(value):
        return Gate(name, value, minimum, maximum, False, "not finite")
    inside = (minimum is None or value >= minimum) and (maximum is None or value <= maximum)
    note = "upper end of the interval" if key != name else ""
    return Gate(name, float(value), minimum, maximum, inside, note)


def _against_champion(report: Mapping[str, Any] | None, metric: str, max_worse: float) -> Gate:
    name = f"{metric} against champion"
    from mlops_runtime.registry import champion as registry

    version = registry.champion()
    if version is None:
        return Gate(name, None, None, max_worse, None, "there is no champion yet")
    against = f"version {version.version}"
    found = _compared(metric, report, version)
    if found is None:
        return Gate(name, None, None, max_worse, False, f"{against} or {files.EVALUATION} has no `{metric}`")
    if not math.isfinite(found.worse) or (found.upper is not None and not math.isfinite(found.upper)):
        return Gate(name, found.worse, None, max_worse, False, f"not finite, {against}")
    if found.upper is None:
        note = f"worse than {against} by this share; its interval is unknown: {_why_alone(metric)}"
        return Gate(name, found.worse, None, max_worse, found.worse <= max_worse, note)
    note = (
        f"worse than {against} by at most this share, with 95 % confidence; measured {found.worse:+.2%} on "
        f"{found.records} records"
    )
    passed = found.upper <= max_worse
    if not passed and found.worse <= max_worse:
        note += "; too few records to tell"
    return Gate(name, found.upper, None, max_worse, passed, note)


def _why_alone(metric: str) -> str:
    """Why only the metrics were compared."""
    if metric not in comparison.FROM_LOSSES:
        return f"`{metric}` does not follow from the losses of records"
    return f"fewer than {comparison.MINIMUM} records that both scored"


def _compared(metric: str, report: Mapping[str, Any] | None, version: Any) -> comparison.Comparison | None:
    """On records that both scored where that can be, else by the metrics; None when one has none."""
    import os

    from mlops_runtime.evaluation import losses
    from mlops_runtime.registry import champion as registry

    theirs = registry.artifact(version, os.path.basename(files.EVALUATION_RECORDS))
    if theirs is not None and os.path.exists(files.EVALUATION_RECORDS):
        found = comparison.paired(metric, losses.read(files.EVALUATION_RECORDS), losses.read(theirs))
        if found is not None:
            return found
    path = registry.artifact(version, os.path.basename(files.EVALUATION))
    before = _report(path) if path is not None else None
    values = [(one or {}).get(metric) for one in (report, before)]
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return None
    return comparison.plain(metric, float(values[0]), float(values[1]))  # type: ignore[arg-type]


def _report(path: str) -> dict[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as stream:
            report = json.load(stream)
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def _plain(gate: Gate) -> dict[str, Any]:
    """For the report: numbers that JSON has; a value that is not finite as text."""
    value: Any = gate.value
    if value is not None and not math.isfinite(value):
        value = str(value)
    kept = {"value": value, "min": gate.minimum, "max": gate.maximum, "passed": gate.passed, "note": gate.note}
    return {key: item for key, item in kept.items() if item not in (None, "")}


def show(gates: list[Gate]) -> int:
    """Print the table; green and red on a terminal only.

    Returns:
        Exit code: 1 when a gate failed.
    """
    from mlops_runtime.terminal import number, table

    words = {True: "passed", False: "FAILED", None: "skipped"}
    styles = {True: "green", False: "red", None: "dim"}
    table(
        ("gate", "value", "min", "max", "", ""),
        [(g.name, number(g.value), number(g.minimum), number(g.maximum), words[g.passed], g.note) for g in gates],
        [styles[g.passed] for g in gates],
    )
    return int(any(g.passed is False for g in gates))
