"""Settings of the running parts on one machine."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from mlopsgen.project import settings
from mlopsgen.targets.local import ports
from tests.targets.local.specs import outputs, project


def read(spec: str, part: str) -> dict[str, Any]:
    """Settings of a part."""
    loaded: dict[str, Any] = yaml.safe_load(outputs(spec)[f"local/{part}.yaml"])
    return loaded


@pytest.mark.parametrize("part", ["champion", "canary", "quality", "rollout"])
def test_nothing_reaches_the_team_s_registry_or_cluster(part: str) -> None:
    text = outputs("full")[f"local/{part}.yaml"]
    assert "acme.dev" not in text
    assert "ml-production" not in text
    assert read("full", part)["tracking"]["uri"] == ports.address(ports.MLFLOW)
    assert read("full", part)["environment"] == "local"


def test_servers_differ_by_their_port_only() -> None:
    champion, canary = read("full", "champion"), read("full", "canary")
    assert (champion["serving"].pop("port"), canary["serving"].pop("port")) == (ports.CHAMPION, ports.CANARY)
    assert champion == canary


def test_everything_else_is_the_last_environment_s() -> None:
    found = project("full")
    served = settings.serving(found, found.environments[-1])
    assert read("full", "champion")["model"] == served["model"]
    assert read("full", "quality")["quality"] == settings.quality(found, found.environments[-1])["quality"]
    rolled = settings.rollout(found, found.environments[-1])["rollout"]
    assert read("full", "rollout")["rollout"] == {**rolled, "engine": "envoy"}


def test_the_controller_finds_envoy_s_routes() -> None:
    found = read("full", "rollout")
    assert "cluster" not in found
    assert found["local"] == {
        "routes": ".mlops/envoy/routes.yaml",
        "envoy": "http://127.0.0.1:9901",
        "champion": "http://127.0.0.1:18000",
        "canary": "http://127.0.0.1:18001",
        "servers": ".mlops/servers.json",
        "status": ".mlops/rollout/status.json",
    }
    envoy = outputs("full")["local/envoy.yaml"]
    assert f"path: {found['local']['routes']}\n" in envoy
    assert all(f"port_value: {port}\n" in envoy for port in (9901, 18000, 18001))
