"""Which model a server serves: where it comes from, and that it fits the code and the settings that run here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mlops_runtime import models
from mlops_runtime.errors import Mistaken
from mlops_runtime.identity import digest
from mlops_runtime.serving import download
from mlops_runtime.serving.settings import Settings
from mlops_runtime.serving.text import Text
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
    around = models.interface(source.folder, settings.preprocess)
    if around.info["task"] != settings.task:
        raise Mistaken(
            f"{source.folder} is a model for {around.info['task']}, and `model.task` is {settings.task}: train again"
        )
    text = Text(around.rendering, around.preprocessing)
    return Model(name, source.version, source.folder, text, around.info, source.tags)
