"""The generated files with the real Prometheus, Alertmanager and Envoy; stand-ins for what needs a model."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from tests.conftest import tool
from tests.processes.project import PATIENCE, Project, made, until
from tests.targets.github.specs import smallest

pytestmark = pytest.mark.slow

SPEC = smallest(
    "monitoring: {scrape_interval: 1s, alerts: {drift: {max: 0.2, for: 1s, retrain: true}}}",
)

PART = """
import http.server, json, os, sys, yaml
name = sys.argv[1]
settings = yaml.safe_load(open(os.environ["MLOPS_CONFIG"]))
port = settings["serving"]["port"] if "serving" in settings else settings["port"]
class Answers(http.server.BaseHTTPRequestHandler):
    def say(self, text):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text.encode())
    def do_GET(self):
        drift = 'model_drift_score{model_name="docstrings",feature="prompt.words"} 0.9\\n' if name == "quality" else ""
        self.say(drift if self.path == "/metrics" else name + " " + os.environ.get("MLOPS_MODEL_URI", ""))
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        right = self.headers["Authorization"] == "Bearer " + os.environ["MLOPS_RETRAIN_TOKEN"]
        print("asked", self.path, right, [each["labels"]["alertname"] for each in json.loads(body)["alerts"]], flush=True)
        self.say("")
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", port), Answers).serve_forever()
"""

MLFLOW = """
import http.server, sys
port = int(sys.argv[1].partition("=")[2])
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"model_version": {"version": "3"}}')
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", port), Answers).serve_forever()
"""


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A built project that runs: real parts but for the server, the exporter, the controller and MLflow."""
    for name in ("prometheus", "prometheus-alertmanager", "envoy"):
        tool(name)
    projects = made(tmp_path_factory.mktemp("real"))
    make: Callable[..., Project] = next(projects)
    found = make()
    (found.folder / "local/processes.yaml").unlink()
    (found.folder / "mlops.yaml").write_text(SPEC, encoding="utf-8")
    assert found.run("build", "-q").returncode == 0
    (found.folder / "part.py").write_text(PART, encoding="utf-8")
    (found.folder / "mlflow.py").write_text(MLFLOW, encoding="utf-8")
    plan = found.folder / "local/processes.yaml"
    content = yaml.safe_load(plan.read_text(encoding="utf-8"))
    for each in content["processes"]:
        if each["command"][0] == "mlops-runtime":
            each["command"] = [sys.executable, "part.py", each["name"]]
        elif each["name"] == "mlflow":
            [port] = [word for word in each["command"] if word.startswith("--port=")]
            each["command"] = [sys.executable, "mlflow.py", port]
    plan.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    run = found.up()
    found.says("everything runs that can")
    assert found.said("local/processes.yaml: not what mlops.yaml asks for; run `mlopsgen build`")
    yield found
    run.send_signal(signal.SIGINT)
    assert run.wait(30) == 130
    for _ in projects:
        raise AssertionError


def asked(given: Project, part: str, path: str) -> Any:
    """Data of a part's API, at the port that this run gave it."""
    with urlopen(given.status()["links"][part] + path, timeout=10) as answer:
        return json.load(answer)["data"]


def test_everything_is_ready_but_the_canary(given: Project) -> None:
    states = {each["name"]: each["state"] for each in given.status()["processes"]}
    assert states == dict.fromkeys(states, "ready") | {"canary": "off"}
    assert {"mlflow", "alertmanager", "prometheus", "champion", "envoy", "quality", "rollout"} < states.keys()


def test_requests_reach_the_champion_through_envoy(given: Project) -> None:
    with urlopen(given.status()["links"]["Requests"] + "/predict", timeout=10) as answer:
        assert answer.read() == b"champion models:/docstrings/3"


def test_prometheus_scrapes_every_part_under_the_name_of_this_place(given: Project) -> None:
    def targets() -> dict[str, Any]:
        return {each["labels"]["pod"]: each for each in asked(given, "Prometheus", "/api/v1/targets")["activeTargets"]}

    until(lambda: sum(each["health"] == "up" for each in targets().values()) == 3, f"three parts answer: {targets()}")
    found = targets()
    assert found.keys() == {"champion", "canary", "quality", "rollout"}
    assert found["canary"]["health"] != "up"
    assert {each["labels"]["environment"] for each in found.values()} == {"local"}
    assert found["champion"]["labels"]["variant"] == "champion"
    groups = asked(given, "Prometheus", "/api/v1/rules")["groups"]
    assert all(rule["health"] in ("ok", "unknown") for group in groups for rule in group["rules"])


def test_an_alert_asks_for_a_training_with_the_token_of_this_run(given: Project) -> None:
    def heard() -> list[str]:
        return [line for line in given.process("quality")["tail"] if line.startswith("asked")]

    until(heard, "Alertmanager asks for a training", PATIENCE * 2)
    assert heard()[0] == "asked /retrain True ['ModelInputDrift']"
    done = given.run("status")
    assert "alert         firing: ModelInputDrift warning" in done.stdout


def test_a_changed_weight_is_in_use_at_once(given: Project) -> None:
    url = given.status()["links"]["Requests"]
    path = given.folder / ".mlops/envoy/routes.yaml"
    servers = given.folder / ".mlops/servers.json"
    servers.write_text('{"champion": {"version": "3"}, "canary": {"version": "4"}}', encoding="utf-8")
    until(lambda: given.process("canary")["state"] == "ready", "the canary runs")
    routes = yaml.safe_load(path.read_text(encoding="utf-8"))
    [split] = [each for each in routes["resources"][0]["virtual_hosts"][0]["routes"] if each["name"] == "split"]
    for cluster in split["route"]["weighted_clusters"]["clusters"]:
        cluster["weight"] = 100 if cluster["name"] == "canary" else 0
    path.with_suffix(".new").write_text(json.dumps(routes), encoding="utf-8")
    os.replace(path.with_suffix(".new"), path)

    def answered() -> bytes:
        with urlopen(url + "/predict", timeout=10) as answer:
            found: bytes = answer.read()
            return found

    until(lambda: answered() == b"canary models:/docstrings/4", "everybody is on the canary")


def test_real_programs_leave_nothing_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    projects = made(tmp_path)
    make: Callable[..., Project] = next(projects)
    given = make()
    (given.folder / "local/processes.yaml").unlink()
    (given.folder / "mlops.yaml").write_text(SPEC, encoding="utf-8")
    assert given.run("build", "-q").returncode == 0
    plan = given.folder / "local/processes.yaml"
    content = yaml.safe_load(plan.read_text(encoding="utf-8"))
    content["processes"] = [
        each for each in content["processes"] if each["name"] in ("prometheus", "alertmanager", "envoy")
    ]
    plan.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    run = given.up()
    given.says("everything runs that can")
    programs = " ".join(given.marked().values())
    assert all(name in programs for name in ("/prometheus ", "alertmanager ", "envoy"))
    run.kill()
    run.wait(10)
    given.alone(10)
    for _ in projects:
        raise AssertionError
