"""Registration, on a real SQLite registry."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from mlops_runtime import tracking
from mlops_runtime.__main__ import cli
from mlops_runtime.errors import Mistaken
from mlops_runtime.evaluation import losses
from mlops_runtime.registry import champion, champion_artifact, content, promotion, semantic, state
from mlops_runtime.registry.register import register
from mlops_runtime.tracking import server

from tests.runtime.tracking.store import PARAMS, described, runtime, write_params


def versions() -> list[Any]:
    return state.versions(server.client(), "tiny")


def reports(folder: Path, **evaluation: float) -> None:
    (folder / "reports").mkdir(exist_ok=True)
    (folder / "reports" / "evaluation.json").write_text(json.dumps(evaluation))


def test_a_model_becomes_a_version_with_its_lineage(project: Path, model: Path) -> None:
    sections = {"model": PARAMS["model"], "train": PARAMS["train"]}
    with tracking.start("train", sections, spec_digest="5" * 64, notes="Third try.") as tracker:
        tracker.log_metrics({"steps": 7.0, "tokens_per_second": 100.0}, 7)
        tracker.log_model("models/model")
    reports(project, val_loss=1.25, val_accuracy=0.5)
    (project / "reports" / "benchmark.json").write_text(json.dumps({"tokens_per_second": 50}))
    losses.write("reports/evaluation.npz", ["0f", "0a"], [1.0, 2.0], [3, 4], [1, 2])
    result = CliRunner().invoke(cli, ["register"], catch_exceptions=False)
    assert result.stdout == "version 1 (1.0.0) of tiny\n"
    [version] = versions()
    report = json.loads(Path("reports/registration.json").read_text())
    digest = content.digest("models/model")
    assert report == {
        "name": "tiny",
        "version": "1",
        "semantic_version": "1.0.0",
        "uri": "models:/tiny/1",
        "run_id": tracker.run_id,
        "model_digest": digest,
    }
    assert version.run_id == tracker.run_id
    wanted = {"semantic_version": "1.0.0", "model_digest": digest, "spec_digest": "5" * 64, "lifecycle": "staging"}
    wanted |= {"base_model": "llama-16-1-2-8", "task": "causal-lm", "method": "scratch"}
    assert {key: version.tags.get(key) for key in wanted} == wanted
    assert len(version.tags["data_digest"]) == 64
    client = server.client()
    assert client.get_registered_model("tiny").aliases == {"challenger": 1}
    assert "| val_loss | 1.25 |" in version.description
    assert "learning_rate 0.0003" in version.description
    assert "Third try." in version.description
    run = client.get_run(version.run_id)
    assert run.data.metrics["val_accuracy"] == 0.5
    speeds = {key: value for key, value in run.data.metrics.items() if "tokens_per_second" in key}
    assert speeds == {"tokens_per_second": 100, "benchmark.tokens_per_second": 50}
    assert {point.step for point in client.get_metric_history(version.run_id, "val_loss")} == {7}
    logged = client.get_logged_model(version.source.removeprefix("models:/"))
    assert {metric.key: metric.value for metric in logged.metrics} == {
        "val_loss": 1.25,
        "val_accuracy": 0.5,
        "benchmark.tokens_per_second": 50,
    }
    promotion.promote("1")
    assert champion_artifact("nothing.json") is None
    kept = champion_artifact("evaluation.npz")
    assert kept is not None
    assert losses.read(kept).nll.tolist() == [2.0, 1.0]


def test_what_is_kept_is_the_folder_byte_by_byte_and_mlflow_loads_it(project: Path, model: Path) -> None:
    import mlflow

    register()
    local = Path(mlflow.artifacts.download_artifacts("models:/tiny/1"))
    assert content.digest(str(local / "model")) == content.digest("models/model")
    weights = local / "model" / "model.safetensors"
    assert weights.stat().st_ino != (model / "model.safetensors").stat().st_ino
    pipeline = mlflow.transformers.load_model("models:/tiny/1")
    assert pipeline("a b", max_new_tokens=2)[0]["generated_text"].startswith("a b")


def test_registering_again_finds_the_version_and_needs_no_weights_in_memory(project: Path, model: Path) -> None:
    script = (
        "import sys; from mlops_runtime.__main__ import main; sys.argv[1:] = ['register']\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        "print({'torch', 'transformers', 'safetensors'} & set(sys.modules))"
    )
    (project / "script.py").write_text(script)
    import subprocess
    import sys

    from tests.runtime.tracking.store import environment

    command = [sys.executable, "script.py"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout, done.stderr) == ("version 1 (1.0.0) of tiny\nset()\n", "")
    again = CliRunner().invoke(cli, ["register"], catch_exceptions=False)
    assert again.stdout == "version 1 (1.0.0) of tiny, as before\n"
    assert len(versions()) == 1


def test_a_version_that_was_in_production_is_no_challenger_again(project: Path, model: Path) -> None:
    register()
    promotion.promote("1")
    described(model, note=1)
    register()
    promotion.promote("2")
    described(model)
    assert register()["version"] == "1"
    assert server.client().get_registered_model("tiny").aliases == {"champion": 2}


def test_semantic_versions_rise_by_what_changed(project: Path, model: Path) -> None:
    def made(**changed: Any) -> str:
        described(model, **changed)
        return str(register()["semantic_version"])

    data = {"train": {"sha256": "d" * 64, "records": 10}}
    assert made() == "1.0.0"
    assert made(note="another build") == "1.0.1"
    assert made(data=data) == "1.1.0"
    assert made(data=data, spec_digest="6" * 64) == "1.2.0"
    assert made(data=data, spec_digest="6" * 64, note=1) == "1.2.1"
    assert made(data=data, spec_digest="6" * 64, base="acme/other", revision="c" * 40) == "2.0.0"
    assert made(data=data, spec_digest="7" * 64, base="acme/other", revision="d" * 40) == "3.0.0"
    assert [version.tags["lifecycle"] for version in versions()] == ["none"] * 6 + ["staging"]
    write_params(project, register={"keep": 2, "semantic_version": "off"})
    described(model, note="off")
    assert register()["semantic_version"] is None
    assert semantic.following({}, {}) == "1.0.0"


def test_an_adapter_is_kept_without_its_base(project: Path, tiny_models: Path) -> None:
    import mlflow

    base = shutil.copytree(tiny_models / "base", project / "base")
    folder = Path(shutil.copytree(tiny_models / "adapter", project / "models" / "model"))
    described(folder, base="base", base_digest="e" * 64)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "base"}))
    register()
    [version] = versions()
    assert version.tags["method"] == "lora"
    assert (version.tags["base_model"], version.tags["base_revision"]) == ("base", "e" * 64)
    local = Path(mlflow.artifacts.download_artifacts("models:/tiny/1"))
    assert [path.name for path in local.rglob("*.safetensors")] == ["adapter_model.safetensors"]
    pipeline = mlflow.transformers.load_model("models:/tiny/1")
    assert type(pipeline.model).__name__ == "PeftModelForCausalLM"
    assert base.exists()


def test_an_adapter_of_a_hub_model_names_base_and_commit(project: Path, tiny_models: Path) -> None:
    import mlflow

    folder = Path(shutil.copytree(tiny_models / "adapter", project / "models" / "model"))
    described(folder, base="acme/llama")
    with pytest.raises(Mistaken, match="its base 'acme/llama' is neither a folder here nor a commit on the hub"):
        register()
    described(folder, base="acme/llama", revision="c" * 40)
    register()
    info = mlflow.models.get_model_info("models:/tiny/1")
    flavor = info.flavors["transformers"]
    assert (flavor["source_model_name"], flavor["source_model_revision"]) == ("acme/llama", "c" * 40)
    assert flavor["peft_adaptor"] == "model"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: (model / "pytorch_model.bin").write_bytes(b"x"), "can run code when it is loaded"),
        (lambda model: (model / "modeling.py").write_text("x"), "can run code when it is loaded"),
        (lambda model: (model / "model.safetensors").unlink(), "holds no weights as safetensors"),
        (lambda model: (model / "mlops.json").unlink(), "run `dvc repro train`"),
        (lambda model: (model / "mlops.json").write_text("{"), "is no JSON"),
        (lambda model: (model / "gone").symlink_to("nowhere"), "is a link to nothing"),
    ],
)
def test_what_must_not_be_registered(change: Callable[[Path], Any], message: str, project: Path, model: Path) -> None:
    change(model)
    with pytest.raises(Mistaken, match=message):
        register()
    assert server.client().search_registered_models() == []
    assert not Path("reports/registration.json").exists()


def test_no_model_that_a_gate_refused(project: Path, model: Path) -> None:
    write_params(project, evaluate={"gates": {"val_loss": {"max": 2.0}}})
    with pytest.raises(Mistaken, match="run `dvc repro gate` first"):
        register()
    reports(project)
    gates = project / "reports" / "gates.json"
    gates.write_text(json.dumps({"passed": False}))
    with pytest.raises(Mistaken, match="a gate failed"):
        register()
    gates.write_text(json.dumps({"passed": True}))
    assert register()["version"] == "1"


def test_a_registration_that_was_cut_short_is_finished(
    project: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports(project, val_loss=1.25)

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for name in ("create_model_version", "log_metric", "update_model_version", "set_registered_model_alias"):
        with monkeypatch.context() as patch:
            patch.setattr(MlflowClient, name, die)
            with pytest.raises(KeyboardInterrupt):
                register()
    assert register()["version"] == "1"
    [version] = versions()
    assert "val_loss" in version.description
    assert server.client().get_registered_model("tiny").aliases == {"challenger": 1}


def test_two_at_once_register_one_version(project: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, met = MlflowClient.create_model_version, []

    def meeting(*arguments: Any, **named: Any) -> Any:
        if not met:
            met.append(True)
            met.append(register())
        return real(*arguments, **named)

    monkeypatch.setattr(MlflowClient, "create_model_version", meeting)
    assert register()["version"] == met[1]["version"] == "1"
    assert [str(version.version) for version in versions()] == ["1"]


def test_two_others_at_once_get_two_semantic_versions(
    project: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, met = MlflowClient.create_model_version, []

    def meeting(*arguments: Any, **named: Any) -> Any:
        if not met:
            met.append(True)
            described(model, note="the other")
            register()
        return real(*arguments, **named)

    monkeypatch.setattr(MlflowClient, "create_model_version", meeting)
    assert register()["semantic_version"] == "1.0.1"
    assert [version.tags["semantic_version"] for version in versions()] == ["1.0.0", "1.0.1"]


def test_without_a_champion_there_is_nothing_to_compare_with(project: Path, model: Path) -> None:
    assert champion.champion() is None  # no model of that name
    register()
    assert champion.champion() is None
    (project / "mlflow.db").unlink()
    assert champion.champion() is None
    assert not (project / "mlflow.db").exists()


def test_a_mistake_ends_with_two(project: Path) -> None:
    done = runtime(project, "register")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == "mlops-runtime: there is no models/model/mlops.json: run `dvc repro train`, or `dvc pull` the model\n"
    )
