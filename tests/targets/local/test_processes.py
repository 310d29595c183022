"""What `mlopsgen up` runs: the list fits the files beside it, and the judges take those."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlopsgen.contract import ports as contract
from mlopsgen.contract.commands import COMMANDS
from mlopsgen.processes.plan import Plan, names, read, shifted
from mlopsgen.targets.local import ports
from tests.conftest import tool
from tests.targets.local.specs import SPECS, outputs

ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")


def written(spec: str, folder: Path, offset: int = 0) -> Path:
    """The files where the processes read them, as `mlopsgen up` puts them there."""
    for path, text in outputs(spec).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    plan = read(str(folder), offset)
    usual = [port - offset for port in plan.ports.values()]
    for source, target in plan.copies.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        (folder / target).write_text(shifted(outputs(spec)[source], usual, offset), encoding="utf-8")
    for target in plan.tokens.values():
        (folder / target).write_text("secret", encoding="utf-8")
    return folder / ports.RUN


def plan(spec: str, folder: Path) -> Plan:
    """The plan of a spec."""
    written(spec, folder)
    return read(str(folder))


def judged(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A tool's verdict."""
    found = [tool(command[0]), *command[1:]]
    return subprocess.run(found, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("spec", SPECS)
def test_the_judges_take_prometheus_rules_and_alertmanager(spec: str, tmp_path: Path) -> None:
    folder = written(spec, tmp_path)
    for command in (
        ("promtool", "check", "config", "prometheus.yaml"),
        ("promtool", "check", "rules", "rules.yaml"),
        ("amtool", "check-config", "alertmanager.yaml"),
    ):
        done = judged(*command, folder=folder)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "right", "wrong"), [("prometheus", "targets:", "targetz:"), ("rules", "expr: ", "expr: )")]
)
def test_the_judges_find_a_planted_fault(name: str, right: str, wrong: str, tmp_path: Path) -> None:
    folder = written("full", tmp_path)
    path = folder / f"{name}.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(right, wrong), encoding="utf-8")
    assert judged("promtool", "check", "config", "prometheus.yaml", folder=folder).returncode != 0


@pytest.mark.parametrize("spec", SPECS)
def test_rules_look_at_this_machine_and_at_jobs_that_are_scraped(spec: str) -> None:
    text = outputs(spec)["local/rules.yaml"]
    assert set(re.findall(r'\benvironment=~?"([^"]*)"', text)) == {"local"}
    assert set(re.findall(r'\bnamespace=~?"([^"]*)"', text)) <= {"local"}
    assert "DCGM" not in text
    scraped = yaml.safe_load(outputs(spec)["local/prometheus.yaml"])["scrape_configs"]
    jobs = {name for group in re.findall(r'\bjob=~?"([^"]*)"', text) for name in group.split("|")}
    assert jobs == {each["job_name"] for each in scraped}
    labels = [one["labels"] for each in scraped for one in each["static_configs"]]
    assert all(each["environment"] == "local" and each["pod"] for each in labels)
    variants = [each["variant"] for each in labels if "variant" in each]
    assert variants == (["champion"] if spec == "no-canary" else ["champion", "canary"])


def test_nobody_is_called_from_one_machine() -> None:
    found = yaml.safe_load(outputs("full")["local/alertmanager.yaml"])
    assert [sorted(each) for each in found["receivers"]] == [["name"], ["name", "webhook_configs"]]
    [hook] = found["receivers"][1]["webhook_configs"]
    assert hook["url"] == f"http://127.0.0.1:{contract.QUALITY}{contract.RETRAIN}"
    assert found["route"]["receiver"] == "nobody"


@pytest.mark.parametrize("spec", SPECS)
def test_the_list_fits_the_files_beside_it(spec: str, tmp_path: Path) -> None:
    found = plan(spec, tmp_path)
    assert found.copies.keys() <= outputs(spec).keys()
    read_there = {*found.copies.values(), *found.tokens.values()}
    for each in found.processes:
        words = (*each.command, *each.environment.values())
        mentioned = {path for word in words for path in re.findall(r"\.mlops/run/[\w.-]+", word)}
        assert mentioned <= read_there, each.name
        if each.command[0] == "mlops-runtime":
            assert each.command[1] in COMMANDS
        listening = {str(found.ports[name]) for name in each.ports}
        assert each.ready is None or ADDRESS.search(each.ready)[1] in listening, each.name  # type: ignore[index]
    names_found = [each.name for each in found.processes]
    canary = [] if spec == "no-canary" else ["canary"]
    rollout = [] if spec == "no-canary" else ["rollout"]
    parts = ["mlflow", "alertmanager", "prometheus", "champion", *canary, "envoy", "quality", *rollout, "load"]
    assert names_found == parts


def test_no_secret_stands_in_the_list(tmp_path: Path) -> None:
    found = {each.name: each for each in plan("gpu", tmp_path).processes}
    for name in ("champion", "canary", "quality", "load"):
        assert found[name].environment["MLOPS_AUTH_TOKEN"] == "${MLOPS_AUTH_TOKEN}"
    assert "MLOPS_AUTH_TOKEN" not in found["rollout"].environment
    custom = {each.name: each for each in plan("custom", tmp_path / "custom").processes}
    assert names(custom["champion"].environment["ENGINE_URL"]) == {"ENGINE_URL"}
    assert names(custom["quality"].environment["MLOPS_RETRAIN_TOKEN"]) == {"MLOPS_RETRAIN_TOKEN"}


def everywhere(folder: Path, found: Plan) -> dict[str, list[int]]:
    """Every port that a file or a command names, in the order in which they stand."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted((folder / ports.RUN).iterdir())}
    texts |= {each.name: repr(each) for each in found.processes} | {
        "plan": repr((found.links, found.releases, found.alerts))
    }
    pattern = re.compile(r"(?:127\.0\.0\.1:|port_value: |\bport: |--port=)(\d+)")
    return {name: [int(port) for port in pattern.findall(text)] for name, text in texts.items()}


@pytest.mark.parametrize("spec", ["smallest", "full", "no-canary"])
def test_an_offset_moves_every_port_and_nothing_else(spec: str, tmp_path: Path) -> None:
    usual, moved = tmp_path / "usual", tmp_path / "moved"
    written(spec, usual)
    written(spec, moved, 700)
    before, after = read(str(usual)), read(str(moved), 700)
    assert {name: port + 700 for name, port in before.ports.items()} == after.ports
    found = everywhere(usual, before)
    assert {name: [port + 700 for port in each] for name, each in found.items()} == everywhere(moved, after)
    assert {port for each in found.values() for port in each} | {ports.PAGE} == set(before.ports.values())
    for path in sorted((usual / ports.RUN).iterdir()):
        old, new = (folder / ports.RUN / path.name for folder in (usual, moved))
        pairs = zip(
            old.read_text(encoding="utf-8").splitlines(), new.read_text(encoding="utf-8").splitlines(), strict=True
        )
        assert all(re.search(r"127\.0\.0\.1:\d|port(_value)?: \d", one) for one, other in pairs if one != other), (
            path.name
        )


def test_numbers_that_only_look_like_ports_stay(tmp_path: Path) -> None:
    text = "samples: 8080\nport: 8080\nurl: http://127.0.0.1:8080/x?y=8080\nother: http://example:8080 127.0.0.1:80801\nreport: 8080\n"
    want = "samples: 8080\nport: 8090\nurl: http://127.0.0.1:8090/x?y=8080\nother: http://example:8080 127.0.0.1:80801\nreport: 8080\n"
    assert shifted(text, [8080], 10) == want
    assert shifted(text, [8080], 0) == text


def test_a_model_s_name_is_quoted_in_the_address_of_the_registry(tmp_path: Path) -> None:
    found: Any = plan("smallest", tmp_path).releases
    assert (
        found.champion
        == f"{ports.address(ports.MLFLOW)}/api/2.0/mlflow/registered-models/alias?name=docstrings&alias=champion"
    )
