"""What is recorded about a run besides its parameters and metrics: data, code, machine, people."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any, NamedTuple

NAME_LENGTH = 120
"""Characters of a run's name at most."""

IDENTITY = "identity"
"""Tag that runs share of which one goes on where the other stopped."""

PRODUCTS = ("**/dvc.lock", "**/reports/**")
"""Tracked files that the pipeline itself writes: they make no working directory dirty."""


class Dataset(NamedTuple):
    """A part of the data.

    Attributes:
        path: file.
        digest: SHA-256 of its content, in hex.
        records: number of records.
    """

    path: str
    digest: str
    records: int


def data_digest(digests: Mapping[str, str]) -> str:
    """One digest for all parts of the data: SHA-256 over the names and digests of the parts."""
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def flat(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping with dotted names, as DVC names parameters: `{"train": {"seed": 1}}` is `{"train.seed": 1}`.

    Lists stay values.
    """
    found: dict[str, Any] = {}
    for key, value in parameters.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + str(key)] = value
    return found


def run_name(stage: str, parameters: Mapping[str, Any]) -> str:
    """Name of a run by what tells it from others: model, method, learning rate, batch size, epochs.

    Args:
        stage: the command.
        parameters: sections `model` and `train` of `params.yaml`; what is absent is left out.
    """
    known = flat(parameters)
    base = known.get("model.base")
    parts = [stage]
    if base:
        parts.append(str(base).rstrip("/").rpartition("/")[2])
    elif "model.architecture.type" in known:
        size = f"{known.get('model.architecture.hidden_size')}x{known.get('model.architecture.layers')}"
        parts.append(f"{known['model.architecture.type']}-{size}")
    if "model.adapter.r" in known:
        parts.append(f"{known.get('model.adapter.type', 'lora')}-r{known['model.adapter.r']}")
    for short, name in (("lr", "learning_rate"), ("bs", "batch_size"), ("ep", "epochs")):
        if f"train.{name}" in known:
            value = known[f"train.{name}"]
            parts.append(f"{short}{value:g}" if isinstance(value, int | float) else f"{short}{value}")
    return " ".join(parts)[:NAME_LENGTH]


def commit() -> str | None:
    """The Git commit of the working directory, with `-dirty` behind it when tracked files differ from it that the
    pipeline does not write; None outside of Git.

    In an image, which holds no repository, the workflow's `GITHUB_SHA` counts.
    """
    head = _git("rev-parse", "HEAD")
    if head is None or head.returncode:
        return os.environ.get("GITHUB_SHA")
    changed = _git("diff", "--quiet", "HEAD", "--", ":/", *(f":(exclude,glob){path}" for path in PRODUCTS))
    return head.stdout.strip() + ("-dirty" if changed is None or changed.returncode else "")


def _git(*arguments: str) -> subprocess.CompletedProcess[str] | None:
    """What Git says; None where it is not installed or hangs."""
    try:
        return subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def machine() -> dict[str, str]:
    """Versions and devices that change results: Python, packages, CUDA, GPUs."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in ("torch", "transformers", "peft", "mlflow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if "torch" in found:
        import torch

        found["cuda"] = torch.version.cuda or "none"
        if torch.cuda.is_available():
            names = sorted({torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())})
            found["gpu"], found["gpu_count"] = ", ".join(names), str(torch.cuda.device_count())
        else:
            found["gpu"], found["gpu_count"] = "none", "0"
    return found


def person() -> str:
    """Who started this: the workflow's actor, else the account."""
    if os.environ.get("GITHUB_ACTOR"):
        return os.environ["GITHUB_ACTOR"]
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in containers
        return "unknown"
