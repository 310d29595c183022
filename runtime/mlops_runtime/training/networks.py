"""Networks: made from an architecture, or loaded from a base, with an adapter or without."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_runtime.errors import Mistaken

if TYPE_CHECKING:
    from mlops_runtime.training.settings import Settings
    from mlopsgen.spec.model import Adapter, Architecture

ROTARY = 4096
"""Positions that a network with rotary embeddings says it takes: they cost nothing, and servers hold it to them."""

ATTENTION = ("attn", "attention")
"""Parts of the names of modules that `targets: attention` means."""


class Base(NamedTuple):
    """Where a network came from.

    Attributes:
        name: hub id or folder; None from scratch.
        revision: commit on the hub.
        digest: SHA-256 over a folder's files.
    """

    name: str | None = None
    revision: str | None = None
    digest: str | None = None


def base_of(settings: Settings) -> Base:
    """The base that a run starts from, told exactly: the commit on the hub, or the digest of a folder.

    Raises:
        Mistaken: neither a folder nor a repository on the hub that can be reached.
    """
    name, revision = settings.model.base, settings.model.revision
    if name is None:
        return Base()
    if os.path.isdir(name):
        return Base(name, None, folder_digest(name))
    config = _from(name, "config", lambda: _auto("AutoConfig").from_pretrained(name, revision=revision))
    return Base(name, getattr(config, "_commit_hash", None) or revision, None)


def folder_digest(path: str) -> str:
    """SHA-256 over the names and contents of a model folder's files that matter: weights, configuration, tokenizer."""
    digest = hashlib.sha256()
    for name in sorted(os.listdir(path)):
        if name.endswith((".safetensors", ".json", ".jinja", ".model", ".txt")):
            with open(os.path.join(path, name), "rb") as stream:
                digest.update(f"{name}\n{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def tokenizer_of(base: Base) -> Any:
    """The base's own tokenizer."""
    return _from(
        str(base.name), "tokenizer", lambda: _auto("AutoTokenizer").from_pretrained(base.name, revision=base.revision)
    )


def embedding_rows(base: Base) -> int:
    """Rows of the base's embedding."""
    config = _auto("AutoConfig").from_pretrained(base.name, revision=base.revision)
    return int(config.get_text_config().vocab_size)


def built(settings: Settings, base: Base, tokenizer: Any, labels: Sequence[str]) -> Any:
    """The network to train, in memory of the CPU; what is random in it comes from torch's seed, which is set here.

    Args:
        settings: of the run.
        base: from `base_of`.
        tokenizer: with pad and end tokens.
        labels: classes, for text-classification.

    Raises:
        Mistaken: a base without safetensors, or that does not fit the task.
    """
    import torch

    torch.manual_seed(settings.training.seed)
    kind = "AutoModelForCausalLM"
    classes: dict[str, Any] = {}
    if settings.task == "text-classification":
        kind = "AutoModelForSequenceClassification"
        classes = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    if base.name is None:
        assert settings.model.architecture is not None
        config = _config(settings.model.architecture, settings, tokenizer, classes)
        network = _auto(kind).from_config(config)
    else:
        network = _from(
            base.name,
            "network",
            lambda: _auto(kind).from_pretrained(
                base.name, revision=base.revision, use_safetensors=True, dtype="auto", **classes
            ),
        )
    network.config.pad_token_id = tokenizer.pad_token_id
    if getattr(network, "generation_config", None) is not None:
        network.generation_config.pad_token_id = tokenizer.pad_token_id
        network.generation_config.eos_token_id = tokenizer.eos_token_id
    if settings.model.adapter is not None:
        return _adapted(network, settings.model.adapter, settings.task, base)
    if len(tokenizer) > network.get_input_embeddings().weight.shape[0]:
        network.resize_token_embeddings(len(tokenizer))
    return network


def _config(given: Architecture, settings: Settings, tokenizer: Any, classes: dict[str, Any]) -> Any:
    from transformers import AutoConfig

    longest = settings.training.max_length
    wide = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
        "hidden_size": given.hidden_size,
        "num_hidden_layers": given.layers,
        "num_attention_heads": given.heads,
        **classes,
    }
    if given.type == "bert":
        if settings.task != "text-classification":
            raise Mistaken(
                f"`model.architecture.type: bert` reads in both directions, so that {settings.task} would see its "
                "answers: take llama, gpt2, qwen3 or mistral"
            )
        return AutoConfig.for_model(
            "bert", **wide, intermediate_size=4 * given.hidden_size, max_position_embeddings=longest
        )
    if given.type == "gpt2":
        dropouts = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
        return AutoConfig.for_model("gpt2", **wide, **dropouts, n_positions=longest)
    # Two thirds of 4 × width, for SwiGLU has three matrices where an MLP has two (Shazeer, 2020).
    inner = -(-8 * given.hidden_size // 3 // 64) * 64
    gated: dict[str, Any] = {
        "intermediate_size": inner,
        "num_key_value_heads": given.heads,
        "head_dim": given.hidden_size // given.heads,
        "max_position_embeddings": max(longest, ROTARY),
    }
    if given.type == "mistral":
        gated["sliding_window"] = None
    return AutoConfig.for_model(given.type, **wide, **gated)


def _adapted(network: Any, adapter: Adapter, task: str, base: Base) -> Any:
    from peft import LoraConfig, TaskType, get_peft_model

    targets: Any = adapter.targets if isinstance(adapter.targets, str) else list(adapter.targets)
    if targets == "attention":
        linear = [name for name, module in network.named_modules() if type(module).__name__ in ("Linear", "Conv1D")]
        targets = sorted({n.rpartition(".")[2] for n in linear if any(a in n.lower() for a in ATTENTION)})
    kind = TaskType.SEQ_CLS if task == "text-classification" else TaskType.CAUSAL_LM
    config = LoraConfig(
        task_type=kind,
        r=adapter.r,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        target_modules=targets,
        base_model_name_or_path=base.name,
        revision=base.revision,
    )
    try:
        return get_peft_model(network, config)
    except ValueError as error:
        raise Mistaken(f"`model.adapter.targets` fits no module of {base.name}: {str(error).splitlines()[0]}") from None


def _auto(kind: str) -> Any:
    import transformers

    return getattr(transformers, kind)


def _from(name: str, what: str, load: Any) -> Any:
    try:
        return load()
    except (OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise Mistaken(
            f"the {what} of `model.base: {name}` cannot be loaded: {reason}; name a folder below mlops.yaml or a hub "
            "id, with weights as safetensors"
        ) from None
