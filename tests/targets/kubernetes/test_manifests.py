"""The environments' folders: what changes them and what does not, and how the facts of a release reach the pods."""

from __future__ import annotations

import difflib
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlopsgen.project.model import Project
from mlopsgen.project.resolve import resolve
from mlopsgen.render.engine import render
from mlopsgen.spec.load import parse
from mlopsgen.targets import built_in
from mlopsgen.targets.kubernetes.serving import startup_seconds
from tests.conftest import FULL, Run, tool
from tests.targets.github.specs import SMALLEST, smallest

TEXT = FULL.read_text(encoding="utf-8")


def project(text: str) -> Project:
    return resolve(parse(text, "mlops.yaml")).project


def deployed(text: str) -> dict[str, str]:
    """Every file below `deploy/`."""
    given = project(text)
    found = {}
    for _, target in built_in(given):
        for file in target.files(given):
            if file.path.startswith("deploy/"):
                found[file.path] = render(file).content.decode()
    return found


def objects(text: str, path: str) -> dict[str, Any]:
    """Objects of a file by kind and name."""
    documents = [each for each in yaml.safe_load_all(deployed(text)[path]) if each]
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in documents}


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Lines that a diff of all files shows with + or -."""
    lines = []
    for path in sorted({*before, *after}):
        old, new = before.get(path, "").splitlines(), after.get(path, "").splitlines()
        diff = list(difflib.unified_diff(old, new, path, path, lineterm="", n=0))[2:]
        lines += [f"{path}: {line}" for line in diff if line[0] in "+-"]
    return lines


def test_another_environment_is_another_folder_and_nothing_else() -> None:
    before = deployed(TEXT)
    more = "environments:\n  qa: {branch: qa, namespace: ml-qa, url: https://qa.acme.dev, serving: {replicas: 1}}\n"
    after = deployed(TEXT.replace("environments:\n", more))
    assert {path: after[path] for path in before} == before
    assert {path.split("/")[1] for path in after.keys() - before.keys()} == {"qa"}
    assert {path.partition("/staging/")[2] for path in before if "/staging/" in path} == {
        path.partition("/qa/")[2] for path in after if "/qa/" in path
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("replicas: {min: 4, max: 20}", "replicas: {min: 5, max: 20}"),
        ("replicas: {min: 4, max: 20}", "replicas: {min: 5, max: 30}"),
        ("serving: {replicas: 2}", "serving: {replicas: 3}"),
        ("scale_on: {queue_depth: 8}", "scale_on: {queue_depth: 16}"),
    ],
)
def test_replicas_change_a_line_each(old: str, new: str) -> None:
    assert old in TEXT
    lines = changed(deployed(TEXT), deployed(TEXT.replace(old, new)))
    assert 2 <= len(lines) <= 4, lines


def test_alerts_touch_no_manifest() -> None:
    renamed = TEXT.replace("name: LongAnswers", "name: LongerAnswers").replace(
        "accuracy:     {min: 85%", "accuracy: {min: 80%"
    )
    assert renamed != TEXT
    assert changed(deployed(TEXT), deployed(renamed)) == []


def test_replicas_change_few_lines_of_a_commit(mlopsgen: Run, tmp_path: Path) -> None:
    """The whole command, with the lock and every other file."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    spec = tmp_path / "mlops.yaml"
    spec.write_text(smallest("environments: {live: {serving: {replicas: 3}}}"))
    subprocess.run([*git, "init", "--quiet"], cwd=tmp_path, check=True)
    assert mlopsgen("build").returncode == 0
    subprocess.run([*git, "add", "."], cwd=tmp_path, check=True)
    spec.write_text(spec.read_text().replace("replicas: 3", "replicas: 4"))
    assert mlopsgen("build").returncode == 0
    done = subprocess.run(
        [*git, "diff", "--numstat", "--", "deploy"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "1", "deploy/live/serving.yaml"]


def kustomize(folder: Path) -> dict[str, Any]:
    """What `kubectl kustomize` makes of a folder, by kind and name."""
    done = subprocess.run([tool("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in yaml.safe_load_all(done.stdout)}


def written(text: str, folder: Path) -> Path:
    """The deploy folders of a spec on disk."""
    for path, content in deployed(text).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    return folder


def released(folder: Path, **facts: str) -> None:
    """Write facts as a release does."""
    file = folder / "release.yaml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert set(facts) <= {key.replace("-", "_") for key in document["data"]}
    document["data"] |= {key.replace("_", "-"): value for key, value in facts.items()}
    file.write_text(yaml.safe_dump(document), encoding="utf-8")


def running(deployment: dict[str, Any]) -> tuple[str, str, str]:
    """Image, model and version label of a Deployment's pods."""
    template = deployment["spec"]["template"]
    [container] = template["spec"]["containers"]
    [uri] = [each["value"] for each in container["env"] if each["name"] == "MLOPS_MODEL_URI"]
    return container["image"], uri, template["metadata"]["labels"]["model-version"]


def test_the_facts_of_a_release_reach_the_pods(tmp_path: Path) -> None:
    folder = written(TEXT, tmp_path) / "deploy" / "production"
    before = kustomize(folder)
    assert "ConfigMap/release" not in before
    image = "ghcr.io/acme/support-assistant@sha256:" + "a" * 64
    other = "ghcr.io/acme/support-assistant@sha256:" + "b" * 64
    released(folder, champion_image=image, champion_model_version="7")
    released(folder, canary_image=other, canary_model_version="8", canary_replicas="1")
    after = kustomize(folder)
    assert running(after["Deployment/support-assistant-champion"]) == (image, "models:/llama2-7b-lora/7", "7")
    assert running(after["Deployment/support-assistant-canary"]) == (other, "models:/llama2-7b-lora/8", "8")
    assert after["Deployment/support-assistant-canary"]["spec"]["replicas"] == 1
    assert "replicas" not in after["Deployment/support-assistant-champion"]["spec"]
    for beside in ("quality", "rollout"):
        assert (
            after[f"Deployment/support-assistant-{beside}"]["spec"]["template"]["spec"]["containers"][0]["image"]
            == image
        )
    same = before.keys() - {key for key in before if key.startswith("Deployment/")}
    assert all(before[key] == after[key] for key in same)


def test_with_argo_rollouts_the_one_template_holds_what_is_released(tmp_path: Path) -> None:
    folder = written(smallest("rollout: {engine: argo-rollouts}"), tmp_path) / "deploy" / "production"
    released(
        folder,
        champion_image="a@sha256:0",
        champion_model_version="7",
        canary_image="b@sha256:1",
        canary_model_version="8",
    )
    after = kustomize(folder)
    assert running(after["Deployment/docstrings-champion"])[1:] == ("models:/docstrings/8", "8")
    assert after["Deployment/docstrings-champion"]["spec"]["replicas"] == 0
    assert after["Deployment/docstrings-quality"]["spec"]["template"]["spec"]["containers"][0]["image"] == "a@sha256:0"


def test_a_build_leaves_the_facts_alone(mlopsgen: Run, tmp_path: Path) -> None:
    (tmp_path / "mlops.yaml").write_text(SMALLEST)
    assert mlopsgen("build").returncode == 0
    facts = tmp_path / "deploy" / "production" / "release.yaml"
    facts.write_text(facts.read_text().replace('champion-model-version: "0"', 'champion-model-version: "7"'))
    assert mlopsgen("build", "--check").returncode == 0
    assert mlopsgen("build").returncode == 0
    assert 'champion-model-version: "7"' in facts.read_text()


def test_a_server_is_given_time_to_load_and_to_drain() -> None:
    text = smallest("serving: {engine: vllm, timeout: 90s, resources: {gpu: 1, memory: 64Gi}}")
    serving = project(text).environments[0].serving
    assert startup_seconds(serving) == pytest.approx(64 * 2**30 / (50 * 2**20) + 300)
    deployment = objects(text, "deploy/production/serving.yaml")["Deployment/docstrings-champion"]
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= startup_seconds(serving)
    assert deployment["spec"]["progressDeadlineSeconds"] > startup_seconds(serving)
    assert pod["terminationGracePeriodSeconds"] == 5 + 90 + 10
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "5"]
    assert container["resources"]["limits"] == {"memory": "64Gi", "nvidia.com/gpu": 1}
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_settings_restart_the_pods_that_read_them() -> None:
    def checksums(text: str) -> dict[str, str]:
        found = objects(text, "deploy/production/serving.yaml") | objects(text, "deploy/production/quality.yaml")
        return {
            name: each["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]
            for name, each in found.items()
            if name.startswith("Deployment/")
        }

    before, after = checksums(TEXT), checksums(TEXT.replace("queue: 64", "queue: 65"))
    assert {name for name in before if before[name] != after[name]} == {
        "Deployment/support-assistant-champion",
        "Deployment/support-assistant-canary",
    }


def test_scaling_looks_at_the_queue() -> None:
    scaled = objects(TEXT, "deploy/production/scaling.yaml")["ScaledObject/support-assistant-champion"]["spec"]
    [trigger] = scaled["triggers"]
    assert trigger["metadata"]["query"] == 'sum(model_queue_depth{namespace="ml-production",variant="champion"})'
    assert trigger["metadata"]["threshold"] == "8"
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (4, 20)
    plain = objects(TEXT, "deploy/staging/scaling.yaml")
    assert list(plain) == ["PodDisruptionBudget/support-assistant-champion"]
    adapter = objects(TEXT.replace("scale_on: {queue_depth: 8}", "autoscaler: hpa"), "deploy/production/scaling.yaml")
    [metric] = adapter["HorizontalPodAutoscaler/support-assistant-champion"]["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == "model_queue_depth"


def test_secrets_come_from_a_store_or_are_expected() -> None:
    store = "kubeconfig: {secret: kube, key: config}, secret_store: {name: vault, prefix: ml/}"
    text = smallest(f"environments: {{live: {{{store}}}}}", "serving: {auth: {secret: serving, key: token}}")
    made = objects(text, "deploy/live/secrets.yaml")
    assert made["ExternalSecret/serving"]["spec"]["data"] == [
        {"secretKey": "token", "remoteRef": {"key": "ml/serving", "property": "token"}}
    ]
    assert made["ExternalSecret/mlflow"]["spec"]["data"][0]["secretKey"] == "uri"
    assert "`ClusterSecretStore` | `vault`" in deployed(text)["deploy/live/README.md"]
    without = deployed(text.replace(", secret_store: {name: vault, prefix: ml/}", ""))
    assert "deploy/live/secrets.yaml" not in without
    assert "| `Secret` | `serving` | `token` |" in without["deploy/live/README.md"]
    assert (
        "kubectl create secret generic mlflow --namespace docstrings-live --from-literal=uri=…"
        in without["deploy/live/README.md"]
    )


def test_the_controller_may_touch_its_own_objects_only() -> None:
    for engine, resource in [("istio", "virtualservices"), ("gateway-api", "httproutes"), ("nginx", "configmaps")]:
        role = objects(smallest(f"rollout: {{engine: {engine}}}"), "deploy/production/controller.yaml")[
            "Role/docstrings-rollout"
        ]
        named = {
            r: rule.get("resourceNames")
            for rule in role["rules"]
            for r in rule["resources"]
            if rule["verbs"] != ["create"]
        }
        assert named[resource] == ["docstrings"]
        assert named["deployments"] == ["docstrings-champion", "docstrings-canary"]
        assert all(named.values())
    assert "deploy/production/controller.yaml" not in deployed(smallest("rollout: {engine: argo-rollouts}"))
    assert "deploy/staging/controller.yaml" not in deployed(SMALLEST)


def test_policies_follow_addresses() -> None:
    def egress(text: str, name: str) -> list[Any]:
        found = objects(text, "deploy/production/network.yaml")[f"NetworkPolicy/docstrings-{name}"]["spec"]["egress"]
        return [port["port"] for rule in found for port in rule.get("ports", ())]

    assert 5000 in egress(SMALLEST, "serving")
    assert 8080 in egress(smallest("tracking: {mlflow: {uri: 'http://mlflow.ml:8080'}}"), "serving")
    assert egress(smallest("tracking: {mlflow: {uri: 'https://mlflow.acme.dev'}}"), "serving") == [53, 53, 443]
    assert 15012 in egress(smallest("rollout: {engine: istio}"), "serving")
    assert {9090, 6443} <= set(egress(SMALLEST, "rollout"))


def test_the_patch_of_the_full_example_lands(mlopsgen: Run, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(FULL.parent, tmp_path / "project")
    done = mlopsgen("build", "--check", cwd=tmp_path / "project")
    assert "W222" not in done.stdout + done.stderr
    text = (tmp_path / "project" / "deploy" / "production" / "serving.yaml").read_text()
    found = {each["metadata"]["name"]: each for each in yaml.safe_load_all(text) if each["kind"] == "Deployment"}
    assert found["support-assistant-champion"]["spec"]["template"]["spec"]["nodeSelector"] == {"pool": "inference"}
    assert "nodeSelector" not in found["support-assistant-canary"]["spec"]["template"]["spec"]
