"""A model as a folder: what it is known by, and what may not be in it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from typing import Any

from mlops_runtime.errors import Mistaken

INFO = "mlops.json"
"""What the trainer says about the model."""

UNSAFE = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".msgpack", ".h5", ".py", ".pyc", ".so")
"""Endings of files that run code when they are loaded, or may."""

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors")

_BLOCK = 1 << 22


def files(folder: str) -> Iterator[str]:
    """Paths of the files below a folder, relative to it, with forward slashes, in order.

    Raises:
        Mistaken: a link to nothing, as DVC leaves it where its cache is gone.
    """
    found = []
    for here, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = os.path.join(here, name)
            if os.path.islink(path) and not os.path.exists(path):
                raise Mistaken(f"{path} is a link to nothing: run `dvc checkout`")
        found += [os.path.relpath(os.path.join(here, name), folder).replace(os.sep, "/") for name in names]
    yield from sorted(found)


def digest(folder: str) -> str:
    """What a model is known by: SHA-256, in hex, over the names and the SHA-256 of the files of its folder."""
    whole = hashlib.sha256()
    for path in files(folder):
        part = hashlib.sha256()
        with open(os.path.join(folder, path), "rb") as stream:
            while block := stream.read(_BLOCK):
                part.update(block)
        whole.update(f"{part.hexdigest()}  {path}\n".encode())
    return whole.hexdigest()


def checked(folder: str) -> dict[str, Any]:
    """Content of `mlops.json` of a model that may be registered.

    Raises:
        Mistaken: no model there, weights in another format than safetensors, something that is code, an adapter whose
            base nobody could find again.
    """
    info = _info(folder)
    names = list(files(folder))
    for name in names:
        if name.lower().endswith(UNSAFE):
            raise Mistaken(
                f"{folder}/{name} can run code when it is loaded: only safetensors are registered; remove it"
            )
    if not any(name in WEIGHTS for name in names):
        raise Mistaken(
            f"{folder} holds no weights as safetensors: expected {' or '.join(WEIGHTS)}; run `dvc repro train`"
        )
    if is_adapter(folder) and not os.path.isdir(str(info.get("base"))) and not info.get("revision"):
        raise Mistaken(
            f"{folder} is an adapter and its base {info.get('base')!r} is neither a folder here nor a commit on the "
            "hub: set `model.base` and `model.revision`, so that the base can be found again"
        )
    return info


def is_adapter(folder: str) -> bool:
    """Whether a folder holds an adapter, whose base is elsewhere."""
    return os.path.exists(os.path.join(folder, "adapter_config.json"))


def _info(folder: str) -> dict[str, Any]:
    path = os.path.join(folder, INFO)
    try:
        with open(path, encoding="utf-8") as stream:
            info = json.load(stream)
    except FileNotFoundError:
        raise Mistaken(f"there is no {path}: run `dvc repro train`, or `dvc pull` the model") from None
    except ValueError:
        raise Mistaken(f"{path} is no JSON: run `dvc repro --force train`") from None
    if not isinstance(info, dict):
        raise Mistaken(f"{path} is no mapping: run `dvc repro --force train`")
    return info
