"""Alertmanager's configuration: accepted by amtool, leads each severity where the spec says, holds no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mlopsgen.targets.alertmanager import told
from tests.targets.github.specs import smallest
from tests.targets.prometheus.specs import SPECS, alerts, project, run, write

RECEIVERS = (
    "slack: {channel: '#ml', webhook: {secret: slack, key: url}}",
    "email: {to: [a@acme.dev, b@acme.dev], smarthost: 'smtp.acme.dev:587', from: ml@acme.dev, auth: {secret: smtp, key: password}}",
    "pagerduty: {routing_key: {secret: pagerduty, key: routing}}",
)
ALL = ", ".join(RECEIVERS)
CASES = {
    **SPECS,
    "everyone": smallest(f"monitoring: {{notify: {{{ALL}}}, links: {{grafana: 'https://grafana.acme.dev'}}}}"),
    "critical-only": smallest(f"monitoring: {{notify: {{{ALL}, routes: {{critical: [pagerduty, slack]}}}}}}"),
    "warnings-only": smallest(f"monitoring: {{notify: {{{ALL}, routes: {{warning: [email]}}}}}}"),
    "retrain": smallest(
        "monitoring: {alerts: {drift: {max: 0.2, for: 1h, retrain: true}}, "
        "notify: {retrain: {url: 'https://hooks.acme.dev/x', auth: {secret: hook, key: token}}}}"
    ),
    "two-teams": smallest(
        f"monitoring: {{notify: {{{ALL}, routes: {{critical: [pagerduty]}}}}}}",
        "environments: {staging: {monitoring: {notify: {routes: {critical: [slack]}}}}, production: {}}",
    ),
}


def config(name: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The file, and what is in it."""
    path = write(CASES[name], folder) / "alertmanager.yaml"
    return path, yaml.safe_load(path.read_text())


def route(path: Path, **labels: str) -> list[str]:
    """Receivers of an alert."""
    found = [f"{name}={value}" for name, value in labels.items()]
    done = run("amtool", "config", "routes", "test", f"--config.file={path}", *found)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split(",")


@pytest.mark.parametrize("name", CASES)
def test_amtool_accepts_it(name: str, tmp_path: Path) -> None:
    path, document = config(name, tmp_path)
    done = run("amtool", "check-config", path)
    assert done.returncode == 0, done.stdout + done.stderr
    receivers = [each["name"] for each in document["receivers"]]
    assert len(set(receivers)) == len(receivers)


@pytest.mark.parametrize("name", CASES)
def test_each_severity_goes_where_the_spec_says(name: str, tmp_path: Path) -> None:
    path, document = config(name, tmp_path)
    found = project(CASES[name])
    kinds = {
        "slack_configs": "slack",
        "email_configs": "email",
        "pagerduty_configs": "pagerduty",
        "webhook_configs": "retrain",
    }
    integrations = {each["name"]: {kinds[key] for key in each if key != "name"} for each in document["receivers"]}
    for environment in found.environments:
        for severity in ("critical", "warning", "info"):
            labels = {"project": str(found.name), "environment": str(environment.name), "severity": severity}
            names = route(path, **labels)
            reached = set().union(*(integrations[each] for each in names))
            assert reached == set(told(environment.monitoring.notify, severity)), (severity, names)
            # Another project's alerts are none of ours.
            assert route(path, **{**labels, "project": "other"}) == ["nobody"]


def test_full_sends_pages_and_messages_where_the_example_says(tmp_path: Path) -> None:
    path, _ = config("full", tmp_path)
    ours = {"project": "support-assistant", "environment": "production"}
    assert route(path, **ours, severity="critical") == ["critical"]
    assert route(path, **ours, severity="warning") == ["warning"]
    assert route(path, **ours, severity="warning", retrain="true") == ["retrain", "warning"]


def test_a_severity_without_a_route_goes_where_the_graver_one_goes(tmp_path: Path) -> None:
    notify = project(CASES["critical-only"]).monitoring.notify
    assert [told(notify, each) for each in ("critical", "warning", "info")] == [["pagerduty", "slack"]] * 3
    notify = project(CASES["warnings-only"]).monitoring.notify
    assert [told(notify, each) for each in ("critical", "warning", "info")] == [[], ["email"], ["email"]]


def test_environments_may_tell_others(tmp_path: Path) -> None:
    path, document = config("two-teams", tmp_path)
    ours = {"project": "docstrings", "severity": "critical"}
    assert route(path, **ours, environment="staging") == ["critical-staging"]
    assert route(path, **ours, environment="production") == ["critical-production"]
    assert "slack_configs" in document["receivers"][1]


@pytest.mark.parametrize("name", CASES)
def test_secrets_are_files_and_inhibition_asks_for_labels_that_exist(name: str, tmp_path: Path) -> None:
    path, document = config(name, tmp_path)
    for receiver in document["receivers"]:
        for key, integrations in receiver.items():
            for each in integrations if key != "name" else ():
                secrets = {
                    "slack_configs": "api_url",
                    "email_configs": "auth_password",
                    "pagerduty_configs": "routing_key",
                }
                if key in secrets:
                    assert secrets[key] not in each
                    assert each.get(f"{secrets[key]}_file", "/etc/alertmanager/secrets/x/y").startswith(
                        "/etc/alertmanager/secrets/"
                    )
    rules = alerts(yaml.safe_load((path.parent / "rules.yaml").read_text()))
    (inhibit,) = document["inhibit_rules"]
    for rule in rules:
        for label in inhibit["equal"]:
            assert label in rule["labels"] or (label == "environment" and "environment" in rule["expr"])
    # A label that is missing on both sides would count as equal and mute strangers.
    assert set(inhibit["equal"]) == {"project", "environment", "category"}


def test_without_receivers_alerts_go_to_nobody(tmp_path: Path) -> None:
    path, document = config("smallest", tmp_path)
    assert document["receivers"] == [{"name": "nobody"}]
    assert route(path, project="docstrings", severity="critical") == ["nobody"]


def test_a_retrain_is_started_with_a_token_from_a_file(tmp_path: Path) -> None:
    _, document = config("retrain", tmp_path)
    (receiver,) = [each for each in document["receivers"] if each["name"] == "retrain"]
    (hook,) = receiver["webhook_configs"]
    assert hook["url"] == "https://hooks.acme.dev/x"
    assert hook["http_config"]["authorization"]["credentials_file"] == "/etc/alertmanager/secrets/hook/token"
    assert hook["send_resolved"] is False
    _, document = config("full", tmp_path / "full")
    (receiver,) = [each for each in document["receivers"] if each["name"] == "retrain"]
    assert receiver["webhook_configs"][0]["url"] == "http://support-assistant-quality.ml-production:8001/retrain"


def test_a_broken_configuration_is_noticed(tmp_path: Path) -> None:
    path, _ = config("full", tmp_path)
    path.write_text(path.read_text().replace("receiver: critical", "receiver: crtical"))
    assert run("amtool", "check-config", path).returncode == 1
