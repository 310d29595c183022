"""Pods of a workload: how many there are, what they hold, how many serve while they are replaced."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from mlopsgen.review import words
from mlopsgen.review.effects.manifests import Manifests
from mlopsgen.review.parts import at, mapping, mappings

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
MODEL = "MLOPS_MODEL_URI"


class Pods(NamedTuple):
    """Pods of a workload.

    Attributes:
        fewest: how many run at least.
        most: how many an autoscaler may have made of them.
        gpus: of one pod.
        rollout: the Argo Rollout that replaces them, or None.
    """

    fewest: int
    most: int
    gpus: int
    rollout: Any


def pods(document: Any, manifests: Manifests) -> Pods:
    """Pods of a workload as its manifests say."""
    name = document["metadata"]["name"]
    rollout = manifests.rollout_of(name) if document["kind"] == "Deployment" else None
    owner = rollout or document
    scaler = manifests.scaler(owner["metadata"]["name"])
    replicas = at(owner, "spec.replicas")
    low, high = (replicas, replicas) if isinstance(replicas, int) else scaler or (1, 1)
    if not isinstance(replicas, int) and replicas is not None and scaler is None:
        low, high = 0, 0  # only a release says how many there are
    return Pods(_whole(low), _whole(high), _gpus(document), rollout)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 1


def _gpus(document: Any) -> int:
    found = 0
    for container in containers(document):
        limits = mapping(at(container, "resources.limits"))
        found += sum(int(n) for name, n in limits.items() if str(name).endswith("/gpu") and str(n).isdigit())
    return found


def capacity(document: Any, of: Pods) -> tuple[int, int]:
    """How many of the fewest pods serve at least, and how many pods there are at most, while they are replaced."""
    if of.rollout is not None:
        return of.fewest, of.fewest + (0 if at(of.rollout, "spec.strategy.canary.dynamicStableScale") else of.fewest)
    strategy = mapping(at(document, "spec.strategy", at(document, "spec.updateStrategy")))
    if strategy.get("type") == "Recreate":
        return 0, of.fewest
    rolling = mapping(strategy.get("rollingUpdate"))
    surge = _share(rolling.get("maxSurge", "25%"), of.fewest, math.ceil)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), of.fewest, math.floor)
    return max(0, of.fewest - unavailable), of.fewest + surge


def _share(value: Any, of: int, rounded: Any) -> int:
    """A number of pods, or a percentage of them, as Kubernetes rounds it."""
    if isinstance(value, str) and value.endswith("%") and value[:-1].isdigit():
        return int(rounded(of * float(value[:-1]) / 100))
    return int(value) if str(value).isdigit() else 0


def restarted(document: Any, of: Pods, counted: Pods) -> str:
    """What a new pod template does, in words.

    Args:
        document: the workload as it will be.
        of: its pods as they will be; the strategy is judged by them.
        counted: its pods that are replaced.
    """
    left, most = capacity(document, counted)
    gpus = f" with {words.count(counted.gpus, 'GPU')} each" if counted.gpus else ""
    number = f"{counted.fewest} to {counted.most} pods" if counted.most > counted.fewest else _pods(counted.fewest)
    verb = "is" if number == "1 pod" else "are"
    text = f"{number} of {document['metadata']['name']}{gpus} {verb} replaced"
    if of.rollout is not None:
        return (
            f"{text}, by a canary of Argo Rollouts in its steps; {words.count(left, 'pod')} at least run all the while"
        )
    share = f" ({left * 100 // counted.fewest} %)" if counted.fewest else ""
    verb = "runs" if left == 1 else "run"
    kept = f"{left} of {counted.fewest}{share} {verb} all the while" if left else "none runs for a time"
    extra = ""
    if most > counted.fewest:
        room = f" and {words.count((most - counted.fewest) * counted.gpus, 'GPU')}" if counted.gpus else ""
        extra = f"; needs room for {words.count(most - counted.fewest, 'more pod')}{room}"
    return f"{text}; {kept}{extra}"


def _pods(number: int) -> str:
    return words.count(number, "pod")


def containers(document: Any) -> list[dict[Any, Any]]:
    """Containers of a workload's pods."""
    return mappings(at(document, "spec.template.spec.containers"))


def model(document: Any) -> str:
    """Address of the model that its pods load; empty for none."""
    for container in containers(document):
        for env in mappings(container.get("env")):
            if env.get("name") == MODEL:
                return str(env.get("value", "(elsewhere)"))
    return ""


def loads_model(document: Any) -> bool:
    """Whether its pods serve a model: they load it when they start."""
    if mapping(at(document, "spec.template.metadata.labels")).get("app.kubernetes.io/component") != "serving":
        return False
    return bool(model(document))


def longest_start(document: Any) -> float:
    """Seconds that a pod may take until it is ready, by its startup probe; 0 without one."""
    found = 0.0
    for container in containers(document):
        probe = mapping(container.get("startupProbe"))
        every, tries = probe.get("periodSeconds", 10), probe.get("failureThreshold", 3)
        if probe and isinstance(every, int) and isinstance(tries, int):
            found = max(found, every * tries)
    return found
