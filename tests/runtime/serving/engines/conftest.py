"""Tiny models in folders as training leaves them, with random weights that answer variously."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from mlops_runtime.serving.engines.base import Piece, Sampling
from mlops_runtime.serving.engines.local import LocalEngine

WORDS = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "—",
    "ändern,",
    "数える",
    "🎉",
    "été",
]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def configuration(kind: str, **changed: Any) -> Any:
    """A network's configuration: two small layers, and weights large enough that tokens differ in likelihood."""
    from transformers import AutoConfig

    fixed = {"vocab_size": 320, "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0, "initializer_range": 0.4}
    if kind == "gpt2":
        shape = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256}
    elif kind == "mamba":
        shape = {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}
    elif kind == "bloom":
        shape = {"hidden_size": 32, "n_layer": 2, "n_head": 2}
    else:
        shape = {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 256,
        }
        if kind != "gpt_neox":
            shape["num_key_value_heads"] = 2
    return AutoConfig.for_model(kind, **{**fixed, **shape, **changed})


def tokenizer(task: str) -> Any:
    """A byte-level BPE of 320 tokens."""
    from mlops_runtime.training.vocabulary import trained

    return trained((" ".join(WORDS[i:] + WORDS[:i]) for i in range(len(WORDS))), 320, task)


Folder = Callable[..., str]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Write a model of some kind and task; the same arguments give the same folder."""
    import torch

    made: dict[str, str] = {}

    def write(
        kind: str = "llama", task: str = "causal-lm", steps: tuple[str, ...] = (), adapter: bool = False, **changed: Any
    ) -> str:
        key = repr((kind, task, steps, adapter, sorted(changed.items())))
        if key not in made:
            torch.manual_seed(3)
            made[key] = str(tmp_path_factory.mktemp(f"{kind}-{task}"))
            _write(Path(made[key]), configuration(kind, **changed), task, steps, adapter)
        return made[key]

    return write


def _write(place: Path, config: Any, task: str, steps: tuple[str, ...], adapter: bool) -> None:
    import transformers
    from mlops_runtime.models import CLASSES, FORMAT
    from mlops_runtime.preprocessing import Preprocessing
    from mlops_runtime.training.networks import folder_digest
    from mlops_runtime.training.rendering import Rendering

    words = tokenizer(task)
    labels = ["long", "odd", "short"] if task == "text-classification" else []
    if labels:
        config.id2label = dict(enumerate(labels))
    network = getattr(transformers, CLASSES[task]).from_config(config)
    roles = {"prompt": "prompt", "response": "response"} if task == "instruction-tuning" else {"text": "text"}
    base = place / "base"
    network.save_pretrained(base if adapter else place)
    words.save_pretrained(place)
    if adapter:
        from peft import LoraConfig, get_peft_model

        given = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
        get_peft_model(network, given).save_pretrained(place)
    info = {
        "format": FORMAT,
        "task": task,
        "adapter": adapter,
        "base": str(base),
        "revision": None,
        "base_digest": folder_digest(str(base)) if adapter else None,
        "preprocessing": Preprocessing(steps).identity(),
        "rendering": Rendering(task, roles, words, 64, labels).identity(),
    }
    (place / "mlops.json").write_text(json.dumps(info))


def prompts(count: int, longest: int, seed: int = 5) -> list[list[int]]:
    """Random tokens, none of them special."""
    chance = random.Random(seed)
    return [[chance.randrange(4, 320) for _ in range(chance.randint(1, longest))] for _ in range(count)]


def generated(model: Any, prompt: Sequence[int], count: int) -> list[int]:
    """Greedy tokens of `generate`."""
    import torch

    ids = torch.tensor([prompt])
    found = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=count,
        eos_token_id=[1],
        pad_token_id=0,
    )
    return found[0, len(prompt) :].tolist()


async def answer(engine: LocalEngine, prompt: Sequence[int], sampling: Sampling) -> list[Piece]:
    """All pieces."""
    return [piece async for piece in engine.stream(prompt, sampling)]


def tokens(pieces: Sequence[Piece]) -> list[int]:
    """Of an answer."""
    return [token for piece in pieces for token in piece.tokens]
