"""How Argo Rollouts judges: conditions, and runs of measurements.

Its controller does not run here. This follows its source at 1.9 (August 2026): `utils/evaluate/evaluate.go` for a
measurement, `assessMetricStatus` and `assessMetricFailureInconclusiveOrError` in `analysis/analysis.go` for a run.
"""

from __future__ import annotations

import ast
import math
import re
from typing import Any

SUCCESSFUL, FAILED, INCONCLUSIVE, ERROR, RUNNING = "Successful", "Failed", "Inconclusive", "Error", "Running"

ALLOWED = (
    *(ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.Compare, ast.Call, ast.Name, ast.Load),
    *(ast.Subscript, ast.Constant, ast.Gt, ast.GtE, ast.Lt, ast.LtE),
)
"""The part of the expression language that our conditions use."""


def condition(text: str, result: list[float]) -> bool:
    """Value of a condition.

    Raises:
        IndexError: it reads an element that is not there.
        ValueError: it uses more of the language than this knows, or is no condition.
    """
    words = text.replace("&&", " and ").replace("||", " or ")
    tree = ast.parse(re.sub(r"!(?!=)", " not ", words).replace("true", "True"), mode="eval")
    if not all(isinstance(node, ALLOWED) for node in ast.walk(tree)):
        raise ValueError(text)
    names = {"len": len, "isNaN": math.isnan, "result": result, "__builtins__": {}}
    value = eval(compile(tree, "condition", "eval"), names)
    if not isinstance(value, bool):
        raise ValueError(f"{text} is {value!r}")
    return value


def measurement(metric: dict[str, Any], result: list[float]) -> str:
    """Phase of one measurement."""
    success, failure = metric.get("successCondition"), metric.get("failureCondition")
    try:
        good = condition(success, result) if success else None
        bad = condition(failure, result) if failure else None
    except IndexError:
        return ERROR
    if bad or (bad is None and not good):
        return FAILED
    return SUCCESSFUL if good or good is None else INCONCLUSIVE


def run(metric: dict[str, Any], results: list[list[float]], passes: str) -> str:
    """Phase of a metric after measurements, with the argument `passes`."""
    wanted = int(str(metric.get("consecutiveSuccessLimit", "0")).replace("{{args.passes}}", passes))
    counts, in_a_row = dict.fromkeys((SUCCESSFUL, FAILED, INCONCLUSIVE, ERROR), 0), 0
    for result in results:
        phase = measurement(metric, result)
        counts[phase] += 1
        in_a_row = in_a_row + 1 if phase == SUCCESSFUL else 0
        if counts[INCONCLUSIVE] > metric.get("inconclusiveLimit", 0):
            return INCONCLUSIVE
        if counts[FAILED] > metric.get("failureLimit", 0):
            return FAILED
        if wanted and in_a_row >= wanted:
            return SUCCESSFUL
        if sum(counts.values()) - counts[ERROR] >= metric.get("count", math.inf):
            return SUCCESSFUL
    return RUNNING
