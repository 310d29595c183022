"""The queries of dashboards: they parse, name the contract only, and a Prometheus filled from it answers each."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from mlopsgen.targets.argo_rollouts import gates
from mlopsgen.targets.kubernetes import scaling
from tests.targets.grafana.exporter import Exporter, Prometheus, prometheus, serving
from tests.targets.grafana.names import faults, substituted
from tests.targets.grafana.specs import CASES, dashboards, label_values, panels, project, queries

DEADLINE = 90.0
"""Seconds; a query over half a minute's steps needs one of them to pass."""


def variables(name: str) -> dict[str, str]:
    """What Grafana puts in place of variables, for the last environment and all variants."""
    found = project(name)
    last = found.environments[-1]
    return {
        "environment": last.name,
        "namespace": last.namespace,
        "model": str(found.model.name),
        "variant": "champion|canary",
        "__rate_interval": "10s",
        "__range": "1h",
    }


@pytest.mark.parametrize("name", CASES)
def test_queries_name_the_contract_only(name: str) -> None:
    found = {where: faults(substituted(query, variables(name))) for where, query in queries(name)}
    assert {where: each for where, each in found.items() if each} == {}


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("rate(model_requests_total[5m]", "does not parse"),
        ("sum(model_requests)", "nobody exports model_requests"),
        ('model_requests_total{code="500"}', "has no label code"),
        ('model_requests_total{status="failed"}', "is never failed"),
        ("sum by (feature) (model_requests_total)", "has a label feature"),
        ("rate(model_queue_depth[5m])", "rate of the gauge"),
        ("avg_over_time(model_requests_total[5m])", "of the counter"),
        ("histogram_quantile(0.9, sum by (le) (rate(model_queue_depth[5m])))", "has a label le"),
    ],
)
def test_the_judge_finds_a_planted_fault(query: str, fault: str) -> None:
    assert fault in " ".join(faults(query))


@pytest.mark.parametrize("name", CASES)
def test_no_variable_is_left_and_rates_follow_the_zoom(name: str) -> None:
    for where, query in queries(name):
        assert "$" not in substituted(query, variables(name)), where
        if "annotation" not in where:
            spans = re.findall(r"(?:rate|increase)\([^\[\]]*\[([^\]]+)\]", query)
            assert set(spans) <= {"$__rate_interval", "$__range", "1h", "6h", "1d", "30d"}, where


def test_queries_choose_environment_model_and_variant() -> None:
    for where, query in queries("full"):
        if where.startswith(("gpu", "rollout")) or "variable" in where or "annotation" in where:
            continue
        assert 'environment="$environment"' in query, where
        if "model_requests_total" in query:
            assert 'variant=~"$variant"' in query, where


def unanswered(server: Prometheus, name: str) -> dict[str, str]:
    """Queries of a case without a result, and those whose legend names a label that the result lacks."""
    chosen, found = variables(name), {}
    for key, dashboard in dashboards(name).items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                where = f"{key}: {panel['title']} {target['refId']}"
                samples = server.query(substituted(target["expr"], chosen))
                wanted = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
                if not samples:
                    found[where] = target["expr"]
                elif not all(wanted - {"le", "pod"} <= sample["metric"].keys() for sample in samples):
                    found[where] = f"{target['legendFormat']}: {samples[0]['metric']}"
        for each in dashboard["annotations"]["list"]:
            if "expr" in each and not server.query(substituted(each["expr"], chosen)):
                found[f"{key}: annotation {each['name']}"] = each["expr"]
        for each in dashboard["templating"]["list"]:
            if each["type"] == "query":
                selector, label = label_values(each)
                if not server.values(substituted(selector, chosen), label):
                    found[f"{key}: variable {each['name']}"] = selector
    given = project(name)
    query = scaling.context(given, given.environments[-1])["query"]
    if not server.query(query):
        found["autoscaler"] = query
    return found


@pytest.mark.parametrize("name", CASES)
def test_autoscaler_and_gates_name_the_contract_only(name: str) -> None:
    given = project(name)
    last = given.environments[-1]
    asked = [scaling.context(given, last)["query"]]
    asked += [gate.query for gate in gates.gates(given, last)] if name == "argo" else []
    assert [faults(re.sub(r"{{[^}]*}}", "x", query)) for query in asked] == [[]] * len(asked)


def settled(server: Prometheus, name: str, deadline: float = DEADLINE) -> dict[str, str]:
    """What is unanswered still when all is answered or the time is over."""
    end = time.monotonic() + deadline
    while (found := unanswered(server, name)) and time.monotonic() < end:
        time.sleep(2)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["full", "gpu", "labels", "argo"])
def test_no_panel_is_empty(name: str, tmp_path: Path) -> None:
    """vLLM, transformers on a GPU, a custom engine with labels, and a rollout that is not ours; none is GPU-only."""
    found = project(name)
    exporter = Exporter(found, found.environments[-1])
    alert = {"project": found.name, "environment": found.environments[-1].name, "severity": "info"}
    with serving(exporter.text) as port, prometheus(tmp_path, port, alert) as server:
        assert settled(server, name) == {}


@pytest.mark.slow
def test_a_metric_that_is_not_exported_leaves_its_panels_empty(tmp_path: Path) -> None:
    found = project("labels")
    exporter = Exporter(found, found.environments[-1])
    alert = {"project": found.name, "environment": found.environments[-1].name, "severity": "info"}
    with serving(exporter.text) as port, prometheus(tmp_path, port, alert) as server:
        assert settled(server, "labels") == {}
    missing = "model_queue_depth"
    exporter.families = [each for each in exporter.families if each.name != missing]
    second = tmp_path / "second"
    second.mkdir()
    with serving(exporter.text) as port, prometheus(second, port, alert) as server:
        end = time.monotonic() + DEADLINE
        while len(left := unanswered(server, "labels")) > 4 and time.monotonic() < end:
            time.sleep(1)
        shown = {"service: Longest queue A", "service: Waiting requests A", "rollout: Waiting requests A"}
        assert left.keys() == {*shown, "autoscaler"}
