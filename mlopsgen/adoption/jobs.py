"""Jobs that train."""

from __future__ import annotations

import re

from mlopsgen.adoption.containers import GPU, PATCH
from mlopsgen.adoption.draft import Draft
from mlopsgen.adoption.files import Document, Files, items
from mlopsgen.adoption.objects import JOBS, is_ours, shown
from mlopsgen.spec.tree import Node, Path

RESOURCES: Path = ("training", "resources")


def jobs(draft: Draft, files: Files) -> None:
    """Take machines and schedule of the job that trains; say which others there are."""
    found = [one for one in files.documents if one.kind in JOBS]
    training = [one for one in found if re.search(r"train|finetun", one.name)]
    for one in found:
        if one not in training[:1] and not is_ours(one):
            draft.leave(one.node.span, shown(one), "not the training: keep it beside what mlopsgen writes")
    for one in training[:1]:
        _training(draft, one)


def _training(draft: Draft, document: Document) -> None:
    schedule = document.node.find(("spec", "schedule"))
    if schedule is not None:
        draft.take(("ci", "schedule"), schedule.value, schedule.span, "the workflow trains, not a CronJob")
    job = document.node.find(("spec", "jobTemplate", "spec")) or document.node.find(("spec",))
    if job is None:
        return
    nodes = job.find(("parallelism",))
    if nodes is not None:
        draft.take((*RESOURCES, "nodes"), nodes.value, nodes.span)
    pod = job.find(("template", "spec"))
    every = items(pod.find(("containers",))) if pod else []
    for inner in every[:1]:
        _machine(draft, inner)
    if not every:
        draft.leave(document.node.span, shown(document), PATCH)


def _machine(draft: Draft, inner: Node) -> None:
    for key, field in (("cpu", "cpu"), ("memory", "memory"), (GPU, "gpu")):
        node = inner.find(("resources", "requests", key)) or inner.find(("resources", "limits", key))
        if node is not None:
            value = int(node.value) if field == "gpu" and str(node.value).isdigit() else node.value
            draft.take((*RESOURCES, field), value, node.span)
    image = inner.find(("image",))
    if image is not None:
        draft.leave(image.span, f"image {image.value}", "mlopsgen builds the training image: `training.requirements`")
