"""The closed loop with real parts throughout: drift in live traffic, the exporter's metric, an alert in Prometheus,
Alertmanager's webhook, a training by DVC, a version in MLflow, a canary behind Envoy, its promotion."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import EXAMPLES

WORDS = ["please", "explain", "slowly", "and", "in", "full", "detail", "with", "many", "examples", "how", "to", "use"]
DEADLINE = 900.0
"""Seconds that each wait may take on a busy machine; two quiet cores need minutes for all of it."""


class Machine:
    """A project folder and the programs that run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        bin = Path(sys.executable).parent
        self.environment = {
            **os.environ,
            "PATH": f"{bin}:{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "OMP_NUM_THREADS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def run(self, *command: str, code: int = 0) -> str:
        """Output of a command that ends with this code."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What `mlopsgen status` tells."""
        done = subprocess.run(
            ["mlopsgen", "status", "--format", "json"],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return dict(json.loads(done.stdout))

    def rollout(self) -> dict[str, Any]:
        """What `rollout status` tells; nothing before the first."""
        done = self.run("mlops-runtime", "rollout", "status", "--environment", "local", "--format", "json")
        return json.loads(done) or {}

    def load(self, prompts: str, rate: float) -> subprocess.Popen[bytes]:
        """Requests that keep coming."""
        url = self.status()["links"]["Requests"]
        options = [f"--rate={rate}", "--duration=3000", "--max-tokens=8-24", f"--prompts={prompts}"]
        return subprocess.Popen(
            ["mlops-runtime", "bench", url, *options],
            cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def log(self, name: str) -> str:
        """Log of a process."""
        return (self.folder / ".mlops" / "logs" / f"{name}.log").read_text(encoding="utf-8")


def until(condition: Callable[[], Any], what: str) -> Any:
    """What a condition found, once it holds."""
    limit = time.monotonic() + DEADLINE
    while time.monotonic() < limit:
        if found := condition():
            return found
        time.sleep(1.0)
    raise AssertionError(what)


def ready(machine: Machine, *names: str) -> bool:
    """Whether processes are ready."""
    states = {one["name"]: one["state"] for one in machine.status().get("processes", ())}
    return all(states.get(name) == "ready" for name in names)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """The example with a champion that was trained here, and everything up."""
    folder = tmp_path / "loop"
    shutil.copytree(EXAMPLES / "loop", folder, ignore=shutil.ignore_patterns("__pycache__", "data", ".mlops"))
    found = Machine(folder)
    found.run("git", "init", "--quiet")
    found.run("mlopsgen", "build", "--quiet")
    found.run("mlopsgen", "up", "--detach", "--port-offset", "auto")
    try:
        found.environment["MLFLOW_TRACKING_URI"] = found.status()["links"]["MLflow"]
        found.run("dvc", "repro", "--quiet")
        found.run("mlops-runtime", "promote", "--model-version", "1")
        until(lambda: ready(found, "champion", "quality", "rollout"), "the champion does not come up")
        yield found
    finally:
        found.run("mlopsgen", "down")


def firing(machine: Machine) -> bool:
    """Whether Prometheus says that requests have drifted."""
    found = machine.status()["alerts"]["found"]
    return any((one["name"], one["state"]) == ("ModelInputDrift", "firing") for one in found)


def drifted(folder: Path) -> None:
    """Long questions: those that come in, and some with answers for the next training."""
    texts = [" ".join(WORDS[(n + k) % len(WORDS)] for k in range(30 + n % 9)) + f" module {n}?" for n in range(300)]
    (folder / "long.txt").write_text("\n".join(texts), encoding="utf-8")
    (folder / "incoming").mkdir()
    lines = [json.dumps({"prompt": t, "response": f"Module {n} is used in {n} steps."}) for n, t in enumerate(texts)]
    (folder / "incoming" / "long.jsonl").write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_drift_ends_in_a_promoted_version(machine: Machine) -> None:
    drifted(machine.folder)
    load = machine.load("long.txt", 8)
    try:
        until(lambda: firing(machine), "no alert")
        until(lambda: '"event":"retrain started"' in machine.log("quality"), "no training was started")
        until(lambda: machine.rollout().get("canary") == "2", "no canary of the new version")
        # The controller dies in the middle; the supervisor starts another one, which goes on.
        until(lambda: machine.rollout()["weight"] > 0, "no traffic for the canary")
        before = next(one for one in machine.status()["processes"] if one["name"] == "rollout")
        os.kill(before["pid"], signal.SIGKILL)
        ended = until(lambda: machine.rollout()["phase"] in ("promoted", "rolled_back"), "the rollout does not end")
        assert ended
    finally:
        load.send_signal(signal.SIGINT)
        load.wait(60)
    found = machine.rollout()
    assert (found["phase"], found["champion"], found["canary"], found["weight"]) == ("promoted", "1", "2", 0), found
    history = machine.run("mlops-runtime", "history").splitlines()
    assert history[1].split()[0] == "2"
    served = json.loads((machine.folder / ".mlops" / "servers.json").read_text(encoding="utf-8"))
    assert served == {"champion": {"version": "2"}}
    page = Path(machine.folder / found["report"]).read_text(encoding="utf-8")
    assert "data:image/png;base64," in page
    assert "incoming" not in machine.log("quality")
