"""`mlops-runtime runs` and `compare`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlops_runtime import tracking
from mlops_runtime.__main__ import cli
from mlops_runtime.errors import Mistaken
from mlops_runtime.tracking import queries, server


@pytest.fixture
def three(project: Path) -> list[str]:
    """Ids of runs with losses 1.5, 0.5 and none."""
    ids = []
    for rate, loss in ((0.001, 1.5), (0.0001, 0.5), (0.01, None)):
        parameters = {"train": {"learning_rate": rate, "batch_size": 16}}
        with tracking.start("train", parameters, spec_digest=f"{rate}") as tracker:
            if loss is not None:
                tracker.log_metrics({"val_loss": loss, "val_accuracy": loss / 10, "benchmark.latency_p95": 3 * loss}, 1)
        ids.append(str(tracker.run_id))
    return ids


def call(*arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_best_runs_come_first(three: list[str]) -> None:
    assert [run["run_id"] for run in queries.runs()] == [three[1], three[0], three[2]]
    assert [run["run_id"] for run in queries.runs(sort="val_accuracy", limit=2)] == [three[0], three[1]]
    assert [run["run_id"] for run in queries.runs(sort="benchmark.latency_p95", limit=2)] == [three[1], three[0]]
    assert [run["run_id"] for run in queries.runs(sort="start_time DESC")] == three[::-1]


def test_a_filter_as_mlflow_has_it(three: list[str]) -> None:
    found = json.loads(call("runs", "--filter", "metrics.val_loss < 1.0", "--format", "json"))
    assert [run["run_id"] for run in found] == [three[1]]
    assert found[0]["metrics"] == {"val_loss": 0.5, "val_accuracy": 0.05, "benchmark.latency_p95": 1.5}
    assert found[0]["parameters"]["train.learning_rate"] == "0.0001"
    text = call("runs", "--filter", "params.`train.learning_rate` = '0.001'", "--sort", "metrics.val_loss DESC")
    lines = text.splitlines()
    assert len(lines) == 2
    assert lines[0].split()[:2] == ["run", "name"]
    assert lines[1].startswith(three[0][:8])


def test_nothing_found_is_said(three: list[str]) -> None:
    assert call("runs", "--filter", "metrics.val_loss < 0") == "no runs\n"
    assert json.loads(call("runs", "--filter", "metrics.val_loss < 0", "--format", "json")) == []


def test_the_table_shows_in_what_runs_differ(three: list[str]) -> None:
    lines = call("runs").splitlines()
    assert "val_loss" in lines[0]
    assert "train.learning_rate" in lines[0]
    assert "train.batch_size" not in lines[0]
    assert "\x1b" not in "".join(lines)
    assert len(call("runs", "--limit", "1").splitlines()) == 2


def test_two_runs_side_by_side(three: list[str]) -> None:
    found = json.loads(call("compare", three[0][:8], "train lr0.0001 bs16", "--format", "json"))
    assert [run["run_id"] for run in found["runs"]] == three[:2]
    differences = found["differences"]
    assert differences["parameters"] == {"train.learning_rate": ["0.001", "0.0001"]}
    both = {"benchmark.latency_p95": [4.5, 1.5], "val_accuracy": [0.15, 0.05], "val_loss": [1.5, 0.5]}
    assert differences["metrics"] == both
    assert differences["tags"] == {"spec_digest": ["0.001", "0.0001"]}
    text = call("compare", three[0], three[1])
    assert "-66.67%" in text
    assert "batch_size" not in text


def test_a_version_stands_for_its_run(three: list[str]) -> None:
    client = server.client()
    client.create_registered_model("tiny")
    client.create_model_version("tiny", "somewhere", three[0])
    client.set_registered_model_alias("tiny", "champion", "1")
    found = queries.compare(["models:/tiny/1", "models:/tiny@champion"])
    assert [run["run_id"] for run in found["runs"]] == [three[0], three[0]]
    assert found["differences"] == {"parameters": {}, "metrics": {}, "tags": {}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("runs", "--filter", "loss is low"), "Invalid clause"),
        (("compare", "nothing", "nothing"), "there is no run nothing"),
        (("compare", "models:/tiny/7", "x"), "models:/tiny/7 is no version in the registry"),
        (("compare", "", "x"), "3 runs are meant by"),
    ],
)
def test_a_mistake_is_said(arguments: tuple[str, ...], message: str, three: list[str]) -> None:
    with pytest.raises(Mistaken, match=message):
        CliRunner().invoke(cli, arguments, catch_exceptions=False)


def test_what_json_does_not_have_is_null(project: Path) -> None:
    with tracking.start("train", {}) as tracker:
        tracker.log_metrics({"val_loss": float("nan")}, 1)
    [found] = json.loads(call("runs", "--format", "json"), parse_constant=pytest.fail)
    assert found["metrics"] == {"val_loss": None}


def test_looking_makes_no_store(project: Path) -> None:
    (project / "mlflow.db").unlink()
    with pytest.raises(Mistaken, match="no tracking store"):
        queries.runs()
    assert not (project / "mlflow.db").exists()
