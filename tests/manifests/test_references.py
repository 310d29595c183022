"""The judge of what pods, autoscalers and roles refer to, and of the README: each fault is named."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from tests.manifests import graph
from tests.manifests.expected import Expected, expected
from tests.manifests.faults import CHAMPION, SERVER, Fault, as_it_is, beginning, last, told_of
from tests.manifests.kustomize import build
from tests.manifests.objects import key

FAULTS = {
    "settings-name": Fault(
        "docstrings",
        "Deployment/docstrings-champion",
        "spec/template/spec/volumes/0/configMap/name",
        "docstrings-setings",
        "no ConfigMap/docstrings-setings",
    ),
    "settings-file": Fault(
        "docstrings",
        "ConfigMap/docstrings-quality",
        "data",
        {"quality.yaml": "project: docstrings"},
        "nothing is mounted at",
        "Deployment/docstrings-quality",
    ),
    "settings-folder": Fault(
        "docstrings",
        "Deployment/docstrings-champion",
        f"{SERVER}/volumeMounts/0/mountPath",
        "/etc/mlop",
        "no volume is mounted where",
    ),
    "mount": Fault(
        "docstrings", "Deployment/docstrings-champion", f"{SERVER}/volumeMounts/0/name", "setings", "no volume setings"
    ),
    "environment-secret": Fault(
        "docstrings",
        "Deployment/docstrings-champion",
        f"{SERVER}/envFrom/0/secretRef/name",
        "docstrings-credential",
        "no Secret/docstrings-credential",
    ),
    "environment-twice": Fault(
        "docstrings", "Deployment/docstrings-champion", f"{SERVER}/env", lambda env: [*env, env[0]], "is set twice"
    ),
    "account": Fault(
        "docstrings",
        "Deployment/docstrings-champion",
        "spec/template/spec/serviceAccountName",
        "docstrings-servin",
        "no ServiceAccount/docstrings-servin",
    ),
    "claim": Fault(
        "docstrings",
        "PersistentVolumeClaim/docstrings-checkpoints",
        "metadata/name",
        "docstrings-states",
        "no PersistentVolumeClaim/docstrings-checkpoints",
        "Job/docstrings-training",
    ),
    "probe-port": Fault(
        "docstrings",
        "Deployment/docstrings-champion",
        f"{SERVER}/readinessProbe/httpGet/port",
        "metrics",
        "readinessProbe.httpGet.port: the container has no port metrics",
    ),
    "scaler-target": Fault(
        "support",
        "ScaledObject/support-assistant-champion",
        "spec/scaleTargetRef/name",
        "support-assistant",
        "no Deployment/support-assistant",
    ),
    "scaled-replicas": Fault(
        "support",
        "Deployment/support-assistant-champion",
        "spec",
        lambda spec: {**spec, "replicas": 2},
        "each apply would undo the autoscaler",
        "ScaledObject/support-assistant-champion",
    ),
    "scaler-of-the-template": Fault(
        "support-argo-rollouts",
        "ScaledObject/support-assistant-champion",
        "spec/scaleTargetRef/apiVersion",
        "apps/v1",
        "Rollout/support-assistant is of argoproj.io/v1alpha1",
    ),
    "role": Fault(
        "docstrings", "RoleBinding/docstrings-rollout", "roleRef/name", "docstrings-roll", "no Role/docstrings-roll"
    ),
    "role-subject": Fault(
        "docstrings",
        "RoleBinding/docstrings-rollout",
        "subjects/0/name",
        "docstrings-roll",
        "no ServiceAccount/docstrings-roll",
    ),
    "role-object": Fault(
        "docstrings", "Role/docstrings-rollout", "rules/0/resourceNames", ["docstring"], "no HTTPRoute/docstring"
    ),
    "namespace": Fault(
        "docstrings", "Service/docstrings", "metadata/namespace", "docstrings", "metadata.namespace: is docstrings"
    ),
    "twice": Fault(
        "docstrings",
        "Service/docstrings-canary",
        "metadata/name",
        "docstrings",
        "is defined 2 times",
        "Service/docstrings:",
    ),
    "training-runtime": Fault(
        "training-trainjob-gpu1-nodes2-s3",
        "TrainJob/docstrings-training",
        "spec/runtimeRef/name",
        "torch",
        "no ClusterTrainingRuntime/torch",
    ),
    "training-secret": Fault(
        "training-jobset-gpu1-nodes2-s3",
        "JobSet/docstrings-training",
        "spec/replicatedJobs/0/template/spec/template/spec/initContainers/0/envFrom/0/secretRef/name",
        "credentials",
        "no Secret/credentials",
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named(fault: Fault) -> None:
    told = told_of(fault)
    assert fault.named(told), told


@pytest.mark.parametrize("start", ["docstrings", "support", "support-argo-rollouts", "serving-custom-hpa-gpu0-store"])
def test_each_row_of_the_readme_is_needed(start: str) -> None:
    case = beginning(start)
    found, before = last(case), as_it_is(case)
    rows = found.expected
    for index, row in enumerate(rows):
        less = [*rows[:index], *rows[index + 1 :]]
        told = set(graph.problems(found.objects, less, found.namespace, found.later)) - before
        known = any(f"{row.kind}/{row.name} is listed, and nothing uses it" in each for each in before)
        assert known or told, f"{row} could be left out"


def test_a_row_that_nothing_uses_is_named() -> None:
    found = last("docstrings")
    rows = [*found.expected, Expected("Secret", "left-over", ("key",))]
    told = graph.problems(found.objects, rows, found.namespace, found.later)
    assert "README: Secret/left-over is listed, and nothing uses it" in told


def test_an_object_of_the_users_own_may_be_listed_with_its_definition() -> None:
    found = last("docstrings")
    objects = [obj for obj in found.objects if obj["kind"] != "HTTPRoute"]
    told = graph.problems(objects, found.expected, found.namespace, found.later)
    route = "CustomResourceDefinition/httproutes.gateway.networking.k8s.io is listed, and nothing uses it"
    assert f"README: {route}" in told
    assert "Role/docstrings-rollout: rules[0]: no HTTPRoute/docstrings" in told
    rows = [*found.expected, Expected("HTTPRoute", "docstrings")]
    assert graph.problems(objects, rows, found.namespace, found.later) == []


def test_a_key_that_the_readme_does_not_list_is_named() -> None:
    found = last("docstrings")
    rows = [Expected(row.kind, row.name, ("url",)) if row.name == "mlflow" else row for row in found.expected]
    told = graph.problems(found.objects, rows, found.namespace, found.later)
    assert any("Deployment/docstrings-champion" in each and "Secret/mlflow has no key uri" in each for each in told)


def test_a_key_that_external_secrets_does_not_fetch_is_named() -> None:
    found = last(beginning("serving-transformers-fixed-gpu0-store"))
    objects = copy.deepcopy(found.objects)
    [secret] = [
        obj for obj in objects if obj["kind"] == "ExternalSecret" and obj["spec"]["target"]["name"] == "serving-token"
    ]
    secret["spec"]["data"][0]["secretKey"] = "tokn"
    told = graph.problems(objects, found.expected, found.namespace, found.later)
    assert any("Secret/serving-token has no key token" in each for each in told)


def test_training_may_use_what_the_environment_has_and_not_the_other_way_round() -> None:
    found = last("docstrings")
    objects = copy.deepcopy(found.objects)
    [champion] = [obj for obj in objects if key(obj) == CHAMPION]
    champion["spec"]["template"]["spec"]["serviceAccountName"] = "docstrings-training"
    told = graph.problems(objects, found.expected, found.namespace, found.later)
    assert any(CHAMPION in each and "no ServiceAccount/docstrings-training" in each for each in told)


def test_the_table_of_a_readme() -> None:
    text = """
| Kind | Name | Key | What for |
|---|---|---|---|
| `Secret` | `smtp` | `user` | mail |
| `Secret` | `smtp` | `password` | mail |
| `Gateway` | `istio/public` |  | requests |

| Metric | Name |
|---|---|
| `Secret` | `other` |
"""
    assert expected(text) == [Expected("Secret", "smtp", ("user", "password")), Expected("Gateway", "istio/public")]


def test_a_row_without_a_name_is_an_error() -> None:
    with pytest.raises(ValueError, match="names no kind or no name"):
        expected("| Kind | Name |\n|---|---|\n| `Secret` | |\n")


def test_an_object_that_kustomize_moves_to_another_namespace_is_named() -> None:
    found = last("docstrings")
    written = [copy.deepcopy(obj) for obj in found.written if key(obj) == "Service/docstrings"]
    written[0]["metadata"]["namespace"] = "gateway"
    assert replace(found, written=written).moved == [f"Service/docstrings: is moved from gateway to {found.namespace}"]


def test_what_kustomize_refuses_is_told_in_its_words() -> None:
    files = {"kustomization.yaml": b"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresourcez: []\n"}
    with pytest.raises(AssertionError, match="resourcez"):
        build(files, [""])
