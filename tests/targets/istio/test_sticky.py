"""Stickiness under a growing canary, on the real Envoy. What Istio would tell it is emulated: see `translation`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mlopsgen.targets.istio import files
from tests.targets.istio.envoy import Client, accepts, bootstrap, cluster, listener, running, server
from tests.targets.istio.specs import ODD, STICKY, TESTERS, Object, objects, one, project, spec
from tests.targets.istio.translation import cluster_name, patched, routes

WEIGHTS = (0, 5, 10, 25, 50, 100)
USERS = [f"user-{number}" for number in range(300)]
REPEATS = 3
CONTEXTS = {"GATEWAY": "ml-docstrings-sticky", "SIDECAR_OUTBOUND": "docstrings-sticky"}
"""EnvoyFilter that reaches the proxies of a context."""

MAIN, PORT = "docstrings.ml", 8000
Change = Callable[[Object], None]


def manifests(engine: str = "istio") -> list[Object]:
    """Objects of a spec with testers and stickiness."""
    return objects(files(project(spec(engine, TESTERS, STICKY))))


def weighted(virtual_service: Object, weight: int) -> Object:
    """The VirtualService as the controller leaves it at a step."""
    found = copy.deepcopy(virtual_service)
    for rule in found["spec"]["http"]:
        if len(rule["route"]) == 2:
            share = weight if rule["name"] == MAIN else 100
            for destination in rule["route"]:
                canary = "canary" in destination["destination"]["host"]
                destination["weight"] = share if canary else 100 - share
    return found


@contextmanager
def clients(
    folder: Path, found: list[Object], context: str = "GATEWAY", change: Change = lambda virtual_service: None
) -> Iterator[dict[int, Client]]:
    """Envoy with a listener for each weight, in front of two servers; `change` plants a fault."""
    service, envoy_filter = one(found, "VirtualService"), one(found, "EnvoyFilter", CONTEXTS[context])
    with server("canary") as canary, server("champion") as champion:
        listeners = []
        for weight in WEIGHTS:
            now = weighted(service, weight)
            change(now)
            listeners.append(listener(str(weight), patched(routes(now, context), envoy_filter, context)))
        hosts = {
            f"docstrings-{name}.ml.svc.cluster.local": port
            for name, port in (("canary", canary), ("champion", champion))
        }
        clusters = [cluster(cluster_name(host, PORT), port) for host, port in hosts.items()]
        with running(bootstrap(listeners, clusters), folder) as ports:
            yield {weight: Client(ports[str(weight)]) for weight in WEIGHTS}


def seen(client: Client) -> dict[str, set[str]]:
    """Versions that each user sees in several requests."""
    found: dict[str, set[str]] = {user: set() for user in USERS}
    for _ in range(REPEATS):
        for user in USERS:
            found[user].add(client.text(**{"X-User-Id": user}))
    return found


def mixed(found: dict[str, set[str]]) -> list[str]:
    """Users that saw both versions."""
    return [user for user, versions in found.items() if len(versions) > 1]


def left(at: dict[int, dict[str, set[str]]]) -> list[str]:
    """Users that were on the canary at some weight and saw the champion at a larger one."""
    rising = sorted(at)
    return [
        user
        for user in USERS
        for less, more in pairwise(rising)
        if "canary" in at[less][user] and "champion" in at[more][user]
    ]


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("engine", ["istio", pytest.param("argo-rollouts", marks=pytest.mark.slow)])
def test_users_stay_on_one_version_while_the_canary_grows(engine: str, context: str, tmp_path: Path) -> None:
    with clients(tmp_path, manifests(engine), context) as by_weight:
        at = {weight: seen(client) for weight, client in by_weight.items()}
        testers = {client.text(**{"user-group": ODD, "x-user-id": "user-1"}) for client in by_weight.values()}
        others = {by_weight[0].text(**{"user-group": ODD[1:], "x-user-id": user}) for user in USERS[:20]}
    assert {weight: mixed(found) for weight, found in at.items()} == {weight: [] for weight in WEIGHTS}
    assert left(at) == []
    assert testers == {"canary"}
    assert others == {"champion"}
    shares = {weight: sum("canary" in versions for versions in found.values()) / 3 for weight, found in at.items()}
    assert all(shares[weight] == pytest.approx(weight, abs=9) for weight in WEIGHTS), shares
    assert (shares[0], shares[100]) == (0, 100)


def test_without_the_patch_users_see_both_versions(tmp_path: Path) -> None:
    found = manifests()
    one(found, "EnvoyFilter", CONTEXTS["GATEWAY"])["spec"]["configPatches"][0]["match"]["context"] = "SIDECAR_INBOUND"
    with clients(tmp_path, found) as by_weight:
        assert len(mixed(seen(by_weight[25]))) > 50


def test_with_another_order_on_the_way_users_leave_the_canary(tmp_path: Path) -> None:
    def reverse(virtual_service: Object) -> None:
        for rule in virtual_service["spec"]["http"]:
            if rule["route"][0].get("weight") == 25:
                rule["route"].reverse()

    with clients(tmp_path, manifests(), change=reverse) as by_weight:
        at = {weight: seen(by_weight[weight]) for weight in (10, 25)}
    assert len(left(at)) > 10


def test_one_destination_would_break_the_patch(tmp_path: Path) -> None:
    found = manifests()
    service = one(found, "VirtualService")

    def config(now: Object) -> dict[str, Any]:
        main = patched(routes(now), one(found, "EnvoyFilter", CONTEXTS["GATEWAY"]), "GATEWAY")
        names = [cluster_name(f"docstrings-{each}.ml.svc.cluster.local", PORT) for each in ("canary", "champion")]
        return bootstrap([listener("main", main)], [cluster(name, 9) for name in names])

    assert accepts(config(service), tmp_path) == (True, "")
    service["spec"]["http"][1]["route"].pop(0)
    good, said = accepts(config(service), tmp_path)
    assert not good
    assert "eighted" in said


def test_users_without_the_header_are_split_by_chance(tmp_path: Path) -> None:
    with clients(tmp_path, manifests()) as by_weight:
        share = sum(by_weight[50].text() == "canary" for _ in range(400)) / 4
    assert 35 < share < 65
