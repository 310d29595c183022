"""Section `registry`: versions of the model."""

from __future__ import annotations

from typing import Literal

from mlopsgen.spec.base import Section, field


class Registry(Section):
    """MLflow model registry, with aliases `champion` and `challenger`; the deprecated stages are not used."""

    keep: int = field(3, "Retired production versions kept at least.", example=3, ge=1, le=1000)
    semantic_version: Literal["auto", "off"] = field(
        "auto",
        "Semantic version as a tag. Major: another base; minor: other data or training; patch: the rest.",
        example="auto",
    )
