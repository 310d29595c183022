"""A model's folder as an MLflow model, without loading its weights and without the network.

`mlflow.transformers.log_model` would take the folder of a whole model too, but with transformers 5 it fails there, it
asks the hub for a card and a licence by the folder's name, and an adapter would have to be loaded on top of its base.
What is written is the format that `mlflow.transformers` reads: `mlflow.transformers.load_model("models:/NAME/1")`
works. The runtime itself loads the folder `model` inside, which is the trainer's, byte by byte.
"""

from __future__ import annotations

import json
import os
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mlops_runtime.registry import content

FOLDER = "model"
"""Folder of the trainer's files inside of the MLflow model."""

TASKS = {
    "instruction-tuning": ("text-generation", "TextGenerationPipeline", "AutoModelForCausalLM"),
    "causal-lm": ("text-generation", "TextGenerationPipeline", "AutoModelForCausalLM"),
    "text-classification": (
        "text-classification",
        "TextClassificationPipeline",
        "AutoModelForSequenceClassification",
    ),
}
"""Pipeline, its class and the class that loads the weights, by task."""

PACKAGES = ("mlflow", "torch", "transformers", "peft", "safetensors")
"""What loading needs; written down with the installed versions."""


def save_model(path: str, mlflow_model: Any, folder: str, info: dict[str, Any]) -> None:
    """Write the MLflow model; called by `mlflow.models.Model.log`.

    Args:
        path: folder to make.
        mlflow_model: to complete and write as `MLmodel`.
        folder: of the model.
        info: its `mlops.json`.
    """
    from mlflow import pyfunc

    os.makedirs(path)
    _linked(folder, os.path.join(path, FOLDER))
    _linked(folder, os.path.join(path, "components", "tokenizer"), only=_tokenizer)
    mlflow_model.add_flavor(
        "transformers", transformers_version=version("transformers"), code=None, **_flavor(folder, info)
    )
    requirements = _requirements()
    environment = {"dependencies": [f"python={_python()}", "pip", {"pip": requirements}], "name": "mlflow-env"}
    _write(path, "requirements.txt", "\n".join(requirements) + "\n")
    _write(path, "conda.yaml", json.dumps(environment))
    _write(path, "python_env.yaml", json.dumps({"python": _python(), "dependencies": ["-r requirements.txt"]}))
    mlflow_model.metadata = {**(mlflow_model.metadata or {}), "mlops": info}
    pyfunc.add_to_model(
        mlflow_model, loader_module="mlflow.transformers", conda_env="conda.yaml", python_env="python_env.yaml"
    )
    mlflow_model.model_size_bytes = sum(os.path.getsize(os.path.join(folder, name)) for name in content.files(folder))
    mlflow_model.save(os.path.join(path, "MLmodel"))


def _flavor(folder: str, info: dict[str, Any]) -> dict[str, Any]:
    task, pipeline, loader = TASKS[info["task"]]
    tokenizer = {"components": ["tokenizer"], "tokenizer_type": "AutoTokenizer"}
    common = {"task": task, "instance_type": pipeline, **tokenizer}
    if not content.is_adapter(folder):
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as stream:
            kind = json.load(stream)["architectures"][0]
        return {
            **common,
            "pipeline_model_type": kind,
            "source_model_name": info.get("base") or "",
            "model_binary": FOLDER,
        }
    base = {"pipeline_model_type": loader, "source_model_name": info["base"], "peft_adaptor": FOLDER}
    if os.path.isdir(info["base"]):
        return {**common, **base, "local_base_model_path": os.path.abspath(info["base"])}
    revisions = {"source_model_revision": info["revision"], "tokenizer_revision": info["revision"]}
    return {**common, **base, **revisions, "tokenizer_name": info["base"]}


def _linked(folder: str, target: str, only: Any = None) -> None:
    """Copy files, as hard links where the file system allows it: weights are large."""
    for name in content.files(folder):
        if only is not None and not only(name):
            continue
        source, path = os.path.realpath(os.path.join(folder, name)), os.path.join(target, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            os.link(source, path)
        except OSError:
            shutil.copyfile(source, path)


def _tokenizer(name: str) -> bool:
    parts = ("tokenizer", "special_tokens", "added_tokens", "vocab", "merges", "chat_template")
    return name.startswith(parts) and not name.endswith(".safetensors")


def _requirements() -> list[str]:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package}=={version(package).partition('+')[0]}")
        except PackageNotFoundError:
            continue
    return found


def _python() -> str:
    import platform

    return platform.python_version()


def _write(folder: str, name: str, text: str) -> None:
    with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
        stream.write(text)
