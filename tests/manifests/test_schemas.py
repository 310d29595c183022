"""The judges of shapes: a good object of each kind passes, one with a fault anywhere in it does not."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests.objects import Object
from tests.manifests.schemas import OLDEST, problems, versions
from tests.manifests.specs import CASES, environments

LATEST = versions()[-1]

SAMPLES: dict[str, Object] = {
    f"{sample['apiVersion']} {sample['kind']}": sample
    for sample in yaml.safe_load_all(Path(__file__).with_name("samples.yaml").read_text(encoding="utf-8"))
}

FREE = {
    "annotations",
    "data",
    "labels",
    "limits",
    "matchLabels",
    "nodeSelector",
    "pairs",
    "requests",
    "value",
    ("ScaledObject", "metadata"),
    ("Service", "selector"),
    ("VirtualService", "headers"),
    ("VirtualService", "set"),
}
"""Mappings whose keys are anyone's, of every kind or of one."""

Steps = tuple[str | int, ...]


def every(value: Any, steps: Steps = ()) -> Iterator[Steps]:
    """Paths of all keys and entries."""
    for step, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*steps, step)
        if isinstance(item, dict | list):
            yield from every(item, (*steps, step))


def at(obj: Any, steps: Steps) -> Any:
    """What lies at a path."""
    for step in steps:
        obj = obj[step]
    return obj


def misspelt(obj: Object, steps: Steps) -> Object:
    """The object with a letter too much in the key that a path ends with."""
    wrong = copy.deepcopy(obj)
    holder = at(wrong, steps[:-1])
    holder[f"{steps[-1]}z"] = holder.pop(steps[-1])
    return wrong


def replaced(obj: Object, steps: Steps, value: Any) -> Object:
    """The object with something else at a path."""
    wrong = copy.deepcopy(obj)
    at(wrong, steps[:-1])[steps[-1]] = value
    return wrong


def is_free(kind: str, steps: Steps) -> bool:
    """Whether the key that a path ends with is anyone's own: it lies in a mapping without a shape."""
    nearest = next((step for step in reversed(steps[:-1]) if isinstance(step, str)), "")
    if kind == "ScaledObject" and steps == ("metadata", steps[-1]):
        return False
    inside = kind == "EnvoyFilter" and "value" in steps[:-1]
    return inside or (isinstance(steps[-2], str) and (nearest in FREE or (kind, nearest) in FREE))


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_a_good_object_passes(sample: Object) -> None:
    for version in versions():
        assert problems(sample, version) == []


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_each_misspelt_key_is_found(sample: Object) -> None:
    unseen = []
    for steps in every(sample):
        if isinstance(steps[-1], int) or len(steps) == 1 or is_free(sample["kind"], steps):
            continue
        told = problems(misspelt(sample, steps), LATEST)
        if not any(f"{steps[-1]}z" in each for each in told):
            unseen.append((steps, told))
    assert unseen == []


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_each_value_of_a_wrong_type_is_found(sample: Object) -> None:
    unseen = []
    for steps in every(sample):
        if sample["kind"] == "EnvoyFilter" and "value" in steps:
            continue
        wrong: Any = "text" if isinstance(at(sample, steps), dict | list) else {"of": ["another type"]}
        if not problems(replaced(sample, steps, wrong), OLDEST):
            unseen.append(steps)
    assert unseen == []


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("apps/v1 Deployment", "spec.replicas", "2"),
        ("apps/v1 Deployment", "spec.template.spec.containers.0.imagePullPolicy", "Sometimes"),
        ("apps/v1 Deployment", "spec.template.spec.containers.0.resources.limits.memory", "16 GiB"),
        ("apps/v1 Deployment", "spec.template.spec.containers.0.env.0.value", None),
        ("batch/v1 Job", "spec.template.spec.restartPolicy", "never"),
        ("v1 PersistentVolumeClaim", "spec.accessModes", ["ReadWriteAll"]),
        ("networking.istio.io/v1 VirtualService", "spec.http.0.timeout", "35 seconds"),
        ("networking.istio.io/v1 VirtualService", "spec.http.1.route.0.weight", "90"),
        ("networking.istio.io/v1 DestinationRule", "spec.trafficPolicy.loadBalancer.simple", "LEAST"),
        ("keda.sh/v1alpha1 ScaledObject", "spec.triggers.0.metadata.threshold", 8),
        ("monitoring.coreos.com/v1 PrometheusRule", "spec.groups.0.rules.0.for", "5 minutes"),
        ("gateway.networking.k8s.io/v1 HTTPRoute", "spec.rules.1.timeouts.request", "35"),
        ("gateway.networking.k8s.io/v1 HTTPRoute", "spec.rules.0.matches.0.path.value", "v1"),
        ("gateway.networking.k8s.io/v1 HTTPRoute", "spec.rules.1.backendRefs.0.weight", -1),
        ("gateway.networking.k8s.io/v1 HTTPRoute", "spec.rules.1.filters.0.type", "RequestHeaderModifier"),
        ("argoproj.io/v1alpha1 Rollout", "spec.strategy.canary.steps.1.setWeight", 101),
        ("argoproj.io/v1alpha1 Rollout", "spec.strategy.canary.steps.3.pause.duration", "ten minutes"),
        ("argoproj.io/v1alpha1 AnalysisTemplate", "spec.metrics.0.interval", "1 m"),
        ("external-secrets.io/v1 ExternalSecret", "spec.secretStoreRef.kind", "Vault"),
        ("jobset.x-k8s.io/v1alpha2 JobSet", "spec.replicatedJobs.0.template.spec.completionMode", "indexed"),
        ("trainer.kubeflow.org/v1alpha1 TrainJob", "spec.trainer.numNodes", "2"),
    ],
)
def test_values_that_the_published_schemas_let_pass_are_found(kind: str, path: str, value: Any) -> None:
    steps = tuple(int(step) if step.isdigit() else step for step in path.split("."))
    told = problems(replaced(SAMPLES[kind], steps, value), LATEST)
    assert told
    assert all(each.startswith(f"{SAMPLES[kind]['kind']}/sample: ") for each in told)


@pytest.mark.parametrize(
    ("api", "kind"),
    [
        ("v1", "Pot"),
        ("acme.dev/v1", "Service"),
        ("networking.istio.io/v1", "Http"),
        ("argoproj.io/v1alpha1", "Experiment"),
    ],
)
def test_a_kind_without_a_judge_is_a_problem(api: str, kind: str) -> None:
    assert problems({"apiVersion": api, "kind": kind, "metadata": {"name": "x"}}, LATEST) == [
        f"{kind}/x: no judge knows {kind} of {api}"
    ]


def test_every_kind_that_comes_out_has_a_sample() -> None:
    kinds = {
        f"{obj['apiVersion']} {obj['kind']}"
        for case in CASES
        for built in environments(case)
        for obj in (*built.every, *built.kustomizations.values())
    }
    assert kinds <= set(SAMPLES)
