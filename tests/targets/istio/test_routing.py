"""Istio's manifests: judged by models made from Istio's definitions, and by what they must and must not say."""

from __future__ import annotations

from typing import Any

import pytest
from cloudcoil.models.istio.networking import v1 as networking
from cloudcoil.models.istio.networking import v1alpha3
from cloudcoil.models.istio.security import v1 as security
from pydantic import ValidationError

from mlopsgen.contract.ports import METRICS
from mlopsgen.project import routing
from mlopsgen.render.engine import render
from mlopsgen.targets.istio import files
from tests.targets.istio.specs import ODD, QUOTED, STICKY, TESTERS, Object, full, objects, one, project, spec

MODELS: dict[str, Any] = {
    "VirtualService": networking.VirtualService,
    "DestinationRule": networking.DestinationRule,
    "EnvoyFilter": v1alpha3.EnvoyFilter,
    "AuthorizationPolicy": security.AuthorizationPolicy,
}
LIMIT = "serving: {rate_limit: {requests: 60, per: 1m, by: x-user-id}}"
NO_CANARY = "environments: {live: {namespace: ml, rollout: {steps: [100%]}}}"
SPECS = {
    "plain": spec("istio"),
    "everything": spec("istio", TESTERS, STICKY, more=(LIMIT,)),
    "argo": spec("argo-rollouts", TESTERS, STICKY, more=(LIMIT,)),
    "argo-plain": spec("argo-rollouts"),
    "no-url": spec("istio", TESTERS, more=("environments: {live: {namespace: ml}}",)),
    "no-canary": spec("istio", TESTERS, STICKY, more=(NO_CANARY,)),
    "argo-no-canary": spec("argo-rollouts", TESTERS, STICKY, more=(NO_CANARY,)),
    "experiment": spec("istio", more=("experiment: {sticky: {header: X-Session}}",)),
    "limit-by-address": spec("istio", more=("serving: {rate_limit: {requests: 5, per: 1s}}",)),
}


def found(name: str) -> list[Object]:
    """Objects of a spec."""
    return objects(files(project(SPECS.get(name, name))))


def rules(name: str) -> list[dict[str, Any]]:
    """Rules of its VirtualService."""
    http: list[dict[str, Any]] = one(found(name), "VirtualService")["spec"]["http"]
    return http


def split(rule: dict[str, Any]) -> list[tuple[str, int | None]]:
    """Services and weights of a rule, in order."""
    return [(each["destination"]["host"].split(".")[0], each.get("weight")) for each in rule["route"]]


def judged(obj: Object) -> None:
    """Hold an object to the model of its kind; typos are errors."""
    MODELS[obj["kind"]].model_validate(obj, extra="forbid")


@pytest.mark.parametrize("name", SPECS)
def test_istio_knows_every_field(name: str) -> None:
    for obj in found(name):
        judged(obj)


@pytest.mark.parametrize("engine", ["istio", "argo-rollouts"])
def test_istio_knows_every_field_of_the_full_example(engine: str) -> None:
    for environment in ("staging", "production"):
        manifests = objects(files(project(full(engine))), environment)
        assert {obj["kind"] for obj in manifests} == set(MODELS)
        for obj in manifests:
            judged(obj)


@pytest.mark.parametrize(
    ("kind", "path", "typo"),
    [
        ("VirtualService", ("spec", "http", 0, "route", 0), "weigth"),
        ("VirtualService", ("spec", "http", 0, "retries"), "attempt"),
        ("DestinationRule", ("spec", "trafficPolicy", "loadBalancer"), "simpel"),
        ("EnvoyFilter", ("spec", "configPatches", 0, "match", "routeConfiguration", "vhost", "route"), "nmae"),
        ("AuthorizationPolicy", ("spec", "rules", 0, "to", 0, "operation"), "path"),
    ],
)
def test_a_planted_typo_is_found(kind: str, path: tuple[str | int, ...], typo: str) -> None:
    obj: Any = next(each for each in found("everything") if each["kind"] == kind)
    place = obj
    for step in path:
        place = place[step]
    place[typo] = 1
    with pytest.raises(ValidationError, match=typo):
        judged(obj)


@pytest.mark.parametrize("name", ["plain", "everything", "argo", "experiment"])
def test_the_canary_comes_first_and_has_nothing_yet(name: str) -> None:
    assert split(rules(name)[-1]) == [("docstrings-canary", 0), ("docstrings-champion", 100)]


@pytest.mark.parametrize("name", ["no-canary", "argo-no-canary"])
def test_without_a_canary_all_goes_to_the_champion(name: str) -> None:
    assert [split(rule) for rule in rules(name)] == [[("docstrings-champion", None)]]
    assert [obj["kind"] for obj in found(name)] == ["VirtualService", "DestinationRule", "AuthorizationPolicy"]


def test_testers_come_first_and_never_meet_a_canary_without_pods() -> None:
    tester = rules("everything")[0]
    assert tester["match"] == [{"headers": {"user-group": {"exact": ODD}}}]
    assert split(tester) == [("docstrings-canary", 0), ("docstrings-champion", 100)]
    # Argo Rollouts points the canary's Service at the champion's pods meanwhile.
    assert split(rules("argo")[0]) == [("docstrings-canary", None)]
    assert len(rules("plain")) == 1


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("https://API.acme.dev:8443/v1", ["api.acme.dev"]),
        ("http://api", ["api"]),
        ("https://10.0.0.7:8443", []),
        ("https://[fd00::7]/x", []),
        (None, []),
    ],
)
def test_hosts_are_the_internal_and_the_public_name(url: str | None, hosts: list[str]) -> None:
    given = f", url: '{url}'" if url else ""
    service = one(found(spec("istio", more=(f"environments: {{live: {{namespace: ml{given}}}}}",))), "VirtualService")
    assert service["spec"]["hosts"] == ["docstrings.ml.svc.cluster.local", *hosts]
    assert service["spec"]["gateways"] == ["ingress/public", "mesh"]


@pytest.mark.parametrize("name", SPECS)
def test_nothing_is_repeated_and_the_server_answers_first(name: str) -> None:
    for rule in rules(name):
        assert rule["retries"] == {"attempts": 0}
        assert rule["timeout"] == "35s"


@pytest.mark.parametrize(
    ("timeout", "written"),
    [("2500ms", "7s500ms"), ("90s", "1m35s"), ("1h", "1h5s"), ("3.001s", "8s1ms"), ("3650d", "87600h5s")],
)
def test_times_are_written_as_the_gateway_api_reads_them(timeout: str, written: str) -> None:
    grace = "grace: 3651d"
    text = spec("istio", more=(f"serving: {{timeout: {timeout}, {grace}}}",))
    assert rules(text)[0]["timeout"] == written


def test_rules_of_a_shared_gateway_have_names_of_their_own() -> None:
    patch = one(found("everything"), "EnvoyFilter", "ml-docstrings-sticky")["spec"]["configPatches"][0]
    assert patch["match"]["routeConfiguration"]["vhost"]["route"]["name"] == rules("everything")[-1]["name"]
    other = spec("istio", more=("environments: {live: {namespace: other}}",))
    assert rules(other)[-1]["name"] not in {rule["name"] for rule in rules("everything")}


def test_the_patch_reaches_callers_and_the_gateway_in_their_namespaces() -> None:
    sticky = [each for each in found("everything") if each["metadata"]["name"].endswith("sticky")]
    at = {each["metadata"]["namespace"]: each["spec"]["configPatches"][0]["match"]["context"] for each in sticky}
    assert at == {"ml": "SIDECAR_OUTBOUND", "ingress": "GATEWAY"}
    assert all("workloadSelector" not in each["spec"] for each in sticky)


def test_the_experiment_keeps_users_too() -> None:
    patch = one(found("experiment"), "EnvoyFilter", "docstrings-sticky")["spec"]["configPatches"][0]["patch"]
    assert patch["value"]["route"]["hash_policy"] == [{"header": {"header_name": "x-session"}}]
    assert not [each for each in found("plain") if each["kind"] == "EnvoyFilter"]


def allowed(policy: Object, namespace: str | None, method: str, path: str, port: int = 8000) -> bool:
    """Whether Istio lets a request in; a caller without a certificate has no namespace."""
    return any(
        _from(rule["from"][0]["source"], namespace) and _to(rule["to"][0]["operation"], method, path, port)
        for rule in policy["spec"]["rules"]
    )


def _from(source: dict[str, list[str]], namespace: str | None) -> bool:
    inside = "namespaces" not in source or namespace in source["namespaces"]
    return inside and namespace not in source.get("notNamespaces", [])


def _to(operation: dict[str, list[str]], method: str, path: str, port: int) -> bool:
    methods = operation.get("methods", [method])
    return method in methods and path in operation["paths"] and str(port) in operation["ports"]


def test_only_the_api_is_open_and_metrics_stay_inside() -> None:
    policy = one(found("everything"), "AuthorizationPolicy")
    assert policy["spec"]["action"] == "ALLOW"
    assert set(policy["spec"]["selector"]["matchLabels"].values()) == {"docstrings", "serving"}
    for path in routing.PUBLIC:
        assert allowed(policy, "ingress", "POST", path)
        assert allowed(policy, "ml", "POST", path)
        assert not allowed(policy, "other", "POST", path)
        assert not allowed(policy, None, "POST", path)
        assert not allowed(policy, "ingress", "POST", path, port=5005)
    assert METRICS not in routing.PUBLIC
    assert not allowed(policy, "ingress", "GET", METRICS)
    assert all(allowed(policy, caller, "GET", METRICS) for caller in (None, "monitoring", "ml"))
    assert not allowed(policy, "monitoring", "POST", METRICS)
    assert not allowed(policy, "ingress", "GET", "/admin")


@pytest.mark.parametrize("name", SPECS)
def test_objects_are_labelled_and_lie_in_the_namespace(name: str) -> None:
    for obj in found(name):
        assert obj["metadata"]["labels"]["app.kubernetes.io/component"] == "routing"
        gateway = obj["metadata"]["name"] == "ml-docstrings-sticky"
        assert obj["metadata"]["namespace"] == ("ingress" if gateway else "ml")
    assert one(found(name), "VirtualService")["metadata"]["name"] == "docstrings"


def test_other_engines_are_left_alone() -> None:
    assert not list(files(project(spec("gateway-api", TESTERS))))
    mixed = "environments: {test: {rollout: {engine: nginx}}, live: {namespace: ml}}"
    assert [file.path for file in files(project(spec("istio", more=(mixed,))))] == ["deploy/live/routing.yaml"]


def test_odd_values_are_read_back_and_remember_where_they_came_from() -> None:
    text = spec("istio", f"testers: {{header: x-team, value: {QUOTED}}}", STICKY, more=(LIMIT,))
    [file] = files(project(text))
    paths = {path for origin in render(file).origins for path in origin.paths}
    assert {
        "rollout.testers.header",
        "rollout.testers.value",
        "rollout.sticky.header",
        "rollout.gateway",
        "serving.rate_limit.requests",
        "serving.rate_limit.per",
        "serving.rate_limit.by",
        "serving.timeout",
        "environments.live.url",
        "environments.live.namespace",
    } <= paths
    assert rules(text)[0]["match"] == [{"headers": {"x-team": {"exact": ODD}}}]


def test_the_same_project_gives_the_same_files() -> None:
    text = SPECS["everything"]
    assert [render(each).content for each in files(project(text))] == [
        render(each).content for each in files(project(text))
    ]
