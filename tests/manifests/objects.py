"""Kubernetes objects as plain data: names, pods, labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

CLUSTER_WIDE = frozenset(
    {"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PersistentVolume"}
)
"""Kinds that lie in no namespace."""

TRAINER = "node"
"""Container and replicated job of Kubeflow's runtimes that `spec.trainer` of a TrainJob is for."""


@dataclass(frozen=True)
class Pods:
    """Pods of one template.

    Attributes:
        owner: the object that makes them.
        path: of the template's `spec` in the owner.
        labels: labels of the pods, those that a controller adds among them.
        spec: the pod's; of a TrainJob the part that it states itself.
        selector: the owner's, None where the cluster makes it up.
        partial: whether a runtime of the cluster completes the spec.
    """

    owner: Object
    path: str
    labels: Mapping[str, str]
    spec: Object
    selector: Mapping[str, Any] | None = None
    partial: bool = False

    @property
    def containers(self) -> list[tuple[str, Object]]:
        """Containers of all sorts with their paths in the owner."""
        return [
            (f"{self.path}.{sort}[{container.get('name', index)}]", container)
            for sort in ("initContainers", "containers", "ephemeralContainers")
            for index, container in enumerate(self.spec.get(sort) or ())
        ]


def key(obj: Object) -> str:
    """`Kind/name` of an object."""
    metadata = obj.get("metadata")
    return f"{obj.get('kind')}/{metadata.get('name') if isinstance(metadata, dict) else None}"


def name(obj: Object) -> str:
    """Name of an object."""
    return str(obj["metadata"]["name"])


def of(objects: Iterable[Object], *kinds: str) -> list[Object]:
    """The objects of some kinds."""
    return [obj for obj in objects if obj["kind"] in kinds]


def found(objects: Iterable[Object], kind: str, wanted: str) -> Object | None:
    """The object of a kind and name, None if there is none."""
    return next((obj for obj in of(objects, kind) if name(obj) == wanted), None)


def pods(obj: Object) -> Iterator[Pods]:
    """Pods that an object makes; none for one that makes none.

    A Rollout with `workloadRef` makes pods of the Deployment's template: they are the Deployment's here.
    """
    kind, spec = obj["kind"], obj.get("spec") or {}
    if kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet") or (kind == "Rollout" and "template" in spec):
        yield _pods(obj, "spec", spec, selector=spec.get("selector"))
    elif kind == "Job":
        yield _pods(obj, "spec", spec, job=name(obj))
    elif kind == "CronJob":
        yield _pods(obj, "spec.jobTemplate.spec", spec["jobTemplate"]["spec"])
    elif kind == "JobSet":
        for index, job in enumerate(spec.get("replicatedJobs") or ()):
            added = {
                "jobset.sigs.k8s.io/jobset-name": name(obj),
                "jobset.sigs.k8s.io/replicatedjob-name": job["name"],
            }
            path = f"spec.replicatedJobs[{index}].template.spec"
            yield _pods(obj, path, job["template"]["spec"], added=added)
    elif kind == "TrainJob":
        yield from _train_job(obj, spec)


def every_pods(objects: Iterable[Object]) -> list[Pods]:
    """Pods of all objects."""
    return [each for obj in objects for each in pods(obj)]


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector (`matchLabels`, `matchExpressions`) takes the labels; an empty one takes all."""
    selector = selector or {}
    plain = selector.get("matchLabels") or {}
    return all(labels.get(label) == value for label, value in plain.items()) and all(
        _fits(each, labels) for each in selector.get("matchExpressions") or ()
    )


def _fits(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    label, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(label) in values
        case "NotIn":
            return labels.get(label) not in values
        case "Exists":
            return label in labels
        case "DoesNotExist":
            return label not in labels
    raise ValueError(f"no operator of label selectors: {expression['operator']}")


def port_of(container: Object, port: int | str) -> bool:
    """Whether a container has a port, by number or by name."""
    return any(port in (each.get("containerPort"), each.get("name")) for each in container.get("ports") or ())


def _pods(
    obj: Object,
    path: str,
    holder: Object,
    selector: Mapping[str, Any] | None = None,
    job: str | None = None,
    added: Mapping[str, str] | None = None,
) -> Pods:
    template = holder.get("template") or {}
    labels = {**((template.get("metadata") or {}).get("labels") or {}), **(added or {})}
    if job is not None:
        labels |= {"batch.kubernetes.io/job-name": job, "job-name": job}
    return Pods(obj, f"{path}.template.spec", labels, template.get("spec") or {}, selector)


def _train_job(obj: Object, spec: Object) -> Iterator[Pods]:
    """One per patched replicated job; the trainer's own container with what `spec.trainer` says of it."""
    trainer = spec.get("trainer") or {}
    shown = False
    for at, patch in enumerate(spec.get("runtimePatches") or ()):
        template = ((patch.get("trainingRuntimeSpec") or {}).get("template") or {}).get("spec") or {}
        for index, job in enumerate(template.get("replicatedJobs") or ()):
            path = f"spec.runtimePatches[{at}].trainingRuntimeSpec.template.spec.replicatedJobs[{index}]"
            pod = ((job.get("template") or {}).get("spec") or {}).get("template") or {}
            merged = dict(pod.get("spec") or {})
            if job["name"] == TRAINER:
                merged, shown = _with_trainer(merged, trainer), True
            labels = {"jobset.sigs.k8s.io/jobset-name": name(obj), **((pod.get("metadata") or {}).get("labels") or {})}
            yield Pods(obj, f"{path}.template.spec.template.spec", labels, merged, partial=True)
    if not shown:
        labels = {"jobset.sigs.k8s.io/jobset-name": name(obj)}
        yield Pods(obj, "spec.trainer", labels, _with_trainer({}, trainer), partial=True)


def _with_trainer(pod: Object, trainer: Object) -> Object:
    own: Object = next((each for each in pod.get("containers") or () if each["name"] == TRAINER), {"name": TRAINER})
    others = [each for each in pod.get("containers") or () if each["name"] != TRAINER]
    told: Object = {each: trainer[each] for each in ("image", "command", "args") if each in trainer}
    env = [*(trainer.get("env") or ()), *(own.get("env") or ())]
    container: Object = {**own, **told, "env": env, "resources": trainer.get("resourcesPerNode") or {}}
    return {**pod, "containers": [container, *others]}
