"""The manifests: strict schemas, Kustomize, what Pod Security asks for."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlopsgen.contract.pins import Pin
from mlopsgen.render.engine import render
from mlopsgen.targets.nginx import files
from tests.conftest import tool
from tests.targets.nginx.specs import outputs, project, routing

VERSIONS = ("1.29", "1.37")


def judged(text: str, version: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """kubernetes-validate's verdict."""
    (folder / "nginx.yaml").write_text(text, encoding="utf-8")
    command = [tool("kubernetes-validate"), "--strict", "-k", version, str(folder / "nginx.yaml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def built(name: str, folder: Path) -> list[dict[str, Any]]:
    """Objects that `kubectl kustomize` makes of the folder."""
    for file, text in routing(name).items():
        (folder / file).write_text(text, encoding="utf-8")
    command = [tool("kubectl"), "kustomize", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return list(yaml.safe_load_all(result.stdout))


def one(objects: list[dict[str, Any]], kind: str, pattern: str = "") -> dict[str, Any]:
    """The object of a kind whose name matches."""
    [found] = [
        each for each in objects if each["kind"] == kind and re.fullmatch(pattern or ".*", each["metadata"]["name"])
    ]
    return found


def test_only_environments_of_the_engine_have_it() -> None:
    assert outputs("other") == {}
    assert {path.split("/")[1] for path in outputs("mixed")} == {"live"}
    names = {"kustomization.yaml", "nginx.yaml", "nginx.conf", "run.sh", "split.conf"}
    assert outputs("plain").keys() == {
        f"deploy/{each}/routing/{n}" for each in ("staging", "production") for n in names
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_objects(version: str, tmp_path: Path) -> None:
    result = judged(routing("sticky")["nginx.yaml"], version, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("right", "wrong"), [("replicas:", "replicaz:"), ("maxUnavailable: 1", "maxUnavailabel: 1")])
def test_kubernetes_refuses_a_planted_fault(right: str, wrong: str, version: str, tmp_path: Path) -> None:
    text = routing("sticky")["nginx.yaml"]
    assert right in text
    assert judged(text.replace(right, wrong), version, tmp_path).returncode == 1


@pytest.mark.parametrize("name", ["plain", "sticky", "limit-by-header", "no-canary", "mixed"])
def test_kustomize_builds_the_folder(name: str, tmp_path: Path) -> None:
    objects = built(name, tmp_path)
    kinds = ["ConfigMap"] * 2 + ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"]
    assert sorted(each["kind"] for each in objects) == kinds
    last = project(name).environments[-1]
    for each in objects:
        assert each["metadata"]["namespace"] == last.namespace
        assert each["metadata"]["labels"]["app.kubernetes.io/component"] == "routing"
    volumes = {each["name"]: each for each in one(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]}
    config, split = one(objects, "ConfigMap", "docstrings-nginx-.*"), one(objects, "ConfigMap", "docstrings")
    assert volumes["config"]["configMap"]["name"] == config["metadata"]["name"], "pods follow the configuration"
    assert volumes["split"]["configMap"]["name"] == split["metadata"]["name"], "and not the split"
    assert config["data"].keys() == {"nginx.conf", "run.sh"}
    assert split["data"] == {"split.conf": routing(name)["split.conf"]}


def test_a_planted_fault_does_not_build(tmp_path: Path) -> None:
    for file, text in routing("plain").items():
        (tmp_path / file).write_text(text.replace("nginx.conf,", "nginx.config,"), encoding="utf-8")
    command = [tool("kubectl"), "kustomize", str(tmp_path)]
    assert subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == 1


def test_other_limits_roll_the_pods(tmp_path: Path) -> None:
    found = []
    for name in ("plain", "limit-by-address"):
        (tmp_path / name).mkdir()
        found.append(one(built(name, tmp_path / name), "ConfigMap", "docstrings-nginx-.*")["metadata"]["name"])
    assert found[0] != found[1]


def test_pods_have_no_rights(tmp_path: Path) -> None:
    pod = one(built("plain", tmp_path), "Deployment")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 101
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    writable = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
    written = set(re.findall(r"(?:_path|pid) (/\S+);", routing("plain")["nginx.conf"]))
    assert written
    assert all(any(path.startswith(f"{mount}/") for mount in writable) for path in written)
    assert not any("subPath" in each for each in container["volumeMounts"]), "the kubelet renews folders only"


def test_files_are_where_the_script_looks(tmp_path: Path) -> None:
    pod = one(built("plain", tmp_path), "Deployment")["spec"]["template"]["spec"]
    mounts = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    script = routing("plain")["run.sh"]
    assert f"config={mounts['config']}\n" in script
    assert f"split={mounts['split']}/split.conf\n" in script
    assert pod["containers"][0]["command"] == ["/bin/sh", f"{mounts['config']}/run.sh"]


def test_ports_agree(tmp_path: Path) -> None:
    objects = built("slow", tmp_path)
    [container] = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    text = routing("slow")["nginx.conf"]
    assert [int(port) for port in re.findall(r"listen (\d+);", text)] == [ports["http"], ports["probes"]]
    assert container["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": "probes"}
    assert f"location = {container['livenessProbe']['httpGet']['path']} " in text
    [port] = one(objects, "Service")["spec"]["ports"]
    assert (port["port"], port["targetPort"], port["name"]) == (9000, "http", "http")
    assert one(objects, "NetworkPolicy")["spec"]["egress"][1]["ports"] == [{"protocol": "TCP", "port": 9000}]


def test_the_grace_covers_settling_and_the_longest_request() -> None:
    given = project("slow").environments[-1].serving
    [deployment] = [each for each in yaml.safe_load_all(routing("slow")["nginx.yaml"]) if each["kind"] == "Deployment"]
    grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace >= 5 + given.timeout + 10


def test_the_image_is_pinned_where_the_pins_know_it() -> None:
    digest = "sha256:" + "0" * 64
    name = "nginxinc/nginx-unprivileged:1.99.0-alpine"
    assert (
        f"image: {name}@{digest}\n"
        in outputs("plain", {name: Pin("1.99.0-alpine", digest)})["deploy/production/routing/nginx.yaml"]
    )
    assert (
        "image: nginxinc/nginx-unprivileged:1.30.5-alpine\n"
        in outputs("plain", {})["deploy/production/routing/nginx.yaml"]
    )


def test_the_same_project_gives_the_same_files_whose_values_know_their_origin() -> None:
    assert list(files(project("sticky"))) == list(files(project("sticky")))
    [config] = [
        each for each in files(project("limit-by-header")) if each.path == "deploy/production/routing/nginx.conf"
    ]
    paths = {path for origin in render(config).origins for path in origin.paths}
    assert {"rollout.sticky.header", "serving.rate_limit.requests", "serving.rate_limit.by"} <= paths
