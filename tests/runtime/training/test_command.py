"""The command as the pipeline calls it, and what it says when something does not fit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlops_runtime.errors import Mistaken
from mlops_runtime.training import flops, progress, ranks, settings

from tests.conftest import ROOT
from tests.runtime.training.conftest import report, sections, train

SPEC = """\
version: 1
project: {{name: tiny}}
data: {{raw: data/raw}}
model:
  architecture: {{type: llama, hidden_size: 32, layers: 2, heads: 2, vocab_size: 320}}
training: {{resources: {{gpu: {gpus}}}}}
"""


def command(folder: Path, given: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    (folder / "params.yaml").write_text(yaml.safe_dump(given))
    return subprocess.run(
        [sys.executable, "-m", "mlops_runtime", "train"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.mark.slow
def test_the_command_trains_and_tracks(project: Path) -> None:
    import mlflow

    (project / "mlops.yaml").write_text(SPEC.format(gpus=0))
    done = command(project, sections(epochs=1.0))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("models/model: after step 8 of 8, validation loss ")
    assert "step 8/8, epoch 1.00, loss " in done.stderr
    assert "tokens/s" in done.stderr
    client = mlflow.MlflowClient(f"sqlite:///{project}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["val_loss"] == pytest.approx(report()["val_loss"])
    assert len(client.get_metric_history(run.info.run_id, "train_loss")) >= 8
    assert {"loss.png", "loss.csv", "training.json"} <= {file.path for file in client.list_artifacts(run.info.run_id)}


def test_more_gpus_than_there_are_is_said_before_anything_is_loaded(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(*_: object) -> None:
        raise AssertionError("something was loaded")

    monkeypatch.setattr("mlops_runtime.training.inputs.made", touched)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (project / "mlops.yaml").write_text(SPEC.format(gpus=1))
    with pytest.raises(Mistaken, match=r"asks for a GPU \(`training.resources.gpu`\) and this machine has none"):
        train(sections())
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    (project / "mlops.yaml").write_text(SPEC.format(gpus=4))
    with pytest.raises(Mistaken, match=r"asks for 4 GPUs .* has only 2"):
        train(sections())


def test_a_cpu_is_used_when_no_gpu_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert [ranks.demand(asked) for asked in (0, 1, None)] == [False, True, True]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"learning_rate": "fast"}, "`train.learning_rate`: Input should be a valid number"),
        ({"epochs": -1.0}, "`train.epochs`: Input should be greater than 0"),
        ({"epocs": 1.0}, "`train.epocs`: Extra inputs are not permitted"),
    ],
)
def test_a_parameter_that_the_language_refuses(changes: dict[str, Any], said: str, project: Path) -> None:
    with pytest.raises(Mistaken, match=said):
        train(sections(**changes))


def test_what_does_not_go_together(project: Path) -> None:
    with pytest.raises(Mistaken, match="one label a sequence"):
        train(sections("text-classification", packing=True))
    with pytest.raises(Mistaken, match=r"needs a pre-trained `model.base`"):
        train(sections(model={"adapter": {"type": "lora"}}))
    bert = {"type": "bert", "hidden_size": 32, "layers": 1, "heads": 2, "vocab_size": 300}
    with pytest.raises(Mistaken, match="reads in both directions"):
        train(sections(model={"architecture": bert}))
    given = sections()
    given["data"]["columns"] = {"note": {"type": "text", "role": "other"}}
    with pytest.raises(Mistaken, match=r"role `messages` or `prompt` and `response`"):
        train(given)


def test_data_that_is_not_there_or_not_prepared(project: Path) -> None:
    path = project / "data/processed/train.jsonl"
    path.write_text('{"prompt": "a", "response": "b"}\n')
    with pytest.raises(Mistaken, match=r"train.jsonl:1: the record has no `id`"):
        train(sections())
    path.unlink()
    with pytest.raises(Mistaken, match="run `dvc repro prepare` first"):
        train(sections())


def test_a_full_disk_ends_the_run_and_says_so(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from mlops_runtime.training.stores import Folder

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Folder, "commit", full)
    assert train(sections()) == 1
    assert "training failed: [Errno 28] No space left on device" in capfd.readouterr().err
    assert not Path("models").exists()


def test_the_digest_names_what_decides_the_weights() -> None:
    def digest(**changes: Any) -> str:
        return settings.read(sections(**changes)).spec_digest

    assert digest() == digest(checkpoint={"every": 99, "keep": 9, "store": "s3://elsewhere/x"})
    others = [digest(seed=1), digest(learning_rate=0.5), digest(packing=True), digest(model={"preprocess": []})]
    assert len({digest(), *others}) == 5
    assert digest(model={"name": "renamed"}) == digest()


def test_arithmetic_of_a_known_network() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=100, hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2
    )
    network = LlamaForCausalLM(config)
    block = 4 * 16 * 16 + 3 * 16 * 32
    # Causal attention: two products of length² / 2 × width, 2 FLOPs each, and twice that backward.
    expected = flops.Arithmetic(6 * 3 * block, 6 * 16 * 100, 3 * 3 * (2 * 2 * 16 / 2))
    assert flops.arithmetic(network) == expected
    assert expected.of(10, 5, 100) == 10 * expected.token + 5 * expected.target + 100 * expected.square
    for parameter in network.parameters():
        parameter.requires_grad = False
    assert flops.arithmetic(network).token == 4 * 3 * block


def test_peaks_are_dense_and_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    names = {
        "NVIDIA H200": 989.4e12,
        "NVIDIA H100 80GB HBM3": 989.4e12,
        "NVIDIA H100 PCIe": 756e12,
        "NVIDIA A100-SXM4-80GB": 312e12,
        "NVIDIA L40S": 362e12,
        "Some Chip": None,
    }
    for name, peak in names.items():
        monkeypatch.setattr("torch.cuda.get_device_name", lambda _, name=name: name)
        assert flops.peak(torch.device("cuda"), "bf16") == peak
    assert flops.peak(torch.device("cuda"), "fp32") is None
    assert flops.peak(torch.device("cpu"), "bf16") is None


def test_time_spans() -> None:
    assert [progress.clock(s) for s in (0.4, 59.6, 200, 3900)] == ["0 s", "1 min 0 s", "3 min 20 s", "1 h 5 min"]
