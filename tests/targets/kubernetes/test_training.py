"""Training in the cluster: judged by Kubernetes' schemas, Kubeflow's models, Kustomize, and by running its scripts."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubeflow_trainer_api import models

from mlopsgen.contract.environment import QUIET
from mlopsgen.contract.files import TRAIN, VALIDATION
from mlopsgen.contract.release import UNRELEASED, key
from mlopsgen.project.model import Project
from mlopsgen.project.resolve import resolve
from mlopsgen.render.engine import render
from mlopsgen.spec.load import parse
from mlopsgen.targets.docker import USER
from mlopsgen.targets.dvc import files as dvc_files
from mlopsgen.targets.kubernetes.nodes import SPOT, placement
from mlopsgen.targets.kubernetes.training import MISTAKEN, RETRIES, files
from tests.conftest import FULL, tool
from tests.targets.github.specs import smallest

ENGINES = ("job", "jobset", "trainjob")
CASES = list(product(ENGINES, (0, 1, 8), (1, 2), ("checkpoints", "s3://acme/checkpoints"), (False, True)))
VERSIONS = ("1.29", "1.37")
CUSTOM = {"JobSet": models.JobsetV1alpha2JobSet, "TrainJob": models.TrainerV1alpha1TrainJob}
IMAGE = "registry.acme.dev/docstrings"
DIGEST = f"{IMAGE}-train@sha256:{'0' * 64}"

Object = dict[str, Any]


def project(text: str) -> Project:
    """The resolved project of a spec."""
    return resolve(parse(text, "mlops.yaml")).project


def case(
    engine: str, gpu: int = 0, nodes: int = 1, store: str = "checkpoints", spot: bool = False, *more: str
) -> Project:
    """A project that trains so."""
    machines = f"gpu: {gpu}, nodes: {nodes}, spot: {str(spot).lower()}" + (", gpu_type: nvidia-l4" if gpu else "")
    training = f"training: {{engine: {engine}, checkpoint: {{store: '{store}'}}, resources: {{{machines}}}}}"
    return project(smallest(training, f"serving: {{image: {IMAGE}}}", *more))


def outputs(found: Project) -> dict[str, str]:
    """Files of the last environment: name and text."""
    return {
        file.path.rpartition("/")[2].removesuffix(".yaml"): render(file).content.decode()
        for file in files(found, found.environments[-1])
    }


def objects(found: Project) -> dict[str, Object]:
    """Objects of the environment by kind."""
    return {
        each["kind"]: each
        for name, text in outputs(found).items()
        if name != "kustomization"
        for each in yaml.safe_load_all(text)
    }


def pod_of(found: Mapping[str, Object]) -> Object:
    """Pod of the run, or what a TrainJob lays over its runtime's."""
    if "Job" in found:
        return dict(found["Job"]["spec"]["template"]["spec"])
    if "JobSet" in found:
        [set_of_pods] = found["JobSet"]["spec"]["replicatedJobs"]
        return dict(set_of_pods["template"]["spec"]["template"]["spec"])
    [patch] = found["TrainJob"]["spec"]["runtimePatches"]
    [node] = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    return dict(node["template"]["spec"]["template"]["spec"])


def trainer_of(found: Mapping[str, Object]) -> Object:
    """The container that trains; of a TrainJob, what it says about it."""
    if "TrainJob" in found:
        return dict(found["TrainJob"]["spec"]["trainer"])
    [trainer] = pod_of(found)["containers"]
    return dict(trainer)


def script_of(found: Mapping[str, Object]) -> str:
    """The script that fetches the data."""
    if "TrainJob" in found:
        return str(trainer_of(found)["command"][2])
    [data] = pod_of(found)["initContainers"]
    return str(data["command"][2])


def env_of(container: Object) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def strict(model: Any, content: Object) -> None:
    """Read as one of Kubeflow's models, in which no field may be left over, at any depth.

    Raises:
        ValueError: a field is missing, of another type or unknown.
    """
    lost = list(missing(content, model.from_dict(content).to_dict()))
    if lost:
        raise ValueError(f"unknown: {lost}")


def missing(given: Any, back: Any, at: str = "") -> Iterator[str]:
    """Places of what a model did not keep."""
    if isinstance(given, dict):
        for name, item in given.items():
            if not isinstance(back, dict) or name not in back:
                yield f"{at}.{name}"
            else:
                yield from missing(item, back[name], f"{at}.{name}")
    elif isinstance(given, list):
        for index, item in enumerate(given):
            yield from missing(item, back[index], f"{at}.{index}")


def judge(content: Object) -> None:
    """Hold an object to the schema of its kind.

    Raises:
        Exception: the schema refuses it.
    """
    if content["kind"] in CUSTOM:
        strict(CUSTOM[content["kind"]], content)
        return
    for version in VERSIONS:
        kubernetes_validate.validate(content, version, strict=True)


def judge_pod(pod: Object) -> None:
    """Hold a pod to the core schema, whatever it stands in."""
    judge({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod})


@pytest.mark.parametrize(("engine", "gpu", "nodes", "store", "spot"), CASES)
def test_schemas_find_nothing(engine: str, gpu: int, nodes: int, store: str, spot: bool) -> None:
    found = objects(case(engine, gpu, nodes, store, spot))
    for each in found.values():
        judge(each)
    if engine != "trainjob":
        judge_pod(pod_of(found))
    assert ("PersistentVolumeClaim" in found) == (store == "checkpoints")
    assert ("Service" in found) == (engine == "job" and nodes > 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_schemas_find_planted_faults(engine: str) -> None:
    for plant in (
        lambda found: pod_of(found)["securityContext"].update(runAsNonRot=True),
        lambda found: trainer_of(found)["env"].append({"name": "X", "valeu": "1"}),
        lambda found: pod_of(found)["volumes"].append({"name": 1}),
    ):
        found = objects(case(engine, 1, 2))
        plant(found)
        with pytest.raises((ValueError, kubernetes_validate.utils.ValidationError)):
            judge(run_of(found))


def run_of(found: Mapping[str, Object]) -> Object:
    """The object that runs: a Job, JobSet or TrainJob."""
    [run] = [each for kind, each in found.items() if kind in ("Job", "JobSet", "TrainJob")]
    return run


def built(text: Mapping[str, str], folder: Path) -> list[Object]:
    """What Kustomize makes of the folder.

    Raises:
        subprocess.CalledProcessError: it refuses.
    """
    for name, content in text.items():
        (folder / f"{name}.yaml").write_text(content, encoding="utf-8")
    arguments = [tool("kubectl"), "kustomize", str(folder)]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    return [each for each in yaml.safe_load_all(result.stdout) if each]


def images(value: Any) -> Iterator[str]:
    """Every image that an object names."""
    if isinstance(value, dict):
        yield from (item for name, item in value.items() if name == "image")
        for item in value.values():
            yield from images(item)
    elif isinstance(value, list):
        for item in value:
            yield from images(item)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("nodes", [1, 2])
def test_kustomize_puts_in_the_released_image(engine: str, nodes: int, tmp_path: Path) -> None:
    found = case(engine, 1, nodes)
    text = outputs(found)
    before = f"{IMAGE}-train:{UNRELEASED}"
    assert set(images(run_of(objects(found)))) == {before}
    assert yaml.safe_load(text["release"])["data"] == {key("training", "image"): before}
    released = built({**text, "release": text["release"].replace(before, DIGEST)}, tmp_path)
    assert [each for one in released for each in images(one)] == [DIGEST] * (1 if engine == "trainjob" else 2)
    assert {each["metadata"]["namespace"] for each in released} == {"docstrings-production"}
    kinds = [each["kind"] for each in released]
    assert "ConfigMap" not in kinds
    assert "PersistentVolumeClaim" not in kinds, "starting a run deletes what is in its kustomization"
    for each in released:
        judge(each)


def test_kustomize_refuses_a_replacement_that_finds_nothing(tmp_path: Path) -> None:
    text = outputs(case("job"))
    with pytest.raises(subprocess.CalledProcessError):
        built({**text, "kustomization": text["kustomization"].replace("initContainers.*.image", "x.y")}, tmp_path)
    with pytest.raises(subprocess.CalledProcessError):
        built({**text, "release": text["release"].replace("training-image", "image")}, tmp_path)


def test_kubectl_knows_how_a_run_is_started() -> None:
    for engine in ENGINES:
        lines = outputs(case(engine))["training"].splitlines()
        [line] = [each for each in lines if each.startswith("#   kubectl ")]
        words = line.removeprefix("#   kubectl ").replace("<environment>", "production").split()
        # Without a cluster it gets as far as the folder: flags that do not exist stop it before.
        result = subprocess.run([tool("kubectl"), *words], capture_output=True, text=True, timeout=60, check=False)
        assert "unknown" not in result.stderr
        assert "deploy/production/training" in result.stderr, result.stderr


@pytest.mark.parametrize(("engine", "gpu", "nodes", "store", "spot"), CASES)
def test_pods_are_restricted(engine: str, gpu: int, nodes: int, store: str, spot: bool) -> None:
    found = objects(case(engine, gpu, nodes, store, spot))
    pod = pod_of(found)
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in [*pod["containers"], *pod.get("initContainers", ())]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        paths = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        assert {"work": "/work", "tmp": "/tmp"}.items() <= paths.items()
        assert paths.keys() <= {each["name"] for each in pod["volumes"]}
    assert found["ServiceAccount"]["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == found["ServiceAccount"]["metadata"]["name"]
    if engine != "trainjob":
        assert pod["automountServiceAccountToken"] is False
        assert pod["restartPolicy"] == "Never"
    assert pod["terminationGracePeriodSeconds"] >= 120


@pytest.mark.parametrize(("engine", "gpu", "nodes", "store", "spot"), CASES)
def test_resources_and_volumes_follow_the_spec(engine: str, gpu: int, nodes: int, store: str, spot: bool) -> None:
    found = objects(case(engine, gpu, nodes, store, spot))
    trainer, volumes = trainer_of(found), {each["name"]: each for each in pod_of(found)["volumes"]}
    resources = trainer["resourcesPerNode" if engine == "trainjob" else "resources"]
    gpus = {"nvidia.com/gpu": gpu} if gpu else {}
    assert resources == {"requests": {"cpu": "4", "memory": "8Gi"}, "limits": {"memory": "8Gi", **gpus}}
    shared = {"emptyDir": {"medium": "Memory", "sizeLimit": "4096Mi"}, "name": "shared-memory"}
    assert volumes.get("shared-memory") == (shared if gpu or nodes > 1 else None)
    assert ("checkpoints" in volumes) == (store == "checkpoints")
    if store == "checkpoints":
        claim = found["PersistentVolumeClaim"]
        assert volumes["checkpoints"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert claim["spec"]["accessModes"] == ["ReadWriteOnce" if nodes == 1 else "ReadWriteMany"]
        assert claim["spec"]["resources"]["requests"]["storage"] == "50Gi"


@pytest.mark.parametrize(
    ("gpu", "command"),
    [
        (0, ["mlops-runtime", "train"]),
        (1, ["mlops-runtime", "train"]),
        (8, ["torchrun", "--standalone", "--nproc-per-node", "8", "--module", "mlops_runtime", "train"]),
    ],
)
@pytest.mark.parametrize("engine", ["job", "jobset"])
def test_one_node_trains_without_a_rendezvous(engine: str, gpu: int, command: list[str]) -> None:
    trainer = trainer_of(objects(case(engine, gpu)))
    assert trainer["command"] == command
    assert "args" not in trainer
    assert ("TORCH_ELASTIC_SHUTDOWN_TIMEOUT" in env_of(trainer)) == (gpu > 1)


def test_a_trainjob_leaves_numbers_and_places_to_kubeflow() -> None:
    for gpu, nodes, args in (
        (0, 1, ["mlops-runtime", "train"]),
        (8, 1, ["torchrun", "--module", "mlops_runtime", "train"]),
        (1, 2, ["torchrun", "--module", "mlops_runtime", "train"]),
    ):
        trainer = trainer_of(objects(case("trainjob", gpu, nodes)))
        assert trainer["args"] == args
        assert (trainer["numNodes"], trainer["numProcPerNode"]) == (nodes, max(gpu, 1))
        assert not [name for name in env_of(trainer) if name.startswith("PET_")]


def test_shell_scripts_hold_nothing_that_kubernetes_expands() -> None:
    for engine, nodes in product(ENGINES, (1, 2)):
        found = objects(case(engine, 1, nodes))
        for word in [script_of(found), *trainer_of(found)["command"]]:
            assert not re.search(r"\$\$|\$\([A-Za-z_][A-Za-z0-9_]*\)", word)


def meet(index: int, port: int, folder: Path, engine: str = "job") -> subprocess.Popen[str]:
    """Start the trainer's command of a pod of several, with a torchrun that prints what it was given."""
    trainer = trainer_of(objects(case(engine, 8, 2)))
    fake = folder / "torchrun"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    fake.chmod(0o755)
    command = [word.replace("29500", str(port)).replace("sleep 5", "sleep 0.1") for word in trainer["command"]]
    env = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "RENDEZVOUS": "127.0.0.1",
        "JOB_COMPLETION_INDEX": str(index),
    }
    return subprocess.Popen([*command, *trainer["args"]], env=env, stdout=subprocess.PIPE, text=True)


@contextmanager
def reserved() -> Iterator[socket.socket]:
    """A socket with a free port that does not listen yet."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        yield found


@pytest.mark.parametrize(("engine", "restarts"), [("job", str(RETRIES)), ("jobset", "0")])
def test_the_first_pod_hosts_the_rendezvous(engine: str, restarts: str, tmp_path: Path) -> None:
    with reserved() as door:
        port = door.getsockname()[1]
        words, _ = meet(0, port, tmp_path, engine).communicate(timeout=60)
    assert words.split() == [
        *("--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}"),
        *("--rdzv-conf", "is_host=1,join_timeout=1800"),
        *("--nnodes", "2", "--nproc-per-node", "8", "--rdzv-id", "docstrings-training"),
        *("--max-restarts", restarts, "--module", "mlops_runtime", "train"),
    ]


def test_other_pods_wait_for_the_first(tmp_path: Path) -> None:
    with reserved() as door:
        process = meet(1, door.getsockname()[1], tmp_path)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        door.listen()
        words, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "is_host=0,join_timeout=1800" in words.split()


def test_a_pod_that_waits_stops_when_told(tmp_path: Path) -> None:
    with reserved() as door:
        process = meet(1, door.getsockname()[1], tmp_path)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        process.terminate()
        assert process.wait(timeout=60) == 143


@pytest.mark.parametrize("engine", ["job", "jobset"])
def test_the_rendezvous_has_the_first_pods_name(engine: str) -> None:
    found = objects(case(engine, 1, 2))
    host = env_of(trainer_of(found))["RENDEZVOUS"]
    run = run_of(found)
    name = run["metadata"]["name"]
    if engine == "job":
        service = found["Service"]
        assert host == f"{name}-0.{service['metadata']['name']}"
        assert pod_of(found)["subdomain"] == service["metadata"]["name"]
        assert service["spec"]["clusterIP"] == "None"
        assert service["spec"]["publishNotReadyAddresses"] is True
        labels = run["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items()
    else:
        [pods] = run["spec"]["replicatedJobs"]
        assert run["spec"]["network"]["enableDNSHostnames"] is True
        assert host == f"{name}-{pods['name']}-0-0.{name}"


@pytest.mark.parametrize("engine", ["job", "jobset"])
def test_names_of_pods_fit_for_the_longest_project(engine: str) -> None:
    """Kubernetes lets a pod's host name have 63 characters; the controllers put six behind the index."""
    text = smallest(f"training: {{engine: {engine}, resources: {{nodes: 1000}}}}").replace("docstrings", "p" * 40)
    host = env_of(trainer_of(objects(project(text))))["RENDEZVOUS"].partition(".")[0]
    assert len(host.removesuffix("-0") + "-999-xxxxx") <= 63


def test_a_job_ends_on_mistakes_and_outlives_lost_nodes() -> None:
    spec = objects(case("job", 1, 2))["Job"]["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 2, 2)
    assert spec["backoffLimit"] == RETRIES * 2
    lost, mistake = spec["podFailurePolicy"]["rules"]
    assert (lost["action"], lost["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert (mistake["action"], mistake["onExitCodes"]["values"]) == ("FailJob", [2])
    assert mistake["onExitCodes"]["containerName"] == "trainer"


def test_a_jobset_restarts_as_a_whole() -> None:
    """Messages are those of the Job controller, see https://kubernetes.io/docs/tasks/job/pod-failure-policy/."""
    spec = objects(case("jobset", 1, 2))["JobSet"]["spec"]
    [pods] = spec["replicatedJobs"]
    job = pods["template"]["spec"]
    assert job["backoffLimit"] == 0
    policy = spec["failurePolicy"]
    assert (policy["maxRestarts"], policy["restartStrategy"]) == (RETRIES, "Recreate")

    def action(reason: str, message: str) -> str:
        for rule in policy["rules"]:
            patterns = rule.get("onJobFailureMessagePatterns", [""])
            if reason in rule["onJobFailureReasons"] and any(re.search(each, message) for each in patterns):
                return str(rule["action"])
        return "RestartJobSet"

    mistake = "Container trainer for pod ml/x-n-0-0-abcde failed with exit code 2 matching FailJob rule at index 1"
    lost = "Pod ml/x-n-0-0-abcde has condition DisruptionTarget matching FailJob rule at index 0"
    assert action("PodFailurePolicy", mistake) == "FailJobSet"
    assert action("PodFailurePolicy", lost) == "RestartJobSetAndIgnoreMaxRestarts"
    assert action("BackoffLimitExceeded", "Job has reached the specified backoff limit") == "RestartJobSet"
    assert {rule["action"] for rule in job["podFailurePolicy"]["rules"]} == {"FailJob"}


def test_variables_say_where_runs_are_tracked() -> None:
    tracking = "tracking: {mlflow: {uri: 'http://mlflow.tracking:8080'}, wandb: {entity: acme, project: docs}}"
    for engine in ENGINES:
        here = env_of(trainer_of(objects(case(engine))))
        assert here["MLFLOW_TRACKING_URI"] == {"secretKeyRef": {"name": "mlflow", "key": "uri"}}
        assert {
            **QUIET,
            "MLOPS_ENVIRONMENT": "production",
            "MLFLOW_EXPERIMENT_NAME": "docstrings",
        }.items() <= here.items()
        given = trainer_of(objects(case(engine, 0, 1, "s3://acme/x", False, tracking)))
        assert env_of(given)["MLFLOW_TRACKING_URI"] == "http://mlflow.tracking:8080"
        secret = {"name": "docstrings-credentials", "optional": True}
        if engine != "trainjob":
            assert given["envFrom"] == [{"secretRef": secret}]
        else:
            optional = {name for name, value in env_of(given).items() if isinstance(value, dict)}
            assert {"MLFLOW_TRACKING_TOKEN", "HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY"} <= optional
            for name in optional:
                assert env_of(given)[name] == {"secretKeyRef": {**secret, "key": name}}


def ports(found: Mapping[str, Object]) -> set[int]:
    """Ports that the pods may reach anywhere."""
    rules = found["NetworkPolicy"]["spec"]["egress"]
    return {port["port"] for rule in rules if "to" not in rule for port in rule["ports"]}


@pytest.mark.parametrize("engine", ENGINES)
def test_pods_reach_only_what_they_need(engine: str) -> None:
    one, two = objects(case(engine)), objects(case(engine, 1, 2))
    labels = {"app.kubernetes.io/name": "docstrings", "app.kubernetes.io/component": "training"}
    peers = {"podSelector": {"matchLabels": labels}}
    for found in (one, two):
        policy = found["NetworkPolicy"]["spec"]
        assert policy["podSelector"]["matchLabels"] == labels
        assert policy["policyTypes"] == ["Ingress", "Egress"]
    [scraped] = one["NetworkPolicy"]["spec"]["ingress"]
    assert scraped["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert [port["port"] for port in scraped["ports"]] == [8003]
    assert two["NetworkPolicy"]["spec"]["ingress"] == [scraped, {"from": [peers]}]
    assert {"to": [peers]} in two["NetworkPolicy"]["spec"]["egress"]
    assert {"to": [peers]} not in one["NetworkPolicy"]["spec"]["egress"]
    assert {} not in one["NetworkPolicy"]["spec"]["egress"]


@pytest.mark.parametrize(
    ("uri", "remote", "expected"),
    [
        (None, ".dvc/store", {53, 443, 5000}),
        ("https://mlflow.acme.dev", "s3://acme/dvc", {53, 443}),
        ("https://mlflow.acme.dev:8443", "s3://acme/dvc", {53, 443, 8443}),
        ("http://mlflow.tracking", "gs://acme/dvc", {53, 443, 80, 5000}),
        ("http://mlflow.tracking:5000", "ssh://store.acme.dev/dvc", {53, 443, 5000, 22}),
        ("https://mlflow.acme.dev", "http://store.acme.dev:8080/dvc", {53, 443, 8080}),
    ],
)
def test_ports_follow_the_addresses(uri: str | None, remote: str, expected: set[int]) -> None:
    more = [f"tracking: {{mlflow: {{uri: '{uri}'}}}}"] if uri else []
    text = smallest(*more, data=f"raw: data/raw, remote: '{remote}'")
    assert ports(objects(project(text))) == expected


def test_identities_of_clouds_can_be_reached() -> None:
    def blocks(store: str) -> set[str]:
        rules = objects(case("job", 0, 1, store))["NetworkPolicy"]["spec"]["egress"]
        return {peer["ipBlock"]["cidr"] for rule in rules for peer in rule.get("to", ()) if "ipBlock" in peer}

    assert blocks("s3://acme/x") == {"169.254.170.23/32"}
    assert blocks("gs://acme/x") == {"169.254.169.252/32", "169.254.169.254/32"}
    assert blocks("s3") == set()


def test_no_sidecar_holds_a_run_back() -> None:
    text = FULL.read_text(encoding="utf-8")
    assert "engine: istio " in text
    labels = objects(project(text))["Job"]["spec"]["template"]["metadata"]["labels"]
    assert labels["sidecar.istio.io/inject"] == "false"


def matches(terms: list[dict[str, Any]], labels: Mapping[str, str]) -> bool:
    """Whether a node satisfies one of the terms, as the scheduler sees it."""

    def holds(each: dict[str, Any]) -> bool:
        inside = labels.get(each["key"]) in each["values"]
        return inside if each["operator"] == "In" else not inside

    return any(all(holds(each) for each in term["matchExpressions"]) for term in terms)


def required(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    affinity = found["affinity"]["nodeAffinity"]
    return list(affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"])


GFD, GKE = {"nvidia.com/gpu.product": "NVIDIA-L4"}, {"cloud.google.com/gke-accelerator": "nvidia-l4"}


@pytest.mark.parametrize("spot", [None, False, True])
@pytest.mark.parametrize("written", ["nvidia-l4", "NVIDIA-L4"])
def test_nodes_have_the_right_gpu(spot: bool | None, written: str) -> None:
    terms = required(placement(1, written, spot))
    assert matches(terms, GFD)
    assert matches(terms, GKE)
    assert not matches(terms, {"nvidia.com/gpu.product": "NVIDIA-L40S"})
    assert not matches(terms, {})
    for name, value in SPOT.items():
        assert matches(terms, {**GFD, name: value}) == (spot is True)
        assert matches(terms, {**GKE, name: value}) == (spot is True)
        assert matches(terms, {**GKE, name: "no"})


def test_spot_is_wanted_or_kept_off() -> None:
    assert placement(0, None, True).keys() == {"affinity", "tolerations"}
    wanted = placement(0, None, True)["affinity"]["nodeAffinity"]
    assert wanted.keys() == {"preferredDuringSchedulingIgnoredDuringExecution"}
    preferred = wanted["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [list(SPOT)[i] for i in range(4)] == [each["preference"]["matchExpressions"][0]["key"] for each in preferred]
    assert placement(0, None, None) == placement(0, None, False)
    assert placement(0, None, None).keys() == {"affinity"}
    assert placement(0, "nvidia-l4", None) == placement(0, None, None)
    keys = [each["key"] for each in placement(1, None, True)["tolerations"]]
    assert keys == ["nvidia.com/gpu", "cloud.google.com/gke-spot", "kubernetes.azure.com/scalesetpriority"]
    assert [each["key"] for each in placement(1, None, False)["tolerations"]] == ["nvidia.com/gpu"]


def test_the_same_project_gives_the_same_files_and_values_remember_their_origins() -> None:
    found = project(FULL.read_text(encoding="utf-8"))
    environment = found.environments[-1]
    assert list(files(found, environment)) == list(files(found, environment))
    [run] = [file for file in files(found, environment) if file.path.endswith("/training/training.yaml")]
    paths = {path for origin in render(run).origins for path in origin.paths}
    assert {f"training.resources.{name}" for name in ("gpu", "gpu_type", "nodes", "cpu", "memory")} <= paths
    assert [file.path for file in files(found, environment) if file.keep] == ["deploy/production/training/release.yaml"]


GUARD = """
import os, sys

ALLOWED = tuple(os.environ["WRITABLE"].split(":"))
WRITES = {"os.mkdir": 0, "os.rename": 1, "os.remove": 0, "os.link": 1, "os.symlink": 1, "os.chmod": 0, "sqlite3.connect": 0}


def hook(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if not (flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            return
    elif event in WRITES:
        path = arguments[WRITES[event]]
    else:
        return
    if not isinstance(path, (str, bytes, os.PathLike)) or os.fspath(path) in (":memory:", b":memory:", "/dev/null"):
        return
    real = os.path.realpath(os.fsdecode(path))
    if not real.startswith(ALLOWED):
        raise OSError(30, "Read-only file system", real)


sys.addaudithook(hook)
"""
"""Makes all but some folders read-only for Python, also for root: what the container's root is."""


class Pod:
    """The file systems of a pod that fetches data: the image at `app`, its two volumes, and a remote."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.app, self.work, self.tmp = folder / "app", folder / "work", folder / "tmp"
        self.checkpoints, self.remote, self.guard = folder / "checkpoints", folder / "remote", folder / "guard"
        self.home = folder / "home"
        found = case(engine, store="kept/checkpoints")
        self._make(folder / "repository", found)
        for each in (self.work, self.tmp, self.checkpoints, self.guard, self.home):
            each.mkdir()
        (self.guard / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
        made = objects(found)
        self.script = script_of(made).replace('exec "$@"\n', "")
        container = trainer_of(made) if engine == "trainjob" else pod_of(made)["initContainers"][0]
        self.env = {name: value for name, value in env_of(container).items() if isinstance(value, str)}

    def _make(self, repository: Path, found: Project) -> None:
        """A repository as the pipeline leaves it, pushed to the remote; and what an image of it holds."""
        for file in dvc_files(found):
            target = repository / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(render(file).content)
        for path in ("data/raw/a.jsonl", TRAIN, VALIDATION, "reports/data/preparation.json"):
            (repository / path).parent.mkdir(parents=True, exist_ok=True)
            (repository / path).write_text(f'{{"of": "{path}"}}\n', encoding="utf-8")

        def run(*words: str) -> None:
            env = {**os.environ, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(repository.parent / "site")}
            subprocess.run(words, cwd=repository, env=env, capture_output=True, timeout=120, check=True)

        dvc = tool("dvc")
        run("git", "init", "--quiet")
        run(dvc, "remote", "modify", "storage", "url", str(self.remote))
        run(dvc, "add", "data/raw")
        run(dvc, "commit", "--force", "prepare")
        run(dvc, "push")
        run("git", "add", ".")
        tracked = subprocess.run(["git", "ls-files"], cwd=repository, capture_output=True, text=True, check=True)
        for path in tracked.stdout.splitlines():
            if not path.startswith("reports/"):
                (self.app / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(repository / path, self.app / path)
        assert not (self.app / TRAIN).exists()
        for path in [*self.app.rglob("*"), self.app]:
            path.chmod(0o755 if path.is_dir() else 0o644)

    def run(self, script: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the script as the pod does: no Git, no home, nothing writable but the volumes."""
        text = script or self.script
        for path, place in (("/app", self.app), ("/work", self.work), ("/checkpoints", self.checkpoints)):
            text = re.sub(rf"(?<![\w/]){path}\b", str(place), text)
        variables = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self.home),
            "TMPDIR": str(self.tmp),
            "PYTHONPATH": str(self.guard),
            "PYTHONDONTWRITEBYTECODE": "1",
            "WRITABLE": f"{self.work}:{self.tmp}:/dev/",
            **{name: value.replace("/tmp", str(self.tmp)) for name, value in self.env.items()},
            **env,
        }
        arguments = ["sh", "-euc", text]
        return subprocess.run(
            arguments, cwd=self.app, env=variables, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_data_arrives_without_git_home_or_a_writable_root(engine: str, tmp_path: Path) -> None:
    pod = Pod(tmp_path, engine)
    before = sorted(pod.app.rglob("*"))
    # Again, as after a restart of the container in the same pod.
    for _ in range(2):
        result = pod.run()
        assert result.returncode == 0, result.stderr + result.stdout
    for path in (TRAIN, VALIDATION):
        assert (pod.work / path).read_text(encoding="utf-8") == f'{{"of": "{path}"}}\n'
    assert not (pod.work / "data" / "raw").exists(), "training reads the parts only"
    assert sorted(pod.app.rglob("*")) == before
    assert not list(pod.home.iterdir())
    assert (pod.work / "params.yaml").exists()
    (pod.work / "kept" / "checkpoints" / "checkpoint-1").mkdir()
    assert (pod.checkpoints / "checkpoint-1").is_dir()


@pytest.mark.slow
def test_the_script_needs_each_of_its_lines(tmp_path: Path) -> None:
    pod = Pod(tmp_path, "job")
    without_git = pod.run(pod.script.replace("dvc config --local core.no_scm true\n", ""))
    assert without_git.returncode != 0
    assert "not a git repository" in (without_git.stderr + without_git.stdout).lower()
    shutil.rmtree(pod.work)
    pod.work.mkdir()
    del pod.env["DVC_SITE_CACHE_DIR"]
    elsewhere = pod.run()
    assert elsewhere.returncode != 0
    assert "Read-only file system" in elsewhere.stderr + elsewhere.stdout


@pytest.mark.slow
def test_a_remote_that_lacks_the_data_stops_the_pod(tmp_path: Path) -> None:
    pod = Pod(tmp_path, "job")
    shutil.rmtree(pod.remote)
    result = pod.run()
    assert result.returncode not in (0, MISTAKEN), "no mistake that ends a run for good"
    assert not (pod.work / TRAIN).exists()
