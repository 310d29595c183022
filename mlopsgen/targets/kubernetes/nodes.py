"""Which nodes a pod may run on: with the right GPU, reserved or spot."""

from __future__ import annotations

from typing import Any

from mlopsgen.spec.traced import merged, traced

GPU = "nvidia.com/gpu"
"""Resource, and taint of nodes that have it."""

PRODUCT = "nvidia.com/gpu.product"
"""Label of NVIDIA's GPU feature discovery, which writes `NVIDIA-L4`."""

ACCELERATOR = "cloud.google.com/gke-accelerator"
"""Label of GKE, which writes `nvidia-l4`."""

SPOT = {
    "cloud.google.com/gke-spot": "true",
    "eks.amazonaws.com/capacityType": "SPOT",
    "karpenter.sh/capacity-type": "spot",
    "kubernetes.azure.com/scalesetpriority": "spot",
}
"""Labels of spot nodes: GKE, EKS, Karpenter, AKS."""

TAINTED = ("cloud.google.com/gke-spot", "kubernetes.azure.com/scalesetpriority")
"""Labels that are taints as well."""


def placement(gpu: int, gpu_type: str | None, spot: bool | None) -> dict[str, Any]:
    """Fields of a pod that choose its node; without the ones that would be empty.

    Args:
        gpu: number of GPUs; none needs no GPU node, whatever its type.
        gpu_type: their product, as NVIDIA's label or GKE's has it.
        spot: whether spot nodes may be used, and then rather than others; otherwise the pod keeps off them.

    Returns:
        `affinity` and `tolerations`.
    """
    affinity: dict[str, Any] = {}
    terms = _terms(gpu_type if gpu else None, [] if spot else _labels("NotIn"))
    if terms:
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
    if spot:
        affinity["preferredDuringSchedulingIgnoredDuringExecution"] = [
            {"weight": 100, "preference": {"matchExpressions": [each]}} for each in _labels("In")
        ]
    tolerations: list[dict[str, Any]] = []
    if gpu:
        tolerations.append({"key": GPU, "operator": "Exists", "effect": "NoSchedule"})
    if spot:
        tolerations += [
            {"key": key, "operator": "Equal", "value": SPOT[key], "effect": "NoSchedule"} for key in TAINTED
        ]
    found: dict[str, Any] = {}
    if affinity:
        found["affinity"] = {"nodeAffinity": affinity}
    if tolerations:
        found["tolerations"] = tolerations
    return found


def _terms(gpu_type: str | None, everywhere: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Terms of which one must hold, each with what holds in all of them."""
    if gpu_type is None:
        return [{"matchExpressions": everywhere}] if everywhere else []
    found = [
        {"key": PRODUCT, "operator": "In", "values": _spelled(gpu_type, gpu_type, gpu_type.upper())},
        {"key": ACCELERATOR, "operator": "In", "values": _spelled(gpu_type, gpu_type.lower())},
    ]
    return [{"matchExpressions": [each, *everywhere]} for each in found]


def _spelled(source: str, *texts: str) -> list[Any]:
    """Spellings of a value, each once, with its origins."""
    return [traced(str(text), *merged(source)) for text in dict.fromkeys(str(text) for text in texts)]


def _labels(operator: str) -> list[dict[str, Any]]:
    return [{"key": key, "operator": operator, "values": [value]} for key, value in SPOT.items()]
