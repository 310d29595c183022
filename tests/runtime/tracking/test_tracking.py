"""What a run leaves in MLflow, and in W&B beside it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlops_runtime import tracking
from mlops_runtime.tracking import server

from tests.runtime.tracking.store import PARAMS, SPEC

SECTIONS = {"model": PARAMS["model"], "train": PARAMS["train"]}
DATA = {
    "train": tracking.Dataset("data/processed/train.jsonl", "a" * 64, 90),
    "validation": tracking.Dataset("data/processed/validation.jsonl", "b" * 64, 10),
}


def git(*arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def found(run_id: str | None) -> Any:
    return server.client().get_run(str(run_id))


def test_a_run_says_all_that_made_it(project: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    (project / "dvc.lock").write_text("schema: '2.0'\n")
    git("init", "-q")
    git("add", "mlops.yaml", "params.yaml", "dvc.lock")
    git("commit", "-qm", "x")
    (project / "dvc.lock").write_text("the pipeline changes it\n")
    (project / "loss.csv").write_text("step,train_loss\n")
    with tracking.start("train", SECTIONS, datasets=DATA, spec_digest="5" * 64, notes="why") as tracker:
        for step in range(3):
            tracker.log_metrics({"train_loss": 3.0 - step}, step)
        tracker.log_metrics({"val_loss": float("nan")}, 2)
        tracker.log_artifact("loss.csv")
        tracker.log_model("models/model")
        tracker.log_table("samples", ["input", "prediction"], [["a", "b"], ["c", "d"]])
        deadline = time.monotonic() + 60
        while not any(name.startswith("system/") for name in found(tracker.run_id).data.metrics):
            assert time.monotonic() < deadline, "no system metrics"
            time.sleep(0.05)
    run = found(tracker.run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "train llama-16x1 lr0.0003 bs16 ep1")
    parameters, tags = run.data.params, run.data.tags
    assert parameters["train.learning_rate"] == "0.0003"
    assert (parameters["model.architecture.layers"], parameters["data.train.records"]) == ("1", "90")
    assert parameters["data.validation.digest"] == "b" * 64
    commit = git("rev-parse", "HEAD")
    wanted = {"owner": "nlp-research", "team": "nlp-research", "stage": "train", "task": "causal-lm"}
    wanted |= {"spec_digest": "5" * 64, "git_commit": commit, "mlflow.source.git.commit": commit}
    wanted |= {"mlflow.note.content": "why", "environment.gpu_count": "0", "environment.cuda": "none"}
    assert {key: tags.get(key) for key in wanted} == wanted
    assert tags["environment.torch"].startswith("2.")
    assert len(tags["data_digest"]) == len(tags["model_digest"]) == 64
    history = server.client().get_metric_history(str(tracker.run_id), "train_loss")
    assert [(point.step, point.value) for point in history] == [(0, 3.0), (1, 2.0), (2, 1.0)]
    kept = {artifact.path for artifact in server.client().list_artifacts(str(tracker.run_id))}
    assert kept == {"mlops.yaml", "params.yaml", "dvc.lock", "loss.csv", "model", "samples.json"}
    inputs = {item.dataset.name: item for item in run.inputs.dataset_inputs}
    assert json.loads(inputs["train"].dataset.profile) == {"num_rows": 90}
    assert inputs["validation"].tags[0].value == "validation"
    names = {artifact.path for artifact in server.client().list_artifacts(str(tracker.run_id), "model")}
    assert "model/mlops.json" in names
    assert not any(name.endswith("safetensors") for name in names)


def test_a_changed_file_is_told_from_a_clean_commit(project: Path) -> None:
    from mlops_runtime.tracking.facts import commit

    assert commit() is None
    git("init", "-q")
    git("add", "mlops.yaml")
    git("commit", "-qm", "x")
    head = git("rev-parse", "HEAD")
    assert commit() == head
    (project / "mlops.yaml").write_text(SPEC + "# other\n")
    assert commit() == f"{head}-dirty"


def stopped(reason: Any, **options: Any) -> str:
    """Id of a run that logged step 1 and was ended by an exception."""
    ids = []

    def run() -> None:
        with tracking.start("train", SECTIONS, **options) as tracker:
            ids.append(str(tracker.run_id))
            tracker.log_metrics({"train_loss": 1.0}, 1)
            raise reason

    with pytest.raises(reason if isinstance(reason, type) else type(reason)):
        run()
    return ids[0]


@pytest.mark.parametrize(
    ("raised", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit(143), "KILLED")]
)
def test_how_a_run_ended(raised: Any, status: str, project: Path) -> None:
    assert found(stopped(raised)).info.status == status


def test_a_run_that_stopped_goes_on_and_one_that_finished_does_not(project: Path) -> None:
    first = stopped(SystemExit(143), identity="r1")
    other = {**SECTIONS, "train": {**PARAMS["train"], "seed": 7, "new": 1}}
    with tracking.start("train", other, identity="r1") as second:
        second.log_metrics({"train_loss": 0.5}, 2)
    with tracking.start("train", SECTIONS, identity="r1") as third:
        pass
    with tracking.start("train", SECTIONS, identity="r2") as fourth:
        pass
    with tracking.start("train", SECTIONS, identity="r1", resumed=True) as again:
        pass
    assert first == second.run_id
    assert again.run_id == third.run_id
    assert found(again.run_id).info.status == "FINISHED"
    assert len({second.run_id, third.run_id, fourth.run_id}) == 3
    run = found(second.run_id)
    assert run.info.status == "FINISHED"
    # MLflow keeps the first value of a parameter.
    assert (run.data.params["train.seed"], run.data.params["train.new"]) == ("42", "1")
    history = server.client().get_metric_history(str(second.run_id), "train_loss")
    assert [point.step for point in history] == [1, 2]


def test_a_run_that_is_handed_over_is_taken(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = server.client()
    made = client.create_run(client.create_experiment("tiny"), run_name="trial 0")
    monkeypatch.setenv("MLFLOW_RUN_ID", made.info.run_id)
    with tracking.start("train", SECTIONS, identity="r") as tracker:
        pass
    assert tracker.run_id == made.info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    with tracking.start("train", SECTIONS) as tracker:
        pass
    assert tracker.run_id != "0" * 32


def test_only_the_first_process_tracks(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    (project / "mlflow.db").unlink()
    with tracking.start("train", SECTIONS, datasets=DATA) as tracker:
        tracker.log_metrics({"a": 1.0}, 1)
        tracker.log_model("nowhere")
    assert tracker.run_id is None
    assert not (project / "mlflow.db").exists()


def test_what_is_not_tracked_is_said_and_the_run_goes_on(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tracking.start("train", {}) as tracker:
        tracker.log_artifact("nowhere.csv")
        tracker.log_metrics({"bad name?": 1.0}, 1)
        tracker.log_metrics({"good": 2.0}, 2)
        tracker.log_tags({"after": "it"})
    run = found(tracker.run_id)
    assert (run.info.status, run.data.tags["after"], run.data.metrics) == ("FINISHED", "it", {"good": 2.0})
    said = capsys.readouterr().err
    assert "nowhere.csv dropped" in said
    assert "metrics dropped" in said
    assert "2 items did not reach the tracking server" in said


def records(folder: Path) -> Iterator[Any]:
    """Records of the file that an offline run of W&B leaves: LevelDB's log format after a header of seven bytes."""
    from wandb.proto import wandb_internal_pb2 as protocol  # type: ignore[attr-defined]

    [path] = folder.glob("wandb/offline-run-*/run-*.wandb")
    content, at, data = path.read_bytes(), 7, b""
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        data += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = protocol.Record()
            record.ParseFromString(data)
            yield record
            data = b""


@pytest.mark.slow
def test_wandb_beside_it(
    project: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(project))  # no .netrc
    (project / "mlops.yaml").write_text(SPEC + "tracking: {wandb: {entity: acme, project: tuning}}\n")
    with tracking.start("train", SECTIONS, datasets=DATA, notes="why") as tracker:
        tracker.log_metrics({"train_loss": 2.5}, 1)
        tracker.log_metrics({"train_loss": 1.5}, 2)
        tracker.log_table("samples", ["input", "prediction", "label"], [["a", "b", "c"]])
        tracker.log_model("models/model")
    said = capsys.readouterr().err
    assert "there is no WANDB_API_KEY" in said
    assert "`wandb sync` sends it" in said
    deadline = time.monotonic() + 60
    written: list[Any] = []
    while not any(record.HasField("exit") for record in written):
        assert time.monotonic() < deadline, "W&B's own process did not write the end of the run"
        time.sleep(0.05)
        written = list(records(project))
    [run] = [record.run for record in written if record.HasField("run")][:1]
    assert (run.entity, run.project, run.run_id, run.notes) == ("acme", "tuning", tracker.run_id, "why")
    assert set(run.tags) == {"team:nlp-research", "task:causal-lm", "stage:train"}
    steps = [
        {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        for record in written
        if record.HasField("history")
    ]
    assert [(row["step"], row["train_loss"]) for row in steps if "train_loss" in row] == [(1, 2.5), (2, 1.5)]
    assert any(key.startswith("samples") for row in steps for key in row)
    config: dict[str, Any] = {}
    for record in written:
        for item in record.config.update:
            config[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
    assert config["train.learning_rate"] == 0.0003
    artifacts = [record.request.log_artifact.artifact.type for record in written if record.HasField("request")]
    artifacts += [record.artifact.type for record in written if record.HasField("artifact")]
    assert "model" in artifacts
    assert found(tracker.run_id).data.metrics["train_loss"] == 1.5
    assert (project / "wandb" / ".gitignore").read_text() == "*\n"


def test_wandb_that_fails_is_left_out(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise BrokenPipeError("its process is gone")

    both = tracking._Both(tracking.NullTracker(), Broken())
    both.log_metrics({"a": 1.0}, 1)
    both.log_metrics({"a": 1.0}, 2)
    assert capsys.readouterr().err.count("W&B is left out from here on, `log_metrics` failed: its process is gone") == 1
