"""Facts of a release: what `deploy/<environment>/release.yaml` says. Only a release changes them."""

from __future__ import annotations

NAME = "release"
"""Name of the ConfigMap in the file. It never reaches a cluster: Kustomize copies its values into the manifests."""

IMAGE = "image"
MODEL_VERSION = "model-version"
"""Also the label of a serving pod with the version that it holds."""
REPLICAS = "replicas"

SERVER = "server"
"""Container that serves."""

NONE = "0"
"""Model version of an environment that nothing was released to."""

UNRELEASED = "not-released-yet"
"""Tag of the image of such an environment; no registry has it."""

FACTS = {
    "champion": (IMAGE, MODEL_VERSION),
    "canary": (IMAGE, MODEL_VERSION, REPLICAS),
    "training": (IMAGE,),
}
"""Facts by variant. The canary's replicas are 0 while no release is under way; training's file lies in `training/`."""


def key(variant: str, fact: str) -> str:
    """Key of a fact in the file.

    Raises:
        KeyError: the variant has no such fact.
    """
    if fact not in FACTS[variant]:
        raise KeyError(fact)
    return f"{variant}-{fact}"
