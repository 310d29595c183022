"""Fixtures around a real MLflow: an empty SQLite store, made once, and a project that uses a copy of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.conftest import ROOT

PARAMS = {
    "data": {"raw": "data/raw", "format": "jsonl"},
    "model": {
        "name": "tiny",
        "architecture": {"type": "llama", "hidden_size": 16, "layers": 1, "heads": 2, "vocab_size": 260},
        "task": "causal-lm",
    },
    "train": {"learning_rate": 0.0003, "batch_size": 16, "epochs": 1.0, "seed": 42},
    "register": {"keep": 2, "semantic_version": "auto"},
}

SPEC = "version: 1\nproject: {name: tiny, owner: nlp-research}\ndata: {raw: data/raw}\n"


def environment(**more: str) -> dict[str, str]:
    """For a process of the runtime: this checkout, nothing of the machine's own MLflow or W&B."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "WANDB_", "GITHUB_"))}
    return {**kept, "PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}", "MLFLOW_DISABLE_TELEMETRY": "true", **more}


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that is made once for all workers of a test session."""
    base = factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            make(part)
            part.rename(folder)
    return folder


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SQLite file of an MLflow that nothing was tracked in; making its tables takes seconds."""

    def make(folder: Path) -> None:
        from mlops_runtime.tracking import server

        server.quiet()
        import mlflow

        mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").search_experiments()

    return shared(tmp_path_factory, "mlflow", make) / "mlflow.db"


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `base` (a Llama of some thousand weights) and `adapter` (LoRA on it), as the trainer leaves them."""
    return shared(tmp_path_factory, "models", _models)


def _models(folder: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1, "b": 2, "</s>": 3}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>", unk_token="<unk>", pad_token="</s>")
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    network = LlamaForCausalLM(LlamaConfig(vocab_size=8, num_attention_heads=2, num_key_value_heads=2, **sizes))
    network.save_pretrained(folder / "base")
    adapted = get_peft_model(network, LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    adapted.save_pretrained(folder / "adapter")
    for name in ("base", "adapter"):
        tokenizer.save_pretrained(folder / name)
        described(folder / name)


def described(folder: Path, **more: Any) -> None:
    """Write `mlops.json` as the trainer does."""
    data = {part: {"sha256": part[0] * 64, "records": 10} for part in ("train", "validation")}
    info = {"task": "causal-lm", "base": None, "revision": None, "spec_digest": "5" * 64, "data": data, **more}
    (folder / "mlops.json").write_text(json.dumps(info))


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project in the working directory, with `mlops.yaml`, `params.yaml` and an empty `mlflow.db`."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "WANDB_", "GITHUB_")) or name in ("RANK", "WORLD_SIZE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    (tmp_path / "mlops.yaml").write_text(SPEC)
    write_params(tmp_path)
    yield tmp_path
    import mlflow

    mlflow.set_tracking_uri(None)


def write_params(folder: Path, **sections: Any) -> None:
    """`params.yaml`, with some sections of its own."""
    (folder / "params.yaml").write_text(json.dumps({**PARAMS, **sections}))


@pytest.fixture
def model(project: Path, tiny_models: Path) -> Path:
    """`models/model` of the project."""
    return Path(shutil.copytree(tiny_models / "base", project / "models" / "model"))


def runtime(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `mlops-runtime` in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "mlops_runtime", *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
