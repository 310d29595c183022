"""Section `model`: which network, from where, adapted how."""

from __future__ import annotations

from typing import Literal

from mlopsgen.spec.base import Items, Mistake, Section, field, model_validator
from mlopsgen.spec.scalars import HubId, Modules, RegistryName, Revision, Share, Step

Task = Literal["instruction-tuning", "causal-lm", "text-classification"]


class Architecture(Section):
    """A network trained from scratch."""

    type: Literal["llama", "gpt2", "qwen3", "mistral", "bert"] = field(
        "llama", "Family, by its transformers name.", example="llama"
    )
    hidden_size: int = field(..., "Width of the hidden states.", unit="units", example=128, ge=8, le=65536)
    layers: int = field(..., "Number of blocks.", example=2, ge=1, le=512)
    heads: int = field(..., "Attention heads; divides `hidden_size`.", example=4, ge=1, le=512)
    vocab_size: int = field(
        ...,
        "Size of the tokenizer's vocabulary, trained on the training part.",
        unit="tokens",
        example=4096,
        ge=260,
        le=1_000_000,
    )

    @model_validator(mode="after")
    def _heads_divide(self) -> Architecture:
        if self.hidden_size % self.heads:
            raise Mistake(
                "range",
                "hidden_size {size} is not a multiple of heads {heads}",
                {"size": self.hidden_size, "heads": self.heads, "at": "heads"},
            )
        return self


class Adapter(Section):
    """Low-rank adaptation: few weights are trained, the base stays."""

    type: Literal["lora"] = field("lora", "Kind of adapter.", example="lora")
    r: int = field(16, "Rank.", example=16, ge=1, le=4096)
    alpha: int = field(32, "Scale; the update is multiplied by alpha / r.", example=32, ge=1, le=65536)
    dropout: Share = field("5%", "Dropout on the adapter's input.", unit="share", example="5%")
    targets: Modules = field("all-linear", "Modules that get an adapter.", example="all-linear")


class Model(Section):
    """The model to train. One of `base` and `architecture` is given."""

    name: RegistryName | None = field(None, "Name in the registry.", example="llama2-7b-lora", derived="project.name")
    base: HubId | None = field(None, "Pre-trained model: hub id or folder.", example="meta-llama/Llama-2-7b-hf")
    revision: Revision | None = field(
        None, "Commit of the base on the hub.", example="01c7f73d771dfac7d292323805ebc428287df4f9"
    )
    architecture: Architecture | None = field(
        None,
        "Network to train from scratch.",
        example={"type": "llama", "hidden_size": 128, "layers": 2, "heads": 4, "vocab_size": 4096},
    )
    task: Task | None = field(
        None,
        "What is learned.",
        example="instruction-tuning",
        derived="the columns: instruction-tuning with a prompt and a response, text-classification with a label, "
        "causal-lm with a text; instruction-tuning when there are no columns",
    )
    preprocess: Items[Step] = field(
        ("strip", "nfc"),
        "Steps over each text, in order: strip, nfc, nfkc, lower, collapse_spaces, or `module:function`. "
        "The same code runs in training, serving and quality.",
        example=["strip", "nfc"],
    )
    adapter: Adapter | None = field(
        None, "Adapter; absent means full training.", example={"type": "lora", "r": 16, "alpha": 32}
    )

    @model_validator(mode="after")
    def _one_source(self) -> Model:
        if self.base is None and self.architecture is None:
            raise Mistake("no_model", "neither `base` nor `architecture` is given")
        if self.base is not None and self.architecture is not None:
            raise Mistake(
                "two_models", "both `base` and `architecture` are given", {"at": "architecture", "and": "base"}
            )
        return self
