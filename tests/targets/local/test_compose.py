"""compose.yaml: its schema, its isolation, and that it fits to the files in local/."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlopsgen.contract.commands import COMMANDS
from mlopsgen.contract.pins import Pin
from mlopsgen.render.engine import render
from mlopsgen.targets.docker import USER
from mlopsgen.targets.local import files, ports
from tests.conftest import tool
from tests.targets.local.specs import SPECS, outputs, project, rendered

WITH_DOCKER = [name for name in SPECS if name != "no-docker"]


def judged(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The verdict of the Compose specification's schema."""
    (folder / "compose.yaml").write_text(text, encoding="utf-8")
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(folder / "compose.yaml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def services(name: str) -> dict[str, Any]:
    """Services of a spec."""
    loaded: dict[str, Any] = yaml.safe_load(outputs(name)["compose.yaml"])["services"]
    return loaded


@pytest.mark.parametrize("name", ["smallest", "full", "gpu", "custom", "no-canary"])
def test_the_schema_takes_it(name: str, tmp_path: Path) -> None:
    result = judged(outputs(name)["compose.yaml"], tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("right", "wrong"), [("cap_drop:", "cap_dropp:"), ("condition: service_healthy", "condition: healthy")]
)
def test_the_schema_finds_a_planted_fault(right: str, wrong: str, tmp_path: Path) -> None:
    text = outputs("smallest")["compose.yaml"]
    assert right in text
    assert judged(text.replace(right, wrong), tmp_path).returncode == 1


@pytest.mark.parametrize("name", WITH_DOCKER)
def test_no_service_has_rights_that_it_does_not_need(name: str) -> None:
    for key, service in services(name).items():
        assert service["read_only"] is True, key
        assert service["security_opt"] == ["no-new-privileges:true"], key
        assert service["cap_drop"] == ["ALL"], key
        assert "privileged" not in service, key
        if key == "prepare":
            assert service["network_mode"] == "none"
        else:
            assert service["user"] == f"{USER}:{USER}", key
            assert "cap_add" not in service, key


@pytest.mark.parametrize("name", WITH_DOCKER)
def test_only_loopback_ports_are_published(name: str) -> None:
    found = services(name)
    published = [port for service in found.values() for port in service.get("ports", ())]
    assert published == [f"127.0.0.1:{port}:{port}" for port in (ports.ENVOY, ports.MLFLOW)]
    sharing = {key for key, service in found.items() if service.get("network_mode") == "service:network"}
    assert sharing == found.keys() - {"network", "prepare"}


@pytest.mark.parametrize("name", WITH_DOCKER)
def test_parts_wait_for_what_they_need_and_say_how_they_are(name: str) -> None:
    found = services(name)
    for key, service in found.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in found, key
            assert how["condition"] != "service_healthy" or "healthcheck" in found[needed], (key, needed)
        assert ("healthcheck" in service) == (key not in ("network", "prepare")), key


@pytest.mark.parametrize("name", WITH_DOCKER)
def test_volumes_and_settings_exist(name: str) -> None:
    document = yaml.safe_load(outputs(name)["compose.yaml"])
    mounts = [each for service in document["services"].values() for each in service.get("volumes", ())]
    named = {each.split(":")[0] for each in mounts if isinstance(each, str) and not each.startswith(".")}
    assert named == document["volumes"].keys()
    for key, service in document["services"].items():
        config = service.get("environment", {}).get("MLOPS_CONFIG")
        assert config is None or config == f"/app/local/{key}.yaml"
        assert config is None or config.removeprefix("/app/") in outputs(name)
        if "build" in service:
            assert service["build"] == {"context": ".", "dockerfile": "docker/serve.Dockerfile"}
        command = service.get("entrypoint", [])
        assert command[:1] != ["mlops-runtime"] or command[1] in COMMANDS


def test_parts_ask_each_other_where_they_listen() -> None:
    found = services("gpu")
    for variant, port in ports.SERVERS.items():
        settings = yaml.safe_load(outputs("gpu")[f"local/{variant}.yaml"])
        assert settings["serving"]["port"] == port
        assert f"127.0.0.1:{port}/readyz" in found[variant]["healthcheck"]["test"][-1]
    assert {service["environment"]["MLFLOW_TRACKING_URI"] for service in found.values() if "env_file" in service} == {
        ports.address(ports.MLFLOW)
    }
    assert found["mlflow"]["entrypoint"][:2] == ["mlflow", "server"]
    assert str(ports.MLFLOW) in found["mlflow"]["entrypoint"]
    text = outputs("gpu")["compose.yaml"]
    assert all(f"http://127.0.0.1:{port}" in text.partition("name:")[0] for port in (ports.ENVOY, ports.MLFLOW))


def test_envoy_differs_by_its_address_only() -> None:
    alone, inside = (yaml.safe_load(outputs("full")[f"local/{name}.yaml"]) for name in ("envoy", "envoy-compose"))
    address = inside["static_resources"]["listeners"][0]["address"]["socket_address"]
    assert address["address"] == "0.0.0.0"
    address["address"] = "127.0.0.1"
    assert inside == alone


def test_gpus_are_reserved_where_the_servers_ask_for_them() -> None:
    [device] = services("gpu")["champion"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 2, "capabilities": ["gpu"]}
    assert "deploy" not in services("smallest")["champion"]


def test_secrets_come_from_outside() -> None:
    found = services("gpu")["champion"]
    assert found["environment"]["MLOPS_AUTH_TOKEN"].startswith("${MLOPS_AUTH_TOKEN:?")
    assert found["env_file"] == [{"path": ".env", "required": False}]
    assert services("custom")["canary"]["environment"]["ENGINE_URL"].startswith("${ENGINE_URL:?")


def test_a_dollar_is_compose_s_own_or_escaped() -> None:
    for name in WITH_DOCKER:
        rest = re.sub(r"\$\$|\$\{[A-Z_]+:[-?][^}$]*\}", "", outputs(name)["compose.yaml"])
        assert "$" not in rest, name


def test_a_project_without_canary_has_neither_canary_nor_rollout() -> None:
    assert services("no-canary").keys() == {"network", "prepare", "envoy", "mlflow", "champion", "quality"}
    assert not {"local/canary.yaml", "local/rollout.yaml"} & outputs("no-canary").keys()


def test_without_images_there_is_no_compose_file() -> None:
    assert not {"compose.yaml", "local/envoy-compose.yaml"} & outputs("no-docker").keys()
    assert "local/envoy.yaml" in outputs("no-docker")


def test_envoy_is_pinned_where_the_pins_know_it() -> None:
    digest = "sha256:" + "0" * 64
    pins = {"envoyproxy/envoy:v9.0.0": Pin("v9.0.0", digest)}
    assert f"image: envoyproxy/envoy:v9.0.0@{digest}\n" in rendered(project("smallest", pins))["compose.yaml"]
    assert "image: envoyproxy/envoy:v1.39.3\n" in rendered(project("smallest", {}))["compose.yaml"]


def test_the_routes_are_prepared_by_a_real_shell(tmp_path: Path) -> None:
    prepare = services("smallest")["prepare"]
    (tmp_path / "local").mkdir()
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "local/routes.yaml").write_text("rest", encoding="utf-8")
    owner = f"{tmp_path.stat().st_uid}:{tmp_path.stat().st_gid}"
    [script] = prepare["command"]
    script = re.sub(r"(?<![\w.])/(?=state|local|mlflow)", f"{tmp_path}/", script.replace("$$", "$"))
    for _ in range(2):
        subprocess.run([*prepare["entrypoint"], script], env={"OWNER": owner, "PATH": "/usr/bin:/bin"}, check=True)
        written = tmp_path / "state" / ports.ROUTES.removeprefix(f"{ports.STATE}/")
        assert written.read_text(encoding="utf-8") == "rest"
        written.write_text("weights of a rollout", encoding="utf-8")


def test_the_same_project_gives_the_same_files_whose_values_know_their_origin() -> None:
    assert list(files(project("full"))) == list(files(project("full")))
    found = {each.path: {p for o in render(each).origins for p in o.paths} for each in files(project("full"))}
    assert "rollout.testers.value" in found["local/routes.yaml"]
    assert "serving.rate_limit.requests" in found["local/envoy.yaml"]
    assert "rollout.hold" in found["local/rollout.yaml"]
    assert {"project.name", "serving.resources.gpu", "model.name"} <= found["compose.yaml"]
