"""One consequence, and the classes that consequences fall into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

CLASSES: Mapping[str, tuple[str, str]] = {
    "recreate": ("object is deleted, or deleted and made anew", "objects are deleted, or deleted and made anew"),
    "restart": ("pod is replaced", "pods are replaced"),
    "reload": ("server loads its model again", "servers load their model again"),
    "retrain": ("stage of the pipeline runs again: the training", "stages of the pipeline run again, the training too"),
    "pipeline": ("stage of the pipeline runs again", "stages of the pipeline run again, not the training"),
    "traffic": ("object or file that steers requests changes", "objects or files that steer requests change"),
    "alerts": ("alert, or way to people, changes", "alerts, or ways to people, change"),
    "permissions": ("grant is new", "grants are new: something may do more"),
    "configuration": ("object or file changes otherwise", "objects or files change otherwise"),
    "metadata": ("object or file changes in words or labels only", "objects or files change in words or labels only"),
    "nothing": ("field changes no output", "fields change no output"),
}
"""Classes, worst first, with what one or several of what is counted do.

`recreate` counts objects in the cluster, `restart` and `reload` pods, `retrain` and `pipeline` stages, `traffic`
objects and files that say which request goes where or when a canary gets more of them, `alerts` alerts that fire
earlier, later or otherwise and the file of routes, `permissions` grants, `configuration` and `metadata` objects and
files, `nothing` fields of the spec.
"""

RANK = {kind: rank for rank, kind in enumerate(CLASSES)}


class Effect(NamedTuple):
    """One consequence.

    Attributes:
        kind: one of `CLASSES`.
        environment: where; empty for all of them or none.
        text: in plain words.
        number: how much, in the unit of the class.
        facts: numbers and names, for machines.
        objects: what changes, as `Pair.shown` names it.
    """

    kind: str
    environment: str
    text: str
    number: int
    facts: Mapping[str, object]
    objects: tuple[str, ...] = ()
