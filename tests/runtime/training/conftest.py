"""A tiny project to train in, and processes that can be killed."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]

SECTIONS: dict[str, Any] = {
    "data": {
        "columns": {"prompt": {"type": "text", "role": "prompt"}, "response": {"type": "text", "role": "response"}}
    },
    "model": {
        "name": "tiny",
        "architecture": {"type": "llama", "hidden_size": 32, "layers": 2, "heads": 2, "vocab_size": 320},
        "task": "instruction-tuning",
        "preprocess": ["strip", "nfc"],
    },
    "train": {
        "epochs": 2.0,
        "learning_rate": 0.01,
        "batch_size": 8,
        "precision": "fp32",
        "max_length": 64,
        "seed": 7,
        "checkpoint": {"every": 5, "keep": 2, "store": "checkpoints"},
    },
}

COLUMNS = {
    "instruction-tuning": {},
    "causal-lm": {"text": {"type": "text", "role": "text"}},
    "text-classification": {
        "text": {"type": "text", "role": "text"},
        "label": {"type": "category", "role": "label"},
    },
}


def sections(task: str = "instruction-tuning", model: dict[str, Any] | None = None, **train: Any) -> dict[str, Any]:
    """Sections of params.yaml, changed."""
    found = deepcopy(SECTIONS)
    found["model"] |= {"task": task, **(model or {})}
    found["data"]["columns"] = COLUMNS[task] or found["data"]["columns"]
    found["train"]["checkpoint"] |= train.pop("checkpoint", {})
    found["train"] |= train
    return found


def record(number: int) -> dict[str, Any]:
    """A record that can be learned: counting on from some word."""
    start, count = number % 10, 2 + number * 7 % 11
    said = " ".join(WORDS[(start + i) % 10] for i in range(1, count))
    return {
        "id": f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
        "prompt": f"Count on from {WORDS[start]}, {count - 1} words, variant {number}.",
        "response": said,
        "text": f"{WORDS[start]} {said}",
        "label": "short" if count < 6 else "long",
    }


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Children of a process with OpenMP's threads hang."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with processed parts of 60 and 12 records."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "data" / "processed"
    folder.mkdir(parents=True)
    for name, numbers in (("train", range(60)), ("validation", range(60, 72))):
        lines = [json.dumps(record(number)) + "\n" for number in numbers]
        (folder / f"{name}.jsonl").write_text("".join(lines))
    return tmp_path


def forked(work: Callable[[], int | None]) -> int:
    """Run something in a child of this process; its exit code, negative for a signal."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = work() or 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def train(given: dict[str, Any]) -> int:
    """Train in the working directory, untracked."""
    from mlops_runtime.tracking import NullTracker
    from mlops_runtime.training.run import run

    return run(given, NullTracker())


def weights(folder: Path | str = "models/model") -> dict[str, Any]:
    """Tensors of a trained model."""
    from safetensors.torch import load_file

    name = "adapter_model" if (Path(folder) / "adapter_model.safetensors").exists() else "model"
    return load_file(Path(folder) / f"{name}.safetensors")


def seen(store: Path | str = "checkpoints") -> dict[int, list[str]]:
    """Ids of records by step, from the logs of all runs below a store."""
    found: dict[int, list[str]] = {}
    for path in sorted(Path(store).glob("*/samples-*.log")):
        for line in path.read_text().splitlines():
            step, _, *names = line.split(" ")
            assert found.setdefault(int(step), names) == names
    return found


def report() -> dict[str, float]:
    """`reports/training.json`."""
    found: dict[str, float] = json.loads(Path("reports/training.json").read_text())
    return found
