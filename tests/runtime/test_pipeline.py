"""A generated project, from `mlopsgen build` to a registered version, by DVC itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

SPEC = """\
version: 1
project: {name: tiny}
data: {raw: data/raw, collect: "collect:counting"}
model:
  architecture: {type: llama, hidden_size: 32, layers: 2, heads: 2, vocab_size: 320}
training: {max_length: 64, learning_rate: 1e-2, epochs: 2}
evaluation:
  gates: {val_loss: {max: 5.0}}
  against_champion: {metric: val_loss, max_worse: 5%}
"""

COLLECT = '''\
"""Counting on from a word."""

WORDS = "one two three four five six seven eight nine ten eleven twelve".split()


def counting():
    """Records that can be learned."""
    for number in range(400):
        start, count = number % 12, 2 + number * 7 % 11
        words = [WORDS[(start + place) % 12] for place in range(count)]
        yield {"prompt": f"case {number}: count {count} from {words[0]}", "response": " ".join(words)}
'''


class Repository:
    """A scratch repository with a built project."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "mlops.yaml").write_text(SPEC)
        (path / "collect.py").write_text(COLLECT)
        (path / "requirements.txt").write_text("mlopsgen[runtime]\n")
        self.run("git", "init", "--quiet")
        self.run("mlopsgen", "build", "--quiet")
        self.commit("spec and what was built")

    def run(self, program: str, *arguments: str, code: int = 0) -> str:
        """Output of a command of this environment."""
        found = Path(sys.executable).parent / program
        done = subprocess.run(
            [str(found) if found.exists() else program, *arguments],
            cwd=self.path,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}",
                "OMP_NUM_THREADS": "1",
                "DVC_NO_ANALYTICS": "1",
                "GIT_CONFIG_COUNT": "0",
            },
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    def commit(self, message: str) -> None:
        """Commit everything that Git sees."""
        self.run("git", "add", "--all")
        who = ("-c", "user.name=Tester", "-c", "user.email=tester@example.com")
        self.run("git", *who, "commit", "--quiet", "--message", message)

    def report(self, name: str) -> dict[str, Any]:
        """A report of the pipeline."""
        found: dict[str, Any] = json.loads((self.path / "reports" / name).read_text())
        return found


@pytest.mark.slow
def test_from_the_spec_to_a_registered_version_and_an_experiment(tmp_path: Path) -> None:
    project = Repository(tmp_path)
    said = project.run("dvc", "repro")
    assert "unigram" in said
    assert project.report("registration.json")["version"] == "1"
    evaluated = project.report("evaluation.json")
    assert evaluated["val_loss"] < 0.7 * evaluated["unigram_loss"]
    assert evaluated["val_loss"] == pytest.approx(project.report("training.json")["val_loss"], rel=1e-6)
    assert project.report("gates.json")["passed"] is True
    assert not (tmp_path / "wandb").exists()
    project.commit("first version")

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "reports").rglob("*")}
    assert "Data and pipelines are up to date." in project.run("dvc", "repro")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "reports").rglob("*")} == before
    assert project.run("git", "status", "--short") == ""

    project.run("dvc", "exp", "run", "--quiet", "--set-param", "train.learning_rate=0.003")
    assert project.report("registration.json")["version"] == "2"
    shown = json.loads(project.run("dvc", "exp", "show", "--json"))
    rates = {
        str(found["data"]["params"]["params.yaml"]["data"]["train"]["learning_rate"])
        for revision in shown
        for found in ([revision, *[one for group in revision["experiments"] or [] for one in group["revs"]]])
        if found.get("data")
    }
    assert {"0.01", "0.003"} <= rates
    changed = json.loads(project.run("dvc", "metrics", "diff", "--json"))
    loss = changed["reports/evaluation.json"]["val_loss"]
    assert loss["old"] == evaluated["val_loss"] != loss["new"]

    runs = json.loads(project.run("mlops-runtime", "runs", "--format", "json"))
    assert len(runs) == 2


@pytest.mark.slow
def test_a_gate_that_fails_registers_nothing(tmp_path: Path) -> None:
    project = Repository(tmp_path)
    text = (tmp_path / "mlops.yaml").read_text().replace("max: 5.0", "max: 0.001").replace("epochs: 2", "epochs: 0.1")
    (tmp_path / "mlops.yaml").write_text(text)
    project.run("mlopsgen", "build", "--quiet")
    said = project.run("dvc", "repro", code=255)
    assert "FAILED" in said
    assert not (tmp_path / "reports" / "registration.json").exists()
    shutil.rmtree(tmp_path / "models")
    assert "there is no models/model" in project.run("mlops-runtime", "evaluate", code=2)
