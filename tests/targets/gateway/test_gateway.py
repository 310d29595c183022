"""HTTPRoutes of the Gateway API: who gets which version, and only by standard fields."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mlopsgen.contract.ports import METRICS
from mlopsgen.project import routing
from mlopsgen.render.engine import render
from mlopsgen.targets.gateway import files
from tests.targets.istio.specs import ODD, TESTERS, Object, full, objects, one, project, spec

NO_CANARY = "environments: {live: {namespace: ml, rollout: {steps: [100%]}}}"
SPECS = {
    "plain": spec("gateway-api"),
    "testers": spec("gateway-api", TESTERS),
    "no-url": spec("gateway-api", TESTERS, more=("environments: {live: {namespace: ml}}",)),
    "no-canary": spec("gateway-api", TESTERS, more=(NO_CANARY,)),
}
DURATION = r"([0-9]{1,5}(h|m|s|ms)){1,4}"
"""What the Gateway API takes for a time."""

EXPERIMENTAL = {"retry", "sessionPersistence"}
"""Fields of a rule that are not in the standard channel."""


def found(name: str) -> Object:
    """The HTTPRoute of a spec."""
    return one(objects(files(project(SPECS.get(name, name)))), "HTTPRoute")


def rules(name: str) -> list[dict[str, Any]]:
    """Its rules."""
    result: list[dict[str, Any]] = found(name)["spec"]["rules"]
    return result


def backends(rule: dict[str, Any]) -> list[tuple[str, int, int | None]]:
    """Services, ports and weights of a rule, in order."""
    return [(each["name"], each["port"], each.get("weight")) for each in rule["backendRefs"]]


SPLIT = [("docstrings-canary", 8000, 0), ("docstrings-champion", 8000, 100)]


@pytest.mark.parametrize("name", ["plain", "testers", "no-url"])
def test_the_canary_comes_first_and_has_nothing_yet(name: str) -> None:
    assert backends(rules(name)[-1]) == SPLIT


def test_without_a_canary_all_goes_to_the_champion() -> None:
    assert [backends(rule) for rule in rules("no-canary")] == [[("docstrings-champion", 8000, None)]]


def test_testers_come_first_by_an_exact_header() -> None:
    [testers, main] = rules("testers")
    headers = [{"type": "Exact", "name": "User-Group", "value": ODD}]
    assert [match["headers"] for match in testers["matches"]] == [headers] * len(routing.PUBLIC)
    assert backends(testers) == SPLIT
    assert all("headers" not in match for match in main["matches"])
    assert len(rules("plain")) == 1


@pytest.mark.parametrize("name", SPECS)
def test_only_public_paths_are_routed(name: str) -> None:
    for rule in rules(name):
        assert [match["path"] for match in rule["matches"]] == [
            {"type": "Exact", "value": path} for path in routing.PUBLIC
        ]
        assert METRICS not in str(rule)


@pytest.mark.parametrize(
    ("url", "hostnames"),
    [
        ("https://API.acme.dev:8443/v1", ["api.acme.dev"]),
        ("https://10.0.0.7", None),
        ("https://[fd00::7]:443", None),
        (None, None),
    ],
)
def test_hostnames_come_from_the_address(url: str | None, hostnames: list[str] | None) -> None:
    given = f", url: '{url}'" if url else ""
    text = spec("gateway-api", more=(f"environments: {{live: {{namespace: ml{given}}}}}",))
    assert found(text)["spec"].get("hostnames") == hostnames


@pytest.mark.parametrize(
    ("timeout", "written"), [("30s", "35s"), ("2500ms", "7s500ms"), ("1h", "1h5s"), ("3650d", "87600h5s")]
)
def test_times_are_later_than_the_servers_and_readable(timeout: str, written: str) -> None:
    text = spec("gateway-api", TESTERS, more=(f"serving: {{timeout: {timeout}, grace: 3651d}}",))
    for rule in rules(text):
        assert rule["timeouts"] == {"request": written, "backendRequest": written}
        assert re.fullmatch(DURATION, written)


@pytest.mark.parametrize("name", SPECS)
def test_the_route_is_attached_and_uses_standard_fields(name: str) -> None:
    route = found(name)
    assert route["metadata"]["name"] == "docstrings"
    assert route["metadata"]["namespace"] == "ml"
    assert route["metadata"]["labels"]["app.kubernetes.io/component"] == "routing"
    assert route["spec"]["parentRefs"] == [{"namespace": "ingress", "name": "public"}]
    assert all(not EXPERIMENTAL & set(rule) and "name" not in rule for rule in route["spec"]["rules"])


def test_only_environments_of_the_engine_get_a_route() -> None:
    mixed = "environments: {test: {rollout: {engine: nginx}}, live: {namespace: ml}}"
    assert [file.path for file in files(project(spec("gateway-api", more=(mixed,))))] == ["deploy/live/routing.yaml"]
    assert not list(files(project(spec("istio"))))


def test_the_full_example_has_a_route_per_environment() -> None:
    made = list(files(project(full("gateway-api"))))
    assert [file.path for file in made] == ["deploy/staging/routing.yaml", "deploy/production/routing.yaml"]
    assert [len(one(objects(made, name), "HTTPRoute")["spec"]["rules"]) for name in ("staging", "production")] == [1, 2]


def test_values_remember_where_they_came_from() -> None:
    [file] = files(project(SPECS["testers"]))
    paths = {path for origin in render(file).origins for path in origin.paths}
    assert {
        "rollout.testers.header",
        "rollout.testers.value",
        "rollout.gateway",
        "serving.timeout",
        "environments.live.url",
    } <= paths
