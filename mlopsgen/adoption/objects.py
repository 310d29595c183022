"""Objects of a cluster that a spec is not taken from, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence

from mlopsgen.adoption.draft import Draft
from mlopsgen.adoption.files import Document, text

SERVERS = ("Deployment", "StatefulSet", "Rollout")
JOBS = ("Job", "CronJob", "JobSet", "PyTorchJob", "TrainJob")
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
ITS_OWN = {
    "Service": "mlopsgen writes Services of its own",
    "ServiceAccount": "mlopsgen writes its own, without rights",
    "NetworkPolicy": "mlopsgen writes its own",
    "ServiceMonitor": "`monitoring.operator: true` writes one",
    "PodMonitor": "`monitoring.operator: true` writes a ServiceMonitor",
    "Secret": "the language names Secrets and never holds them; say where each is used, as in `serving.auth`",
    "ConfigMap": "the language has fields; what it has none for goes under `patches:`",
    "PersistentVolumeClaim": "a server holds no data; put it under `patches:` where it must stay",
    "Ingress": "its host is taken; `rollout` writes the routing behind a gateway",
    "VirtualService": "`rollout` writes the routing",
    "HTTPRoute": "`rollout` writes the routing",
    "Gateway": "the cluster's: keep it, and name it where `rollout` asks",
    "Namespace": "the cluster's: a spec names it only",
    "PodDisruptionBudget": "mlopsgen writes its own: `serving.replicas.min_available`",
    "DestinationRule": "`rollout` writes the routing",
    "Role": "mlopsgen writes the rights that its own parts need",
    "RoleBinding": "mlopsgen writes the rights that its own parts need",
}
TOLD = (*SERVERS, *JOBS, "PrometheusRule", "Kustomization")
"""Kinds of which each object is told of by what reads it."""


def others(draft: Draft, manifests: Sequence[Document], server: str) -> None:
    """Say what becomes of every object that nothing else speaks of."""
    for one in manifests:
        if is_ours(one) or one.kind in TOLD:
            continue
        if one.kind in SCALERS:
            if text(one.node, "spec", "scaleTargetRef", "name") != server:
                draft.leave(one.node.span, shown(one), "scales another workload")
            continue
        why = ITS_OWN.get(one.kind, "the language has no such object: keep it beside what mlopsgen writes")
        draft.leave(one.node.span, shown(one), why)


def is_ours(document: Document) -> bool:
    """Whether a build of mlopsgen wrote it."""
    return text(document.node, "metadata", "labels", "app.kubernetes.io/managed-by") == "mlopsgen"


def shown(document: Document) -> str:
    """`Kind/name`."""
    return f"{document.kind}/{document.name}"
