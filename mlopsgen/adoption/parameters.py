"""params.yaml, and settings that name the language's own fields."""

from __future__ import annotations

import re

from mlopsgen.adoption.draft import Draft
from mlopsgen.adoption.files import Document, leaves
from mlopsgen.spec import fields
from mlopsgen.spec.tree import Node, Path
from mlopsgen.spec.written import duration

SECTIONS: dict[str, Path] = {
    "data": ("data",),
    "drift": ("data", "drift"),
    "model": ("model",),
    "train": ("training",),
    "training": ("training",),
    "evaluate": ("evaluation",),
    "evaluation": ("evaluation",),
    "benchmark": ("evaluation", "benchmark"),
    "safety": ("evaluation", "safety"),
    "bias": ("evaluation", "bias"),
    "register": ("registry",),
    "registry": ("registry",),
    "serving": ("serving",),
}
"""Sections of a file of parameters, and where the language has them."""

_TRAINING: dict[str, str] = {
    "epochs": "epochs",
    "num_epochs": "epochs",
    "n_epochs": "epochs",
    "num_train_epochs": "epochs",
    "lr": "learning_rate",
    "learning_rate": "learning_rate",
    "batch_size": "batch_size",
    "train_batch_size": "batch_size",
    "warmup_steps": "warmup_steps",
    "weight_decay": "weight_decay",
    "max_length": "max_length",
    "max_seq_length": "max_length",
    "max_seq_len": "max_length",
    "lr_scheduler_type": "scheduler",
    "scheduler": "scheduler",
    "precision": "precision",
    "packing": "packing",
}
SYNONYMS: dict[str, Path] = {
    **{name: ("training", field) for name, field in _TRAINING.items()},
    **dict.fromkeys(
        (
            "base",
            "base_model",
            "base_model_name",
            "model_name_or_path",
            "pretrained_model",
            "pretrained_model_name",
            "pretrained_model_name_or_path",
            "hf_model",
            "model_id",
        ),
        ("model", "base"),
    ),
    "revision": ("model", "revision"),
    "lora_r": ("model", "adapter", "r"),
    "lora_rank": ("model", "adapter", "r"),
    "lora_alpha": ("model", "adapter", "alpha"),
    "lora_dropout": ("model", "adapter", "dropout"),
    **dict.fromkeys(
        ("test_size", "val_size", "validation_size", "validation_split", "val_split", "test_split"),
        ("data", "split", "validation"),
    ),
}
"""Usual names of fields, wherever they stand."""

_PER_DEVICE = re.compile(r"per_device|gradient_accumulation|micro_batch")
_SEED = re.compile(r"(?:random_)?(?:seed|state)")


def parameters(draft: Draft, document: Document) -> None:
    """Take what a file of parameters says."""
    for path, node in leaves(document.node):
        _one(draft, path, node)


def settings(draft: Draft, node: Node, base: Path, section: str) -> None:
    """Take a mapping that names fields of one section."""
    for path, leaf in leaves(node):
        exact = (*SECTIONS[section], *path)
        if is_leaf(exact) and leaf.value is not None:
            draft.take((*base, *exact), _plain(exact, leaf), leaf.span, _note(exact, leaf))


def _one(draft: Draft, path: tuple[str, ...], node: Node) -> None:
    shown = ".".join(path)
    last = path[-1].lower().replace("-", "_") if path else ""
    exact: Path = (*SECTIONS[path[0]], *path[1:]) if path and path[0] in SECTIONS and len(path) > 1 else ()
    if node.value is None:
        return
    if exact and is_leaf(exact):
        draft.take(exact, _plain(exact, node), node.span, _note(exact, node))
    elif _PER_DEVICE.search(last):
        why = "`training.batch_size` counts sequences per optimizer step over all devices: multiply and set it"
        draft.leave(node.span, f"{shown}: {node.plain()}", why)
        draft.hints.setdefault(("training", "batch_size"), []).append(f"{node.span.file}:{node.span.line}")
    elif last in ("bf16", "fp16") and node.value is True:
        draft.take(("training", "precision"), last, node.span)
    elif _SEED.fullmatch(last):
        data = any(re.search(r"data|split|prepare|preprocess", part) for part in path[:-1])
        draft.take(("data", "split", "seed") if data else ("training", "seed"), node.plain(), node.span)
    elif last in SYNONYMS:
        draft.take(SYNONYMS[last], node.plain(), node.span)
    else:
        why = "the language has no such field; its stages read `params.yaml`, which a build writes"
        draft.leave(node.span, f"{shown}: {node.plain()}", why)


def is_leaf(path: Path) -> bool:
    """Whether the language has a value, not a section, at a path."""
    found = fields.find(path)
    return (found is not None and found.field is not None and found.section is None) or _is_entry(path)


def _is_entry(path: Path) -> bool:
    """An entry of a mapping whose keys people choose, such as the features of a column."""
    above = fields.find(path[:-1]) if path else None
    found = fields.find(path)
    return above is not None and found is not None and found.section is None and above.section is None


def _plain(path: Path, node: Node) -> object:
    value = node.plain()
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return duration(float(value)) if number and is_duration(path) else value


def _note(path: Path, node: Node) -> str:
    return "a number of seconds" if is_duration(path) and isinstance(node.value, int | float) else ""


def is_duration(path: Path) -> bool:
    """Whether a field holds a duration."""
    return "duration" in (_unit(path), _unit(path[:-1]) if path[-1] in ("min", "max") else "")


def _unit(path: Path) -> str:
    found = fields.find(path)
    extra = found.field.json_schema_extra if found and found.field else None
    return str(extra.get("x-unit", "")) if isinstance(extra, dict) else ""
