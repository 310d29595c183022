"""What is scraped: accepted by promtool, by the models of Prometheus Operator, and at the pace that the spec asks for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from cloudcoil.models.prometheus_operator import v1, v1alpha1

from mlopsgen.project.deploy import controlled
from tests.targets.github.specs import smallest
from tests.targets.prometheus import live
from tests.targets.prometheus.specs import SPECS, project, run, write

OPERATOR = {
    name: text.replace("operator: false", "operator: true")
    if "operator:" in text
    else text.replace("monitoring: {", "monitoring: {operator: true, ")
    if "\nmonitoring: {" in text
    else text + "\nmonitoring: {operator: true}\n"
    for name, text in SPECS.items()
    if "\nmonitoring:\n" in text or "monitoring:" not in text or "\nmonitoring: {" in text
}


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    """Scrape jobs by name."""
    return {job["job_name"]: job for job in yaml.safe_load(path.read_text())["scrape_configs"]}


@pytest.mark.parametrize("name", SPECS)
def test_promtool_accepts_the_configuration(name: str, tmp_path: Path) -> None:
    path = write(name, tmp_path) / "prometheus.yaml"
    live.discovered(path, [])  # Debian's build knows no Kubernetes; the next test judges that part
    done = run("promtool", "check", "config", path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


@pytest.mark.parametrize("name", SPECS)
def test_discovery_is_what_prometheus_knows(name: str, tmp_path: Path) -> None:
    for job in jobs(write(name, tmp_path) / "prometheus.yaml").values():
        (asked,) = job["kubernetes_sd_configs"]
        namespaces = {"names": asked["namespaces"]["names"]} if "namespaces" in asked else None
        selectors = [{"role": "Pod", "label": each["label"]} for each in asked.get("selectors", ())]
        spec: dict[str, Any] = {"role": {"pod": "Pod"}[asked["role"]]}
        spec |= {"namespaces": namespaces} if namespaces else {}
        spec |= {"selectors": selectors} if selectors else {}
        assert asked.keys() <= {"role", "namespaces", "selectors"}
        model = {
            "apiVersion": "monitoring.coreos.com/v1alpha1",
            "kind": "ScrapeConfig",
            "metadata": {"name": "x"},
            "spec": {"kubernetesSDConfigs": [spec]},
        }
        v1alpha1.ScrapeConfig.model_validate(model, extra="forbid")


def test_promtool_finds_a_planted_fault(tmp_path: Path) -> None:
    path = write("full", tmp_path) / "prometheus.yaml"
    live.discovered(path, [])
    path.write_text(path.read_text().replace("scrape_timeout", "scrape_timeoot"))
    assert run("promtool", "check", "config", path).returncode != 0


def test_jobs_follow_what_runs(tmp_path: Path) -> None:
    found = jobs(write("full", tmp_path / "full") / "prometheus.yaml")
    assert list(found) == [f"support-assistant-{part}" for part in ("serving", "quality", "rollout", "pods")] + ["dcgm"]
    names = {name: job["kubernetes_sd_configs"][0].get("namespaces", {}).get("names") for name, job in found.items()}
    assert names["support-assistant-serving"] == ["ml-staging", "ml-production"]
    assert names["support-assistant-rollout"] == ["ml-production"]
    assert names["dcgm"] is None
    assert found["dcgm"]["honor_labels"] is True
    found = jobs(write("argo", tmp_path / "argo") / "prometheus.yaml")
    assert list(found) == [f"docstrings-{part}" for part in ("serving", "quality", "pods")]


def test_an_environment_may_be_scraped_at_its_own_pace(tmp_path: Path) -> None:
    document = yaml.safe_load((write("overlays", tmp_path) / "prometheus.yaml").read_text())
    assert document["global"] == {"scrape_interval": "15s", "scrape_timeout": "10s", "evaluation_interval": "15s"}
    relabel = document["scrape_configs"][0]["relabel_configs"]
    pace = [each for each in relabel if each.get("target_label", "").startswith("__scrape")]
    assert [(each["regex"], each["target_label"], each["replacement"]) for each in pace] == [
        ("docstrings-next", "__scrape_interval__", "2m"),
        ("docstrings-next", "__scrape_timeout__", "10s"),
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://alertmanager.monitoring:9093", ("http", "alertmanager.monitoring:9093", None)),
        ("https://alerts.acme.dev", ("https", "alerts.acme.dev:443", None)),
        ("https://acme.dev/alerts/", ("https", "acme.dev:443", "/alerts/")),
    ],
)
def test_alertmanager_is_found(url: str, expected: tuple[str, str, str | None], tmp_path: Path) -> None:
    text = smallest(f"monitoring: {{alertmanager: '{url}'}}")
    document = yaml.safe_load((write(text, tmp_path) / "prometheus.yaml").read_text())
    (found,) = document["alerting"]["alertmanagers"]
    assert (found["scheme"], found["static_configs"][0]["targets"][0], found.get("path_prefix")) == expected


@pytest.mark.parametrize("name", OPERATOR)
def test_the_operator_takes_its_objects(name: str, tmp_path: Path) -> None:
    write(OPERATOR[name], tmp_path)
    found = project(OPERATOR[name])
    assert any(each.monitoring.operator for each in found.environments)
    for environment in found.environments:
        path = tmp_path / "deploy" / environment.name / "monitoring.yaml"
        documents = list(yaml.safe_load_all(path.read_text()))
        kinds = [document["kind"] for document in documents]
        assert kinds == ["PodMonitor"] * (3 if controlled(environment) else 2) + ["PrometheusRule"]
        for document in documents:
            getattr(v1, document["kind"]).model_validate(document, extra="forbid")
            assert document["metadata"]["namespace"] == environment.namespace
            assert document["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "mlopsgen"
        # What the operator takes is what promtool takes: only this environment's rules.
        rules = tmp_path / f"{environment.name}.yaml"
        rules.write_text(yaml.safe_dump(documents[-1]["spec"]))
        done = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", rules)
        assert done.returncode == 0, done.stdout + done.stderr
        others = {each.name for each in found.environments} - {environment.name}
        text = rules.read_text()
        assert not any(re.search(rf'environment=~?"[^"]*\b{other}\b', text) for other in others)


def test_the_operators_models_refuse_a_typo(tmp_path: Path) -> None:
    write("every-alert", tmp_path)
    documents = list(yaml.safe_load_all((tmp_path / "deploy" / "production" / "monitoring.yaml").read_text()))
    documents[0]["spec"]["podMetricsEndpoints"][0]["intervall"] = "15s"
    with pytest.raises(ValueError, match="intervall"):
        v1.PodMonitor.model_validate(documents[0], extra="forbid")


def test_without_the_operator_there_are_no_objects(tmp_path: Path) -> None:
    write("smallest", tmp_path)
    assert not (tmp_path / "deploy").exists()
