"""Names and labels that the API server and the controllers would refuse: what is made of them included."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tests.manifests.objects import Object, key, name, pods

LABEL = 63
"""Longest DNS label, and longest value of a label."""

HASH = len("-") + 10
"""Behind a Deployment's name in that of its ReplicaSets."""

RANDOM = len("-xxxxx")
"""Behind a Job's name and index in those of its pods."""

CRON = 52
"""Longest name of a CronJob: eleven characters come behind it."""

VALUE = re.compile(r"^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$")
DNS_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
DNS_1035 = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")


def problems(objects: Sequence[Object]) -> list[str]:
    """Names, made names and labels that are too long or malformed, one line each."""
    return [f"{key(obj)}: {each}" for obj in objects for each in _object(obj)]


def _object(obj: Object) -> Iterator[str]:
    if not DNS_LABEL.match(name(obj)):
        yield f"metadata.name: {name(obj)} is no DNS label"
    for made in (name(obj), *generated(obj)):
        if len(made) > LABEL:
            yield f"metadata.name: makes the name {made}, {len(made)} characters long"
    if obj["kind"] in ("Service", "JobSet", "TrainJob") and not DNS_1035.match(name(obj)):
        yield f"metadata.name: {name(obj)} does not begin with a letter"
    if obj["kind"] == "CronJob" and len(name(obj)) > CRON:
        yield f"metadata.name: longer than {CRON} characters"
    sources = [("metadata.labels", obj["metadata"].get("labels") or {})]
    sources += [(f"{each.path}: labels", each.labels) for each in pods(obj)]
    for place, labels in sources:
        for label, value in labels.items():
            short = label.rpartition("/")[2]
            if len(short) > LABEL or not VALUE.match(short):
                yield f"{place}: {label} is no name of a label"
            if len(value) > LABEL or not VALUE.match(value):
                yield f"{place}[{label}]: {value!r} is no value of a label"


def generated(obj: Object) -> Iterator[str]:
    """Names that controllers make of an object's, at their longest."""
    own, spec = name(obj), obj.get("spec") or {}
    match obj["kind"]:
        case "Deployment" | "Rollout":
            yield own + "-" + "x" * (HASH - 1)
        case "ScaledObject":
            yield f"keda-hpa-{own}"
        case "CronJob":
            yield f"{own}-{'0' * 10}"
        case "Job":
            yield f"{own}-{spec.get('completions', 1) - 1}" + "x" * RANDOM
        case "JobSet":
            for job in spec.get("replicatedJobs") or ():
                last, pod = job.get("replicas", 1) - 1, job["template"]["spec"].get("completions", 1) - 1
                yield f"{own}-{job['name']}-{last}-{pod}" + "x" * RANDOM
        case "TrainJob":
            nodes = (spec.get("trainer") or {}).get("numNodes", 1)
            yield f"{own}-node-0-{nodes - 1}" + "x" * RANDOM
