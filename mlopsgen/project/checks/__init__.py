"""What must hold across sections. Each check points at every place that takes part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlopsgen.diagnostics import Diagnostic
from mlopsgen.project.checks import cluster, data, environments, evaluation, model, monitoring, rollout, serving
from mlopsgen.project.checks.text import credentials, expressions
from mlopsgen.project.checks.view import View

__all__ = ["View", "across", "credentials", "expressions"]

DOCUMENT = (data.check, model.check, evaluation.check, environments.check)
EACH_ENVIRONMENT = (serving.check, rollout.check, cluster.check, monitoring.check)


def across(base: View, views: Iterable[View]) -> Iterator[Diagnostic]:
    """Run every check: on the document, and per environment on the document with its overlays."""
    for check in DOCUMENT:
        yield from check(base)
    for view in (base, *views):
        for check in EACH_ENVIRONMENT:
            yield from check(view)
