"""A trained model from its folder, as training left it: weights, tokenizer, rendering and preprocessing that fit."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from mlops_runtime.errors import Mistaken
from mlops_runtime.preprocessing import Preprocessing
from mlops_runtime.training.rendering import Rendering

INFO = "mlops.json"
FORMAT = 1

CLASSES = {
    "instruction-tuning": "AutoModelForCausalLM",
    "causal-lm": "AutoModelForCausalLM",
    "text-classification": "AutoModelForSequenceClassification",
}


class Interface(NamedTuple):
    """What stands between texts and a network: everything of a model but its weights.

    Attributes:
        tokenizer: with chat template and pad token.
        rendering: from records or prompts to tokens.
        preprocessing: of each text, before rendering.
        info: content of `mlops.json`.
    """

    tokenizer: Any
    rendering: Rendering
    preprocessing: Preprocessing
    info: dict[str, Any]


class Loaded(NamedTuple):
    """A model that is ready to answer.

    Attributes:
        model: of transformers, in evaluation mode, on its device; with peft's adapter where it has one.
        tokenizer: with chat template and pad token.
        rendering: from records or prompts to tokens.
        preprocessing: of each text, before rendering.
        info: content of `mlops.json`.
    """

    model: Any
    tokenizer: Any
    rendering: Rendering
    preprocessing: Preprocessing
    info: dict[str, Any]


def load(folder: str, device: str = "auto", dtype: str | None = None) -> Loaded:
    """Load a model that `mlops-runtime train` wrote. Only safetensors are read, and no code of the model's.

    Args:
        folder: such as `models/model`.
        device: of torch; `auto` is a GPU where there is one.
        dtype: of the weights: `float32`, `bfloat16`, `float16`; as stored when not given.

    Raises:
        Mistaken: no such model; its base, tokenizer or preprocessing is not the one that it was trained with.
    """
    import torch

    around = interface(folder)
    info = around.info
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = CLASSES[info["task"]]
    given: Any = getattr(torch, dtype) if dtype else "auto"
    model = _adapted(folder, info, kind, given) if info["adapter"] else _plain(folder, kind, given)
    return Loaded(model.to(device).eval(), *around)


def interface(folder: str, steps: Sequence[str] | None = None) -> Interface:
    """Load everything of a model but its weights.

    Args:
        folder: such as `models/model`.
        steps: of the preprocessing that is wanted; those of the model when not given.

    Raises:
        Mistaken: no such model; its tokenizer cannot be read; preprocessing or rendering here is not the one that it
            was trained with, with the digests of both.
    """
    quieten()
    info = described(folder)
    stored, drawn = info["preprocessing"], info["rendering"]
    preprocessing = Preprocessing(stored["steps"] if steps is None else steps)
    preprocessing.check(stored)
    tokenizer = _tried("tokenizer", folder, lambda: _auto("AutoTokenizer").from_pretrained(folder))
    rendering = Rendering(drawn["task"], drawn["roles"], tokenizer, drawn["max_length"], drawn["labels"])
    rendering.check(drawn)
    return Interface(tokenizer, rendering, preprocessing, info)


def quieten() -> None:
    """Let transformers speak of errors only, without bars of its own."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def described(folder: str) -> dict[str, Any]:
    """Content of `mlops.json`.

    Raises:
        Mistaken: there is none, or it is of another version of the runtime.
    """
    path = os.path.join(folder, INFO)
    try:
        with open(path, encoding="utf-8") as stream:
            info: dict[str, Any] = json.load(stream)
    except FileNotFoundError:
        raise Mistaken(f"there is no {path}: run `dvc repro train`, or `dvc pull` the model") from None
    except (OSError, ValueError) as error:
        raise Mistaken(f"{path} cannot be read ({error}): run `dvc repro --force train`") from None
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        raise Mistaken(f"{path} is of another version of the runtime: train again, or install that version")
    return info


def _plain(folder: str, kind: str, dtype: Any) -> Any:
    return _tried("weights", folder, lambda: _auto(kind).from_pretrained(folder, dtype=dtype, use_safetensors=True))


def _adapted(folder: str, info: dict[str, Any], kind: str, dtype: Any) -> Any:
    from peft import PeftModel

    from mlops_runtime.training.networks import folder_digest

    base, revision = info["base"], info["revision"]
    if info["base_digest"] is not None:
        if not os.path.isdir(base):
            raise Mistaken(f"{folder} is an adapter of the base in {base}, which is not there: `dvc pull` it")
        if folder_digest(base) != info["base_digest"]:
            raise Mistaken(
                f"{folder} is an adapter of another base than {base} holds now: bring that back or train again"
            )
    labels = info["rendering"]["labels"]
    classes: dict[str, Any] = {"id2label": dict(enumerate(labels))} if labels else {}
    network = _tried(
        "base",
        base,
        lambda: _auto(kind).from_pretrained(base, revision=revision, dtype=dtype, use_safetensors=True, **classes),
    )
    return _tried("adapter", folder, lambda: PeftModel.from_pretrained(network, folder, use_safetensors=True))


def _auto(kind: str) -> Any:
    import transformers

    return getattr(transformers, kind)


def _tried(what: str, place: str, load: Any) -> Any:
    from safetensors import SafetensorError

    try:
        return load()
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().split("\n")[0]
        raise Mistaken(f"the {what} of {place} cannot be loaded: {reason}") from None
