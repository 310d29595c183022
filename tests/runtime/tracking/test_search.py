"""Hyperparameter search, with a real Optuna and MLflow; training is stood in for, but in one test."""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from mlops_runtime import search, search_space
from mlops_runtime.__main__ import cli
from mlops_runtime.errors import Mistaken
from mlops_runtime.tracking import server

from tests.conftest import ROOT
from tests.runtime.tracking.store import PARAMS, write_params

SPEC = """\
version: 1
project: {name: tiny}
data: {raw: data/raw}
model: {base: acme/llama, adapter: {r: 16}}
training:
  search:
    method: %s
    trials: %d
    parameters: %s
"""

RATES = "{learning_rate: {log_uniform: [1e-6, 1e-2]}, adapter.r: {choice: [8, 16]}}"


class Training:
    """Stands in for `train`: the loss is the distance of the learning rate from 1e-4, in powers of ten."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.fail: set[int] = set()
        self.die_at: int | None = None

    def __call__(self, command: str, processes: int, folder: str, variables: Mapping[str, str]) -> bool:
        given = json.loads(Path(folder, "params.yaml").read_text())
        at = len(self.seen)
        self.seen.append(
            {**given, "folder": folder, "processes": processes, "command": command, "variables": variables}
        )
        if at == self.die_at:
            raise KeyboardInterrupt
        if at in self.fail:
            return False
        assert Path(folder, "data", "train.jsonl").read_text() == "{}\n"
        Path(folder, "reports").mkdir(exist_ok=True)
        loss = abs(math.log10(given["train"]["learning_rate"]) + 4) + given["model"]["adapter"]["r"] / 1000
        Path(folder, "reports", "training.json").write_text(json.dumps({"val_loss": loss}))
        return True


@pytest.fixture
def training(project: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    """The stand-in, in a project with data and outputs of an earlier run."""
    for folder in ("data", "reports", "models", "checkpoints"):
        (project / folder).mkdir()
    (project / "data" / "train.jsonl").write_text("{}\n")
    (project / "reports" / "training.json").write_text('{"val_loss": -1}')
    model = {"name": "tiny", "base": "acme/llama", "task": "causal-lm", "adapter": {"r": 16}}
    write_params(project, model=model, train={**PARAMS["train"], "checkpoint": {"store": "s3://durable/checkpoints"}})
    stand_in = Training()
    monkeypatch.setattr(search, "_called", stand_in)
    return stand_in


def asked(folder: Path, method: str = "bayes", trials: int = 8, parameters: str = RATES) -> None:
    (folder / "mlops.yaml").write_text(SPEC % (method, trials, parameters))


def test_the_best_of_a_search_is_printed_as_yaml_to_paste(training: Training, project: Path) -> None:
    asked(project)
    result = CliRunner().invoke(cli, ["search"], catch_exceptions=False)
    assert len(training.seen) == 8
    losses = [abs(math.log10(run["train"]["learning_rate"]) + 4) for run in training.seen]
    assert min(losses) < 0.5
    best = yaml.safe_load(result.stdout)
    assert set(best) == {"training", "model"}
    assert abs(math.log10(float(best["training"]["learning_rate"])) + 4) == pytest.approx(min(losses), abs=0.01)
    assert best["model"]["adapter"]["r"] in (8, 16)
    for run in training.seen:
        assert run["train"]["checkpoint"]["store"] == "checkpoints"
        assert run["register"] == PARAMS["register"]
    assert not list(project.glob(".search/trial-*"))
    assert (project / "reports" / "training.json").read_text() == '{"val_loss": -1}'
    assert (project / ".search" / ".gitignore").read_text() == "*\n"


def test_trials_are_children_of_one_run(training: Training, project: Path) -> None:
    asked(project, trials=2)
    search.search()
    client = server.client()
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    [parent] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == 2
    assert {run["variables"]["MLFLOW_RUN_ID"] for run in training.seen} == {run.info.run_id for run in children}
    assert training.seen[0]["variables"]["MLFLOW_TRACKING_URI"] == f"sqlite:///{project}/mlflow.db"
    best = min(run.data.metrics["val_loss"] for run in children)
    assert parent.data.metrics["val_loss"] == best
    assert parent.data.tags["best.adapter.r"] in ("8", "16")
    assert parent.info.status == "FINISHED"


def test_a_search_goes_on_where_it_stopped(training: Training, project: Path) -> None:
    asked(project, trials=6)
    training.die_at = 3
    with pytest.raises(KeyboardInterrupt):
        search.search()
    interrupted = training.seen[3]
    training.die_at = None
    best = search.search()
    assert (best.trials, best.failed) == (6, 0)
    assert len(training.seen) == 7
    again = training.seen[4]
    assert again["folder"] == interrupted["folder"]
    assert again["train"] == interrupted["train"]
    assert again["variables"]["MLFLOW_RUN_ID"] == interrupted["variables"]["MLFLOW_RUN_ID"]
    rates = [run["train"]["learning_rate"] for run in training.seen]
    assert len(set(rates)) == 6, "a search that goes on draws nothing twice"
    assert search.search().number == best.number
    assert len(training.seen) == 7
    client = server.client()
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id], "tags.stage = 'search'")) == 1


def test_another_space_is_another_search(training: Training, project: Path) -> None:
    asked(project, trials=2)
    search.search()
    asked(project, trials=2, parameters="{learning_rate: {uniform: [0.001, 0.002]}}")
    search.search()
    assert len(training.seen) == 4


def test_a_grid_has_each_point_once(training: Training, project: Path) -> None:
    asked(project, "grid", 100, "{batch_size: {int_uniform: [4, 6]}, adapter.r: {choice: [8, 16]}}")
    best = search.search()
    points = [(run["train"]["batch_size"], run["model"]["adapter"]["r"]) for run in training.seen]
    assert sorted(points) == [(size, r) for size in (4, 5, 6) for r in (8, 16)]
    assert (best.trials, best.values["adapter.r"]) == (6, 8)
    search.search()
    assert len(training.seen) == 6


def test_the_same_seed_draws_the_same(training: Training, project: Path) -> None:
    asked(project, "random", 3)
    search.search()
    for path in (project / ".search").glob("search.db*"):
        path.unlink()
    search.search()
    assert [run["train"] for run in training.seen[:3]] == [run["train"] for run in training.seen[3:]]


def test_a_trial_that_fails_is_counted_and_its_log_kept(
    training: Training, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(project, trials=3)
    training.fail = {0}
    best = search.search()
    assert (best.trials, best.failed) == (2, 1)
    assert "failed, see .search/trial-0/trial.log" in capsys.readouterr().err
    assert (project / ".search" / "trial-0").is_dir()
    asked(project, trials=1, parameters="{learning_rate: {uniform: [0.001, 0.002]}}")
    training.fail = {3}
    with pytest.raises(Mistaken, match="none of 1 trials worked"):
        search.search()


def test_a_metric_that_training_does_not_report_is_evaluated(training: Training, project: Path) -> None:
    spec = SPEC % ("random", 1, RATES)
    (project / "mlops.yaml").write_text(spec + "    metric: {name: val_accuracy, goal: maximize}\n")
    with pytest.raises(Mistaken, match="none of 1 trials worked"):
        search.search()
    assert [run["command"] for run in training.seen] == ["train", "evaluate"]


def test_one_search_at_a_time(training: Training, project: Path) -> None:
    from filelock import FileLock

    asked(project, trials=1)
    (project / ".search").mkdir()
    with FileLock(project / ".search" / "lock"), pytest.raises(Mistaken, match="another `mlops-runtime search` runs"):
        search.search()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (None, "there is no mlops.yaml here"),
        ("version: 1\nproject: {name: tiny}\n", "has no `training.search`"),
        (SPEC % ("bayes", 1, "{learning_rate: {uniform: [2, 1]}}"), "is not valid: run `mlopsgen validate`"),
        (SPEC % ("bayes", 1, "{learning_speed: {choice: [1]}}"), "`learning_speed` is no field"),
        (SPEC % ("grid", 1, RATES), "a grid needs `choice` or `int_uniform`"),
    ],
)
def test_a_mistake_is_said(spec: str | None, message: str, training: Training, project: Path) -> None:
    (project / "mlops.yaml").unlink()
    if spec is not None:
        (project / "mlops.yaml").write_text(spec)
    with pytest.raises(Mistaken, match=message):
        search.search()
    assert training.seen == []


def test_a_sweep_of_wandb_says_the_same(project: Path) -> None:
    asked(project, trials=7)
    search_space.write_sweep(search_space.read())
    sweep = yaml.safe_load((project / "reports" / "sweep.yaml").read_text())
    assert (sweep["method"], sweep["run_cap"]) == ("bayes", 7)
    assert sweep["metric"] == {"name": "val_loss", "goal": "minimize"}
    assert sweep["parameters"] == {
        "train.learning_rate": {"distribution": "log_uniform_values", "min": 1e-6, "max": 0.01},
        "model.adapter.r": {"values": [8, 16]},
    }
    # What the agent runs, with its arguments in place and DVC stood in for.
    fake = project / "bin" / "dvc"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    command = [part for part in sweep["command"] if part != "${args_no_hyphens}"]
    command += ["train.learning_rate=0.001", "model.adapter.r=8"]
    path = f"{fake.parent}:{os.environ['PATH']}"
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": path}, check=True)
    expected = ["exp", "run", "--temp", "-S", "train.learning_rate=0.001", "-S", "model.adapter.r=8"]
    assert done.stdout.split() == expected


def test_several_gpus_train_a_trial_together(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def run(command: list[str], **_: Any) -> Any:
        commands.append(command[1:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(search.subprocess, "run", run)
    (project / "trial").mkdir()
    for processes in (1, 4):
        assert search._called("train", processes, "trial", {})
    assert commands[0] == ["-m", "mlops_runtime", "train"]
    assert commands[1] == [
        *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "4"),
        *("--module", "mlops_runtime", "train"),
    ]


@pytest.mark.slow
def test_with_real_training(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One trial of the smallest model, as the workflow calls it."""
    (project / "mlops.yaml").write_text(
        "version: 1\nproject: {name: tiny}\ndata: {raw: data/raw, columns: {text: {type: text}}}\n"
        "model: {architecture: {type: llama, hidden_size: 16, layers: 1, heads: 2, vocab_size: 260}}\n"
        "training: {search: {trials: 1, parameters: {learning_rate: {uniform: [0.01, 0.02]}}}}\n"
    )
    data = {"raw": "data/raw", "format": "jsonl", "columns": {"text": {"type": "text", "role": "text"}}}
    write_params(project, data=data, train={**PARAMS["train"], "max_length": 32})
    (project / "data" / "processed").mkdir(parents=True)
    for part in ("train", "validation"):
        records = [{"id": f"{number:016x}", "text": f"{part} {number} is text"} for number in range(32)]
        path = project / "data" / "processed" / f"{part}.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    paths = [str(ROOT), str(ROOT / "runtime")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    result = CliRunner().invoke(cli, ["search"], catch_exceptions=False)
    rate = yaml.safe_load(result.stdout)["training"]["learning_rate"]
    assert 0.01 <= rate <= 0.02
    assert not (project / "models").exists()
    client = server.client()
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    [trial] = client.search_runs([experiment.experiment_id], "tags.stage = 'train'")
    assert trial.info.run_name == "trial 0"
    assert float(trial.data.params["train.learning_rate"]) == rate
    assert trial.data.metrics["val_loss"] > 0
    assert {point.step for point in client.get_metric_history(trial.info.run_id, "train_loss")} == {1, 2}
    assert len(trial.data.tags["model_digest"]) == 64
