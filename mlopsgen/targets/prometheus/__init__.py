"""Prometheus: what is scraped, the rules, and tests that prove that each alert fires, stays quiet and resolves."""

from __future__ import annotations

from collections.abc import Iterable

from mlopsgen.project.model import Project
from mlopsgen.render.files import File
from mlopsgen.targets.prometheus import operator, proofs, rules, scrape

RULES = "rules.yaml"


def files(project: Project) -> Iterable[File]:
    """`monitoring/prometheus.yaml`, `rules.yaml` and `rules_test.yaml`; for the operator, `monitoring.yaml` each."""
    found = rules.groups(project, project.environments)
    yield File(
        path="monitoring/prometheus.yaml", template="prometheus/prometheus.yaml", context=scrape.context(project, RULES)
    )
    yield File(path=f"monitoring/{RULES}", data=rules.document(project, found))
    for name, data in proofs.documents(project, found, RULES):
        yield File(path=f"monitoring/{name}", data=data)
    for each in project.environments:
        if each.monitoring.operator:
            yield operator.file(project, each)
