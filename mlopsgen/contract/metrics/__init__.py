"""Metric families that running parts export. Rules, panels, gates and autoscalers may name only these."""

from __future__ import annotations

from typing import NamedTuple

from mlopsgen.contract.metrics import dcgm, quality, rollout, serving, trainer, vllm
from mlopsgen.contract.metrics.family import (
    LATENCY_BUCKETS,
    TOKEN_BUCKETS,
    VARIANT,
    Family,
    bound,
    latency_buckets,
)
from mlopsgen.contract.metrics.serving import FAILED, REJECTED, STATUS

__all__ = [
    "FAILED",
    "FAMILIES",
    "KNOWN",
    "LATENCY_BUCKETS",
    "REJECTED",
    "STATUS",
    "TARGET_LABELS",
    "TOKEN_BUCKETS",
    "VARIANT",
    "Family",
    "Setup",
    "bound",
    "exported",
    "latency_buckets",
]

TARGET_LABELS = ("environment", "namespace", "pod", "job", "instance")
"""Labels that Prometheus adds to what it scrapes; `environment` follows from the namespace."""

FAMILIES: tuple[Family, ...] = (
    *serving.FAMILIES,
    *vllm.FAMILIES,
    *quality.FAMILIES,
    *rollout.FAMILIES,
    *trainer.FAMILIES,
    *dcgm.FAMILIES,
)

KNOWN: dict[str, Family] = {family.name: family for family in FAMILIES}
"""Families by name."""


class Setup(NamedTuple):
    """What decides which families a deployment exports.

    Attributes:
        engine: value of `serving.engine`.
        task: value of `model.task`.
        gpu: whether servers hold GPUs.
        cost: whether prices are known.
        canary: whether our rollout controller runs.
    """

    engine: str
    task: str
    gpu: bool = False
    cost: bool = False
    canary: bool = True


def exported(family: Family, setup: Setup) -> str:
    """Why a deployment does not export a family, in words; empty when it does."""
    if family.engines and setup.engine not in family.engines:
        return f"the engine {setup.engine} does not export it"
    if family.tasks and setup.task not in family.tasks:
        return f"it has no meaning for the task {setup.task}"
    if family.needs == "gpu" and not setup.gpu:
        return "no GPU is asked for under `serving.resources`"
    if family.needs == "cost" and not setup.cost:
        return "no price is given under `serving.cost`"
    if family.source == "rollout" and not setup.canary:
        return "no rollout controller runs"
    return ""
