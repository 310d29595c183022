"""Fields that Kubernetes does not let change: the object has to be deleted and made anew.

Sources: https://kubernetes.io/docs/concepts/workloads/controllers/ (Deployment, StatefulSet, Job),
pkg/apis/batch/validation and pkg/apis/core/validation of Kubernetes 1.36, the CRDs of JobSet 0.11 and
Kubeflow Trainer 2.
"""

from __future__ import annotations

import re
from typing import Any

from mlopsgen.review.compare import same
from mlopsgen.review.parts import at, mapping
from mlopsgen.spec.quantity import in_bytes

FIELDS: dict[str, tuple[str, ...]] = {
    "Deployment": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "ReplicaSet": ("spec.selector",),
    "Job": (
        "spec.template",
        "spec.selector",
        "spec.completionMode",
        "spec.podFailurePolicy",
        "spec.backoffLimitPerIndex",
        "spec.successPolicy",
        "spec.managedBy",
    ),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "Service": ("spec.clusterIP",),
}

ALL_BUT: dict[str, frozenset[str]] = {
    "StatefulSet": frozenset(
        {
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        }
    ),
    "PersistentVolumeClaim": frozenset({"resources", "volumeAttributesClassName"}),
    "JobSet": frozenset({"suspend", "ttlSecondsAfterFinished"}),
    "TrainJob": frozenset({"suspend"}),
}
"""Kinds of which everything in `spec` stays, but these."""

_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?([KMGTP]i|[kMGTP])?")

IDENTITY = ("kind", "metadata.name", "metadata.namespace")


def fixed(old: Any, new: Any) -> list[str]:
    """Dotted paths of what changes and may not; both are manifests of one name."""
    kind = old.get("kind")
    paths = [*IDENTITY, *FIELDS.get(kind, ())]
    if kind in ALL_BUT:
        keys = dict.fromkeys((*mapping(old.get("spec")), *mapping(new.get("spec"))))
        paths += [f"spec.{key}" for key in keys if key not in ALL_BUT[kind]]
    found = [path for path in paths if not same(at(old, path), at(new, path))]
    if _group(old) != _group(new):
        found.insert(0, "apiVersion")
    if kind == "Job" and not _elastic(old, new) and not same(at(old, "spec.completions"), at(new, "spec.completions")):
        found.append("spec.completions")
    if kind == "PersistentVolumeClaim" and _shrinks(old, new):
        found.append("spec.resources.requests.storage")
    return found


def _elastic(old: Any, new: Any) -> bool:
    """An Indexed Job may change its completions together with its parallelism."""
    return all(
        at(job, "spec.completionMode") == "Indexed" and at(job, "spec.completions") == at(job, "spec.parallelism")
        for job in (old, new)
    )


def _shrinks(old: Any, new: Any) -> bool:
    sizes = [at(each, "spec.resources.requests.storage") for each in (old, new)]
    if not all(isinstance(size, str) and _QUANTITY.fullmatch(size) for size in sizes):
        return False
    return in_bytes(sizes[1]) < in_bytes(sizes[0])


def _group(document: Any) -> str:
    return str(document.get("apiVersion", "")).rpartition("/")[0]
