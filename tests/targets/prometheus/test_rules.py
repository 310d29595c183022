"""The rules: accepted and proven by promtool, quiet where nothing is wrong, moved by their thresholds alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from mlopsgen.contract.alerts import NAMES
from mlopsgen.contract.metrics import FAMILIES
from mlopsgen.project.promql.names import OWN, SERIES, complaints
from mlopsgen.project.promql.parser import parse
from mlopsgen.project.telemetry import setup
from mlopsgen.targets.prometheus import rules
from tests.targets.prometheus.specs import SPECS, alerts, project, run, write

FIRED = 'group by (alertname) (max_over_time(ALERTS{alertstate="firing"}[1y]))'


def load(path: Path) -> dict[str, Any]:
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize("name", SPECS)
def test_promtool_accepts_the_rules(name: str, tmp_path: Path) -> None:
    folder = write(name, tmp_path)
    done = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", folder / "rules.yaml")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "FAILED" not in done.stdout


@pytest.mark.parametrize(
    "name", [name if name == "smallest" else pytest.param(name, marks=pytest.mark.slow) for name in SPECS]
)
def test_the_generated_tests_pass(name: str, tmp_path: Path) -> None:
    folder = write(name, tmp_path)
    done = run("promtool", "test", "rules", *sorted(folder.glob("*_test.yaml")))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


@pytest.mark.parametrize("name", SPECS)
def test_every_alert_is_tested_in_every_way(name: str, tmp_path: Path) -> None:
    folder = write(name, tmp_path)
    tests = [test for path in folder.glob("*_test.yaml") for test in load(path)["tests"]]
    ways: dict[str, set[str]] = {}
    for test in tests:
        names, _, title = test["name"].rpartition(": ")
        for alert in names.split(", "):
            ways.setdefault(alert, set()).add(title)
    custom = {alert.name for each in project(name).environments for alert in each.monitoring.alerts.custom}
    for rule in alerts(load(folder / "rules.yaml")):
        found = ways[rule["alert"]]
        if rule["alert"] in custom:
            assert "quiet without data" in found
        elif rule["alert"] == "ModelMetricAbsent":
            assert {"fires where nothing is, and resolves", "quiet on values that are no number"} <= found
        else:
            assert {"fires and resolves", "quiet without data", "quiet on values that are no number"} <= found
            assert "quiet with values below the limit" in found
            assert ("quiet when counters start again" in found) == bool(
                re.search(r"rate|increase|:ratio", rule["expr"])
            )
    for test in tests:
        for look in test.get("alert_rule_test", ()):
            assert look["eval_time"] != "0s"


@pytest.mark.parametrize("name", SPECS)
def test_every_query_parses_and_names_only_what_is_exported(name: str) -> None:
    found = project(name)
    for group in rules.groups(found, found.environments):
        for rule in (*group.records, *group.alerts):
            promql_parser.parse(str(rule.expr))
            expression = parse(rule.expr)
            recorded = {record.name for record in group.records}
            told = [
                complaint
                for each in found.environments
                for complaint in complaints(expression, setup(found, each), recorded)
                # A rule for several environments may hold what only some of them have.
                if complaint.kind != "setup" or len(found.environments) == 1
            ]
            assert told == []


@pytest.mark.parametrize("name", SPECS)
def test_every_metric_that_a_rule_uses_is_missed_when_absent(name: str, tmp_path: Path) -> None:
    document = load(write(name, tmp_path) / "rules.yaml")
    used: set[str] = set()
    for group in document["groups"]:
        for rule in group["rules"]:
            if rule.get("alert") != "ModelMetricAbsent":
                used |= {selector.name for selector in parse(rule["expr"]).selectors}
    families = {SERIES[each].name for each in used if each in SERIES}
    missed = {rule["labels"]["metric"] for rule in alerts(document) if rule["alert"] == "ModelMetricAbsent"}
    transient = {family.name for family in FAMILIES if family.source == "trainer"}
    assert missed == families - transient
    assert {each for each in used if each not in SERIES and ":" not in each} <= set(OWN)


@pytest.mark.parametrize("name", SPECS)
def test_alerts_carry_who_what_where_and_links(name: str, tmp_path: Path) -> None:
    found = project(name)
    document = load(write(name, tmp_path) / "rules.yaml")
    custom = {alert.name for alert in found.monitoring.alerts.custom}
    for rule in alerts(document):
        assert rule["alert"] in custom | set(NAMES)
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["labels"]["project"] == found.name
        assert rule["labels"].get("owner") == found.owner
        expression = parse(rule["expr"])
        grouped = {label for label, _ in expression.labels} | {
            label for selector in expression.selectors for label, _ in selector.labels
        }
        assert "environment" in rule["labels"] or "environment" in grouped
        assert rule["annotations"].keys() >= {"summary", "description", "runbook_url", "dashboard_url"}
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"
    for group in document["groups"]:
        for rule in group["rules"]:
            for window in re.findall(r"\[(\d+)([smhd])\]", rule["expr"]):
                seconds = int(window[0]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[window[1]]
                assert seconds >= 4 * found.monitoring.scrape_interval
            if "record" in rule:
                level, metric, operations = rule["record"].split(":")
                assert (level, operations.startswith("ratio_rate")) == ("environment_model_name", True)
                assert not metric.endswith("_total")


def test_all_alerts_of_the_contract_come_out_of_the_specs(tmp_path: Path) -> None:
    document = load(write("every-alert", tmp_path) / "rules.yaml")
    assert {rule["alert"] for rule in alerts(document)} == {*NAMES, "LongAnswers"}


def test_rules_of_environments_that_agree_are_one_and_others_are_their_own(tmp_path: Path) -> None:
    document = load(write("overlays", tmp_path) / "rules.yaml")
    errors = [rule for rule in alerts(document) if rule["alert"] == "ModelErrorRateHigh"]
    assert [re.findall(r'environment=~?"([^"]+)"', rule["expr"])[0] for rule in errors] == [
        "test|staging",
        "next",
        "production",
    ]
    assert [rule["labels"].get("environment") for rule in errors] == [None, "next", "production"]
    assert [re.findall(r"\[(\w+)\]", rule["expr"])[0] for rule in errors] == ["5m", "8m", "5m"]
    drift = [rule for rule in alerts(document) if rule["alert"] == "ModelInputDrift"]
    assert ["production" in rule["expr"] for rule in drift] == [False]


def test_a_threshold_moves_its_rule_and_its_tests_and_nothing_else(tmp_path: Path) -> None:
    before = write("full", tmp_path / "before")
    changed = SPECS["full"].replace("error_rate:   {max: 5%,", "error_rate:   {max: 6%,")
    assert changed != SPECS["full"]
    after = write(changed, tmp_path / "after")
    moved = {path.name for path in before.iterdir() if path.read_text() != (after / path.name).read_text()}
    assert moved == {"rules.yaml", "rules_test.yaml"}
    assert {path.name for path in before.iterdir()} == {path.name for path in after.iterdir()}

    def without(folder: Path) -> list[Any]:
        document = load(folder / "rules.yaml")
        return [
            rule for group in document["groups"] for rule in group["rules"] if rule.get("alert") != "ModelErrorRateHigh"
        ]

    assert without(before) == without(after)
    one, two = ((folder / "rules_test.yaml").read_text().splitlines() for folder in (before, after))
    lines = [line.strip() for pair in zip(one, two, strict=True) if pair[0] != pair[1] for line in pair]
    assert 0 < len(lines) <= 20
    assert all(re.match(r"values: |description: ", line) for line in lines), lines


def healthy(name: str, **growth: str) -> list[dict[str, str]]:
    """Series of every family, at rest; `growth` tells values of the requests by status."""
    found = project(name)
    series = []
    for each in found.environments:
        where = f'environment="{each.name}",namespace="{each.namespace}",model_name="{found.model.name}"'
        for status in ("success", "error", "timeout", "rejected", "cancelled"):
            labels = f'{{{where},variant="champion",status="{status}"}}'
            series.append({"series": f"model_requests_total{labels}", "values": growth.get(status, "0+0x600")})
        total = growth.get("success", "0+0x600")
        for suffix, extra, values in (
            ("_bucket", ',le="2.0"', total),
            ("_bucket", ',le="+Inf"', total),
            ("_count", "", total),
        ):
            labels = f'{{{where},variant="champion"{extra}}}'
            series.append({"series": f"model_inference_duration_seconds{suffix}{labels}", "values": values})
        quiet = {"model_accuracy": "1", "model_drift_score": "0", "model_quality_timestamp_seconds": "1000000000"}
        for family in FAMILIES:
            if family.source in ("quality", "rollout", "dcgm") or family.name in (
                "model_queue_depth",
                "model_gpu_memory_bytes",
                "model_gpu_memory_total_bytes",
            ):
                value = quiet.get(family.name, "1" if family.name.endswith("total_bytes") else "0")
                series.append({"series": f"{family.name}{{{where}}}", "values": f"{value}+0x600"})
        series.append({"series": f'model_output_tokens_bucket{{{where},le="1.0"}}', "values": total})
        series.append({"series": f"model_output_tokens_count{{{where}}}", "values": total})
    return series


def fired(folder: Path, series: list[dict[str, str]], at: str) -> set[str]:
    """Names of all alerts that have fired until a time."""
    test = {
        "rule_files": [str(folder / "rules.yaml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": series,
                "promql_expr_test": [
                    {"expr": FIRED, "eval_time": at, "exp_samples": [{"labels": '{wrong="on purpose"}', "value": 1}]}
                ],
            }
        ],
    }
    (folder / "quiet.yaml").write_text(yaml.safe_dump(test))
    done = run("promtool", "test", "rules", folder / "quiet.yaml")
    got = (done.stdout + done.stderr).partition("got:")[2]
    assert got, done.stdout + done.stderr
    return set(re.findall(r'alertname=\\?"(\w+)', got))


def test_three_errors_in_a_thousand_are_no_alert(tmp_path: Path) -> None:
    folder = write("full", tmp_path)
    # A thousand requests in five minutes, three of which fail, for an hour.
    assert fired(folder, healthy("full", success="0+199.4x120", error="0+0.6x120"), "2h") == set()


def test_eighty_errors_in_a_thousand_are_one(tmp_path: Path) -> None:
    folder = write("full", tmp_path)
    found = fired(folder, healthy("full", success="0+184x60", error="0+16x60"), "30m")
    assert "ModelErrorRateHigh" in found


def test_without_traffic_nothing_fires(tmp_path: Path) -> None:
    assert fired(write("full", tmp_path), healthy("full"), "3h") == set()


def test_without_anything_only_absence_is_told(tmp_path: Path) -> None:
    assert fired(write("full", tmp_path), [], "3h") == {"ModelMetricAbsent"}


def test_one_request_that_fails_pages_nobody(tmp_path: Path) -> None:
    assert fired(write("full", tmp_path), healthy("full", error="0x30 1+0x120"), "2h") == set()
