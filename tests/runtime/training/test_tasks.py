"""Each task and way of training learns, and leaves a model that loads."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from mlops_runtime.errors import Mistaken
from mlops_runtime.models import load

from tests.runtime.training.conftest import WORDS, report, sections, train, weights

SMALL = {"hidden_size": 32, "layers": 2, "heads": 2, "vocab_size": 320}


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ("instruction-tuning", "llama"),
        ("instruction-tuning", "gpt2"),
        ("causal-lm", "qwen3"),
        ("causal-lm", "mistral"),
        ("text-classification", "bert"),
        ("text-classification", "llama"),
    ],
)
def test_each_task_learns(task: str, kind: str, project: Path) -> None:
    given = sections(task, {"architecture": {"type": kind, **SMALL}}, epochs=5.0)
    assert train(given) == 0
    found = report()
    classes = task == "text-classification"
    assert found["val_loss"] < found["prior_loss" if classes else "unigram_loss"] - (0.02 if classes else 1)
    rows = list(csv.DictReader(Path("reports/loss.csv").read_text().splitlines()))
    assert list(rows[0]) == ["step", "train_loss", "val_loss"]
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    assert int(rows[-1]["step"]) == found["steps"] == 40
    assert all(isinstance(value, int | float) for value in found.values())
    assert Path("reports/loss.png").read_bytes().startswith(b"\x89PNG")


def test_the_model_answers_as_it_was_trained(project: Path) -> None:
    import torch

    assert train(sections(epochs=6.0, checkpoint={"every": 1000})) == 0
    loaded = load("models/model", device="cpu")
    ids = torch.tensor([loaded.rendering.prompt("Count on from two, 4 words, variant 61.")])
    answer = loaded.model.generate(ids, max_new_tokens=40, do_sample=False)[0, ids.shape[1] :]
    said = loaded.tokenizer.decode(answer, skip_special_tokens=True).split()
    assert len(said) > 1
    assert said == [WORDS[(WORDS.index(said[0]) + i) % 10] for i in range(len(said))]
    assert answer[-1] == loaded.tokenizer.eos_token_id, "it learned to stop"
    assert loaded.tokenizer.pad_token_id != loaded.tokenizer.eos_token_id
    assert loaded.info["data"]["train"]["records"] == 60


@pytest.fixture
def base(project: Path) -> Path:
    """A folder with a pre-trained model."""
    assert train(sections(epochs=1.0)) == 0
    (project / "models" / "model").rename(project / "base")
    return project / "base"


def test_full_fine_tuning_starts_from_the_base(base: Path) -> None:
    before = report()["val_loss"]
    assert train(sections(model={"architecture": None, "base": "base"}, learning_rate=1e-6, epochs=0.1)) == 0
    assert report()["val_loss"] == pytest.approx(before, abs=0.01)
    assert load("models/model").info["base"] == "base"


def test_lora_keeps_the_adapter_only_and_loads(base: Path, project: Path) -> None:
    import torch

    adapter = {"type": "lora", "r": 4, "alpha": 8, "dropout": 0.1, "targets": "all-linear"}
    given = sections(model={"architecture": None, "base": "base", "adapter": adapter}, learning_rate=0.01)
    assert train(given) == 0
    found = weights()
    assert found
    assert all("lora_" in name for name in found)
    assert sum(tensor.numel() for tensor in found.values()) < 20_000
    assert not (project / "models/model/model.safetensors").exists()
    loaded = load("models/model", device="cpu")
    assert loaded.info["base"] == "base"
    plain = load_base(base)
    ids = torch.tensor([loaded.rendering.prompt("Count on from two, 4 words, variant 61.")])
    assert (loaded.model(ids).logits - plain(ids).logits).abs().max() > 0.01, "the adapter does something"
    (base / "generation_config.json").write_text("{}")
    with pytest.raises(Mistaken, match="another base than base holds now"):
        load("models/model")


@pytest.mark.parametrize("targets", ["attention", ["q_proj", "v_proj"]])
def test_targets_of_an_adapter(targets: Any, base: Path) -> None:
    adapter = {"type": "lora", "r": 2, "alpha": 8, "dropout": 0.0, "targets": targets}
    given = sections(model={"architecture": None, "base": "base", "adapter": adapter}, epochs=0.5)
    assert train(given) == 0
    wanted = {"q_proj", "v_proj"} if isinstance(targets, list) else {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert {name.split(".")[-3] for name in weights()} == wanted


def test_what_does_not_fit_the_base_is_said(base: Path, project: Path) -> None:
    adapter = {"type": "lora", "r": 2, "alpha": 8, "targets": ["nowhere"]}
    with pytest.raises(Mistaken, match="fits no module of base"):
        train(sections(model={"architecture": None, "base": "base", "adapter": adapter}))
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    with pytest.raises(Mistaken, match="with weights as safetensors"):
        train(sections(model={"architecture": None, "base": "base"}))
    with pytest.raises(Mistaken, match="cannot be loaded"):
        train(sections(model={"architecture": None, "base": "nobody/nothing"}))


def test_a_model_whose_parts_do_not_fit_is_refused(project: Path) -> None:
    assert train(sections(epochs=0.2)) == 0
    template = project / "models/model/chat_template.jinja"
    kept = template.read_text()
    template.write_text(kept.replace("<|user|>", "<|end|>"))
    with pytest.raises(Mistaken, match="another template"):
        load("models/model")
    template.write_text(kept)
    path = project / "models/model/mlops.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, "preprocessing": {"steps": ["gone:away"], "sources": {}}}))
    with pytest.raises(Mistaken, match="no module gone"):
        load("models/model")
    path.write_text(json.dumps({**info, "format": 99}))
    with pytest.raises(Mistaken, match="another version"):
        load("models/model")
    path.unlink()
    with pytest.raises(Mistaken, match="run `dvc repro train`"):
        load("models/model")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_learns_too(precision: str, project: Path) -> None:
    assert train(sections(precision=precision, epochs=3.0)) == 0
    assert report()["val_loss"] < report()["unigram_loss"] - 0.5
    stored = {"bf16": "bfloat16", "fp16": "float16"}[precision]
    assert {str(tensor.dtype) for tensor in weights().values()} == {f"torch.{stored}"}


def load_base(folder: Path) -> Any:
    """The base itself."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder).eval()
