"""Which model a server serves: where it comes from, and that it fits the code and the settings that run here."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlops_runtime import models
from mlops_runtime.errors import Mistaken
from mlops_runtime.preprocessing import Preprocessing
from mlops_runtime.serving import download
from mlops_runtime.serving.settings import Settings
from mlops_runtime.serving.text import Text
from mlops_runtime.training.rendering import Rendering
from mlopsgen.contract import registry


class Model(NamedTuple):
    """A model that can be served.

    Attributes:
        name: in the registry.
        version: as the registry numbers it; `local` for a folder.
        folder: with the trainer's files; None behind a custom engine.
        text: its tokens; None behind a custom engine.
        info: content of `mlops.json`; empty behind a custom engine.
        tags: of the version in the registry.
    """

    name: str
    version: str
    folder: str | None
    text: Text | None
    info: Mapping[str, Any]
    tags: Mapping[str, str]

    @property
    def preprocessing_digest(self) -> str | None:
        """Of the preprocessing that the model was trained with."""
        return digest(self.info["preprocessing"]) if self.info else None

    @property
    def data_digest(self) -> str | None:
        """Of the data that the model was trained on."""
        from mlops_runtime.tracking.facts import data_digest

        parts = self.info.get("data") or {}
        found = self.tags.get(registry.TAG_DATA_DIGEST)
        return found or (data_digest({name: part["sha256"] for name, part in parts.items()}) if parts else None)

    @property
    def spec_digest(self) -> str | None:
        """Of the mlops.yaml that the model was trained by."""
        return self.tags.get(registry.TAG_SPEC_DIGEST) or self.info.get("spec_digest")


def found(settings: Settings) -> Model:
    """The model that the settings name, downloaded and checked.

    Raises:
        Mistaken: there is none, it is damaged, or it was trained with other preprocessing than what runs here.
    """
    source = download.source(settings.model_uri, wanted=settings.engine != "custom")
    name = source.name or settings.name
    if source.folder is None:
        return Model(name, source.version, None, None, {}, source.tags)
    info = described(source.folder)
    text = fitting(source.folder, info, settings)
    return Model(name, source.version, source.folder, text, info, source.tags)


def described(folder: str) -> dict[str, Any]:
    """Content of `mlops.json`.

    Raises:
        Mistaken: there is none, or it is of another version of the runtime.
    """
    path = os.path.join(folder, models.INFO)
    try:
        with open(path, encoding="utf-8") as stream:
            info = json.load(stream)
    except FileNotFoundError:
        raise Mistaken(f"there is no {path}: run `dvc repro train`, or `dvc pull` the model") from None
    except (ValueError, OSError) as error:
        raise Mistaken(f"{path} cannot be read ({error}): run `dvc repro --force train`") from None
    if not isinstance(info, dict) or info.get("format") != models.FORMAT:
        raise Mistaken(f"{path} is of another version of the runtime: train again, or install that version")
    return info


def fitting(folder: str, info: Mapping[str, Any], settings: Settings) -> Text:
    """Tokenizer, rendering and preprocessing of a model, if those that run here are those that it was trained with.

    Raises:
        Mistaken: they are not; both digests are named.
    """
    if info["task"] != settings.task:
        raise Mistaken(f"{folder} is a model for {info['task']}, and `model.task` is {settings.task}: train again")
    stored, drawn = info["preprocessing"], info["rendering"]
    steps = stored["steps"] if settings.preprocess is None else settings.preprocess
    preprocessing = Preprocessing(steps)
    _same("preprocessing", folder, stored, preprocessing.identity())
    rendering = Rendering(drawn["task"], drawn["roles"], tokenizer(folder), drawn["max_length"], drawn["labels"])
    _same("rendering", folder, drawn, rendering.identity())
    return Text(rendering, preprocessing)


def tokenizer(folder: str) -> Any:
    """The tokenizer in a model's folder.

    Raises:
        Mistaken: there is none that can be read.
    """
    from transformers import AutoTokenizer

    models.quieten()
    try:
        return AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise Mistaken(f"the tokenizer of {folder} cannot be loaded: {reason}") from None


def digest(identity: Any) -> str:
    """What a preprocessing or rendering is known by: SHA-256, in hex, of its identity as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _same(what: str, folder: str, stored: Mapping[str, Any], running: Mapping[str, Any]) -> None:
    if stored == running:
        return
    different = sorted(key for key in {*stored, *running} if stored.get(key) != running.get(key))
    raise Mistaken(
        f"the {what} of {folder} is not the one that runs here, so its answers would not be those that were judged: "
        f"the model was trained with {digest(stored)} and this is {digest(running)} (different: "
        f"{', '.join(different)}); bring back what it was trained with, or train again"
    )
