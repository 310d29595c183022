"""`mlopsgen graph`: what stands in the three views."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mlopsgen.cli.sides import Side
from mlopsgen.overview import alerts, graphs
from mlopsgen.overview.graphs import Edge
from mlopsgen.review.documents import Files
from tests.conftest import FULL, SMALLEST, tool
from tests.overview.conftest import Compile

Tell = Callable[..., tuple[int, str, str]]


def view(name: graphs.View, side: Side) -> graphs.Graph:
    return graphs.graph(name, side.project, side.files)


def test_the_pipeline_is_the_one_that_dvc_sees(full: Side, tmp_path: Path) -> None:
    shutil.copytree(FULL.parent, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "project")], check=True)
    command = [tool("dvc"), "dag", "--dot"]
    done = subprocess.run(command, cwd=tmp_path / "project", capture_output=True, text=True, check=True)
    pairs = [
        line.strip().rstrip(";").replace('"', "").split(" -> ") for line in done.stdout.splitlines() if "->" in line
    ]
    graph = view("pipeline", full)
    ours = {(edge.source, edge.target) for edge in graph.edges if edge.source.startswith("stage ")}
    assert ours == {(f"stage {source}", f"stage {target}") for source, target in pairs}


def test_stages_have_their_data_parameters_and_gates(full: Side) -> None:
    graph = view("pipeline", full)
    nodes = {node.key: node for node in graph.nodes}
    assert nodes["data data/raw"].kind == "store"
    assert Edge("data tests/bias.jsonl", "stage bias") in graph.edges
    assert Edge("stage prepare", "stage train", "train.jsonl, validation.jsonl") in graph.edges
    assert nodes["stage evaluate"].lines == ("evaluate", "parameters: model.task, train.max_length")
    assert nodes["stage gate"].kind == "gate"
    assert "val_accuracy at least 85%" in nodes["stage gate"].lines
    assert "latency_p95 at most 500ms" in nodes["stage gate"].lines


def test_a_version_goes_from_environment_to_environment(full: Side) -> None:
    graph = view("environments", full)
    nodes = {node.key: node.lines for node in graph.nodes}
    assert "4 to 20 servers, 1 GPU each" in nodes["environment production"]
    assert "ghcr.io/acme/support-assistant" in nodes["environment production"]
    assert "5% → 10% → 25% → 50% → 100%" in nodes["canary production"]
    path = [("registry", "environment staging", ""), ("environment staging", "approval production", "promotes")]
    path += [
        ("approval production", "canary production", ""),
        ("canary production", "environment production", "gates pass"),
    ]
    assert all(Edge(*each) in graph.edges for each in path)
    assert Edge("canary production", "registry", "gates fail: taken back", back=True) in graph.edges
    assert Edge("environment production", "experiment production") in graph.edges
    assert "experiment staging" not in nodes, "without a canary there is no challenger"


def test_environments_without_canary_or_approval(compiled: Compile) -> None:
    side = compiled(SMALLEST.read_text() + "rollout: {steps: [100%]}\nenvironments: {a: {branch: b}, c: {branch: d}}\n")
    graph = view("environments", side)
    assert [node.key for node in graph.nodes] == ["registry", "environment a", "environment c"]
    assert graph.edges == (Edge("registry", "environment a"), Edge("environment a", "environment c", "promotes"))


def test_metrics_lead_over_rules_and_alerts_to_people_and_trainings(full: Side) -> None:
    edges = {(edge.source, edge.target) for edge in view("monitoring", full).edges}
    failed = "record environment_model_name:model_requests_failed:ratio_rate"
    for source, target in (
        ("metric model_requests_total", failed),
        (failed, "alert ModelAvailabilityBurnPageFast critical"),
        ("alert ModelAvailabilityBurnPageFast critical", "receiver critical"),
        ("receiver critical", "way PagerDuty"),
        ("receiver warning", "way Slack #ml-alerts"),
        ("metric model_drift_score", "alert ModelInputDrift warning"),
        ("alert ModelInputDrift warning", "receiver retrain"),
        ("alert ModelInputDrift warning", "receiver warning"),
        ("receiver retrain", "retrain"),
    ):
        assert (source, target) in edges
    assert ("receiver warning", "way PagerDuty") not in edges
    lines = {node.key: node.lines for node in view("monitoring", full).nodes}
    assert lines["alert ModelErrorRateHigh critical"] == ("ModelErrorRateHigh", "critical, > 5% for 5m")
    assert lines[failed][1] == "over 5m, 30m, 1h, 2h, 6h, 1d, 3d"
    assert lines["retrain"] == ("a training starts", "at most 2 a day, 1h apart")


def test_an_alert_that_differs_between_environments_is_there_twice(compiled: Compile) -> None:
    more = "environments: {a: {branch: a, monitoring: {alerts: {drift: {max: 0.2, for: 2h}}}}, b: {branch: b}}\n"
    lines = {node.key: node.lines for node in view("monitoring", compiled(SMALLEST.read_text() + more)).nodes}
    assert lines["alert ModelInputDrift warning in a"] == ("ModelInputDrift", "warning, > 0.2 for 2h", "in a")
    assert lines["alert ModelInputDrift warning in b"] == ("ModelInputDrift", "warning, > 0.2 for 1h", "in b")


TOLD = """
monitoring:
  notify:
    slack: {channel: "#a", webhook: {secret: slack, key: url}}
    pagerduty: {routing_key: {secret: pagerduty, key: routing}}
    email: {to: [x@acme.dev, y@acme.dev], smarthost: "s.acme.dev:25", from: z@acme.dev}
    routes: ROUTES
  alerts: {drift: {max: 0.2, retrain: true, severity: info}, accuracy: {min: 80%, severity: critical, retrain: true}}
environments:
  staging: {branch: dev, monitoring: {notify: {slack: {channel: "#staging"}}}}
  production: {branch: main}
"""


@pytest.mark.parametrize("routes", ["{}", "{critical: [pagerduty]}", "{critical: [pagerduty, slack], info: [email]}"])
def test_who_is_told_is_what_amtool_says(compiled: Compile, tmp_path: Path, routes: str) -> None:
    side = compiled(SMALLEST.read_text() + TOLD.replace("ROUTES", routes))
    config = tmp_path / "alertmanager.yaml"
    config.write_bytes(side.files.content["monitoring/alertmanager.yaml"])
    rules = side.files.document(alerts.FILE)
    routing = alerts.Routing(side.files)
    kinds = {}
    for group in rules["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                for environment in ("staging", "production"):
                    labels = {**rule["labels"], "alertname": rule["alert"], "environment": environment}
                    kinds[tuple(labels.get(name, "") for name in ("environment", "severity", "retrain"))] = labels
    assert len(kinds) > 5
    for labels in kinds.values():
        command = [tool("amtool"), "config", "routes", "test", f"--config.file={config}"]
        done = subprocess.run(
            [*command, *(f"{name}={value}" for name, value in labels.items())],
            capture_output=True,
            text=True,
            check=True,
        )
        wanted = [name for name in done.stdout.strip().split(",") if name != "nobody"]
        assert [each.name for each in routing.told(labels)] == wanted


def test_an_odd_configuration_tells_nobody() -> None:
    for text in ("", "[]", "route: 3", "route: {routes: [{matchers: [x]}]}", "route: {receiver: a}\nreceivers: 3"):
        assert (
            alerts.Routing(Files({"monitoring/alertmanager.yaml": text.encode()})).told({"severity": "critical"}) == []
        )


def test_a_custom_alert_has_its_limit_and_metric(full: Side) -> None:
    [found] = [each for each in alerts.alerts(full.project, full.files) if each.name == "LongAnswers"]
    assert [limit.shown for limit in found.limits] == ["> 400"]
    assert found.metrics == ("model_output_tokens",)
    assert found.environments == ("staging", "production")
    assert len(found.expressions) == 2


@pytest.mark.parametrize(
    ("expression", "limit"),
    [
        ("up == 0", "= 0"),
        ("a / (b > 0) > 0.5 and c > 3", "> 0.5"),
        ("time() - max(x) > 0x10", "> 16"),
        ("rate(x{a='> 7'}[5m]) < -3", "< -3"),
        ("absent(x)", None),
        ("a and b > 3", None),
        ("a > b", None),
        ("a > ", None),
        ('a > "', None),
    ],
)
def test_limits_are_read_from_the_expression(smallest: Side, expression: str, limit: str | None) -> None:
    rule = {"alert": "A", "expr": expression, "labels": {"severity": "warning"}}
    files = Files({alerts.FILE: json.dumps({"groups": [{"rules": [rule]}]}).encode()})
    [found] = alerts.alerts(smallest.project, files)
    assert [each.shown for each in found.limits] == ([limit] if limit else [])


def test_sentences_hold_what_is_known(full: Side) -> None:
    found = {each.name: each for each in alerts.alerts(full.project, full.files)}
    [sentence] = found["ModelErrorRateHigh"].sentences
    assert "".join(piece.text for piece in sentence) == (
        "x% of the requests to the champion or canary of llama2-7b-lora in staging or production failed over 5m; "
        "5% is the limit."
    )
    assert [piece.text for piece in sentence if piece.variable] == ["x%"]


def test_a_part_that_is_switched_off_is_named(compiled: Compile, tell: Tell, tmp_path: Path) -> None:
    compiled(SMALLEST.read_text() + "targets: {dvc: false, prometheus: false}\n")
    code, text, _ = tell("graph", str(tmp_path), "--format", "markdown")
    assert code == 0
    assert "mlopsgen writes no dvc.yaml here." in text
    assert "mlopsgen writes no alerts here." in text
    assert text.count("```mermaid") == 1
    assert tell("graph", str(tmp_path), "--view", "pipeline")[1] == "%% mlopsgen writes no dvc.yaml here\n"
    assert tell("graph", str(tmp_path))[1].startswith("flowchart LR\n  subgraph view_environments")


def test_machines_get_nodes_and_edges(tell: Tell) -> None:
    code, text, _ = tell("graph", str(FULL), "--format", "json", "--view", "environments")
    found = json.loads(text)
    assert code == 0
    [graph] = found["graphs"]
    assert {node["key"] for node in graph["nodes"]} >= {"registry", "environment staging", "canary production"}
    assert graph["edges"][0] == {"source": "registry", "target": "environment staging", "label": "", "back": False}
    assert graph["mermaid"].startswith("flowchart LR\n")
    assert [row["code"] for row in found["diagnostics"]] == ["W213"]


def test_a_spec_with_mistakes_is_refused(compiled: Compile, tell: Tell, tmp_path: Path) -> None:
    (tmp_path / "mlops.yaml").write_text("version: 1\nwrong: 1\n")
    for command in ("graph", "report"):
        code, text, _ = tell(command, str(tmp_path), "--format", "json")
        assert code == 2
        assert "E101" in {row["code"] for row in json.loads(text)["diagnostics"]}
