"""The judge of pods and roles: each fault is named."""

from __future__ import annotations

import pytest

from tests.manifests import security
from tests.manifests.faults import CHAMPION, GONE, POD, SERVER, Fault, last, planted

FAULTS = {
    "root": Fault("docstrings", CHAMPION, f"{POD}/securityContext/runAsNonRoot", GONE, "runAsNonRoot: is not on"),
    "root-user": Fault("docstrings", CHAMPION, f"{POD}/securityContext/runAsUser", 0, "runAsUser: is root"),
    "escalation": Fault(
        "docstrings", CHAMPION, f"{SERVER}/securityContext/allowPrivilegeEscalation", GONE, "allowPrivilegeEscalation"
    ),
    "privileged": Fault(
        "docstrings",
        CHAMPION,
        f"{SERVER}/securityContext",
        lambda old: {**old, "privileged": True},
        "privileged: is on",
    ),
    "capability": Fault(
        "docstrings", CHAMPION, f"{SERVER}/securityContext/capabilities/drop", ["NET_RAW"], "not all are dropped"
    ),
    "added-capability": Fault(
        "docstrings",
        CHAMPION,
        f"{SERVER}/securityContext/capabilities",
        {"drop": ["ALL"], "add": ["SYS_ADMIN"]},
        "not all are dropped",
    ),
    "writable": Fault(
        "docstrings", CHAMPION, f"{SERVER}/securityContext/readOnlyRootFilesystem", False, "readOnlyRootFilesystem"
    ),
    "seccomp": Fault("docstrings", CHAMPION, f"{POD}/securityContext/seccompProfile", GONE, "is not RuntimeDefault"),
    "host-path": Fault(
        "docstrings",
        CHAMPION,
        f"{POD}/volumes",
        lambda volumes: [*volumes, {"name": "node", "hostPath": {"path": "/"}}],
        "volumes[node]: hostPath is not allowed",
    ),
    "host-network": Fault(
        "docstrings", CHAMPION, POD, lambda spec: {**spec, "hostNetwork": True}, "hostNetwork: is on"
    ),
    "token": Fault("docstrings", CHAMPION, f"{POD}/automountServiceAccountToken", True, "a token of the API server"),
    "no-request": Fault("docstrings", CHAMPION, f"{SERVER}/resources/requests/cpu", GONE, "requests.cpu: is missing"),
    "no-limit": Fault("docstrings", CHAMPION, f"{SERVER}/resources/limits/memory", GONE, "limits.memory: is missing"),
    "gpu": Fault(
        "docstrings",
        CHAMPION,
        f"{SERVER}/resources/requests",
        lambda old: {**old, "nvidia.com/gpu": 1},
        "nvidia.com/gpu",
    ),
    "latest": Fault("docstrings", CHAMPION, f"{SERVER}/image", "ghcr.io:443/acme/app", "names no version"),
    "latest-tag": Fault("docstrings", CHAMPION, f"{SERVER}/image", "acme/app:latest", "names no version"),
    "password": Fault(
        "docstrings",
        CHAMPION,
        f"{SERVER}/env",
        lambda env: [*env, {"name": "DB_PASSWORD", "value": "hunter2"}],
        "env[DB_PASSWORD]: a secret stands in the manifest",
    ),
    "address-with-password": Fault(
        "docstrings",
        CHAMPION,
        f"{SERVER}/env",
        lambda env: [*env, {"name": "STORE", "value": "https://me:hunter2@acme.dev"}],
        "env[STORE]: a secret stands in the manifest",
    ),
    "credential-in-settings": Fault(
        "docstrings",
        "ConfigMap/docstrings-rollout",
        "data/settings.yaml",
        "key: AKIAABCDEFGHIJKLMNOP",
        "looks like a credential",
    ),
    "init-container": Fault(
        "docstrings",
        "Job/docstrings-training",
        f"{POD}/initContainers/0/securityContext",
        GONE,
        "initContainers[data].securityContext.readOnlyRootFilesystem",
    ),
    "training-pods": Fault(
        "training-trainjob-gpu1-nodes2-s3",
        "TrainJob/docstrings-training",
        "spec/runtimePatches",
        [],
        "spec.trainer.containers[node].securityContext.runAsNonRoot",
    ),
    "training-account": Fault(
        "training-trainjob-gpu1-nodes2-s3",
        "ServiceAccount/docstrings-training",
        "automountServiceAccountToken",
        GONE,
        "a token of the API server is mounted",
        "TrainJob/docstrings-training",
    ),
    "jobset-pods": Fault(
        "training-jobset-gpu1-nodes2-s3",
        "JobSet/docstrings-training",
        "spec/replicatedJobs/0/template/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem",
        False,
        "readOnlyRootFilesystem: is not on",
    ),
    "wildcard": Fault("docstrings", "Role/docstrings-rollout", "rules/0/verbs", ["*"], "verbs: a wildcard"),
    "unnamed": Fault(
        "docstrings", "Role/docstrings-rollout", "rules/0/resourceNames", GONE, "resourceNames: missing for"
    ),
    "secrets": Fault("docstrings", "Role/docstrings-rollout", "rules/0/resources", ["secrets"], "resources: secrets"),
    "named-create": Fault(
        "docstrings", "Role/docstrings-rollout", "rules/0/verbs", ["get", "create"], "create cannot be held to names"
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named(fault: Fault) -> None:
    found = last(fault.case)
    assert security.problems(found.every, found.may_call) == []
    objects, later = planted(fault)
    told = security.problems([*objects, *later], found.may_call)
    assert fault.named(told), told
