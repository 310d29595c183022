"""Gates name metrics that the evaluation reports."""

from __future__ import annotations

from collections.abc import Iterator

from mlopsgen.contract.evaluation import METRICS
from mlopsgen.diagnostics import Diagnostic
from mlopsgen.diagnostics.hints import closest
from mlopsgen.project import derive
from mlopsgen.project.checks.view import View
from mlopsgen.spec.tree import Path


def check(view: View) -> Iterator[Diagnostic]:
    """Metrics of `gates` and `against_champion` exist for the task."""
    evaluation = view.spec.evaluation
    for name in evaluation.gates:
        yield from _metric(view, name, ("evaluation", "gates", name), on_key=True)
    if evaluation.against_champion is not None:
        yield from _metric(view, evaluation.against_champion.metric, ("evaluation", "against_champion", "metric"))


def _metric(view: View, name: str, path: Path, *, on_key: bool = False) -> Iterator[Diagnostic]:
    task = derive.task(view.spec)
    known = METRICS[task]
    if name in known:
        return
    hint = closest(name, list(known))
    help = f"did you mean `{hint}`?" if hint else "metrics: " + ", ".join(known)
    also = (("the task", ("model", "task")),)
    message = f"the evaluation of {task} has no metric `{name}`"
    yield view.finding("E210", message, *path, help=help, also=also, on_key=on_key)
