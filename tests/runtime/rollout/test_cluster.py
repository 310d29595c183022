"""Calls of a Kubernetes API over HTTP, against one in this process that enforces resource versions."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client
from mlops_runtime.errors import Mistaken
from mlops_runtime.rollout import actions, assembly
from mlops_runtime.rollout.places.api import Absent, Api
from mlops_runtime.rollout.places.base import Conflict, Unreachable
from mlops_runtime.rollout.places.cluster import ANNOTATION, Cluster
from mlops_runtime.rollout.places.lease import SECONDS, Lease
from mlops_runtime.rollout.routers.nginx import Nginx
from mlops_runtime.rollout.state import State

from mlopsgen.contract.split import split
from tests.runtime.rollout.api import Memory, served
from tests.runtime.rollout.world import DEPLOYMENT, LEASE, ROUTE, SETTINGS, SPACE, STEPS, World, deployment


def api(url: str, token: str = "") -> Api:
    """The real client at this address."""
    given = client.Configuration(host=url)
    given.retries = 0
    if token:
        given.api_key = {"authorization": token}
        given.api_key_prefix = {"authorization": "Bearer"}
    return Api(client.ApiClient(given))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def real(world: World) -> Iterator[Api]:
    with served(world.memory) as url:
        yield api(url)


def test_an_object_comes_as_it_is_and_one_that_is_not_there_is_said_so(real: Api, world: World) -> None:
    assert real.get(ROUTE) == world.memory.objects[ROUTE]
    with pytest.raises(Absent):
        real.get(ROUTE + "x")


def test_a_write_of_an_old_version_is_a_conflict(real: Api) -> None:
    old = real.get(ROUTE)["metadata"]["resourceVersion"]
    real.patch(ROUTE, {"metadata": {"resourceVersion": old, "labels": {"a": "1"}}})
    with pytest.raises(Conflict):
        real.patch(ROUTE, {"metadata": {"resourceVersion": old, "labels": {"a": "2"}}})
    assert real.get(ROUTE)["metadata"]["labels"]["a"] == "1"


def test_an_api_that_is_gone_or_refuses_is_said_so() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unreachable, match=f"GET {ROUTE}"):
        api(f"http://127.0.0.1:{port}").get(ROUTE)


def test_a_whole_rollout_over_http(world: World) -> None:
    with served(world.memory) as url:
        place = assembly.place(SETTINGS, api(url))
        actions.start(place, None, STEPS)
        controller = world.controller()
        controller._place = place
        world.run(controller)
    assert world.state is not None
    assert (world.state.phase, world.registry.champion, world.version("champion")) == ("promoted", "2", "2")
    events = [found for path, found in world.memory.objects.items() if "/events/" in path]
    assert [event["note"].partition(":")[0] for event in events].count("promote") == 1
    assert {event["type"] for event in events} == {"Normal"}


def test_state_and_weights_change_in_one_write(world: World) -> None:
    place = world.place()
    held = place.read()
    world.memory.calls.clear()
    place.write(held, State("r", "1", "2", weight=0.25))
    assert [call for call in world.memory.calls if call[0] != "GET"] == [("PATCH", ROUTE)]
    found = world.memory.objects[ROUTE]
    assert json.loads(found["metadata"]["annotations"][ANNOTATION])["weight"] == 0.25
    assert world.share == 0.25
    with pytest.raises(Conflict):
        place.write(held, State("r", "1", "2", weight=0.5))
    assert world.share == 0.25


def test_only_pods_of_the_new_version_count_as_ready(world: World) -> None:
    found = world.memory.objects[DEPLOYMENT + "champion"]
    found["status"] |= {"replicas": 5, "updatedReplicas": 1, "readyReplicas": 4}
    assert world.place().servers("champion").ready == 0
    found["status"] |= {"replicas": 4, "updatedReplicas": 4, "readyReplicas": 3}
    assert world.place().servers("champion").ready == 3
    found["metadata"]["generation"] += 1
    assert world.place().servers("champion").ready == 0


def test_the_champion_gets_what_the_canary_runs_and_as_many_pods(world: World) -> None:
    world.memory.objects[DEPLOYMENT + "canary"]["spec"]["replicas"] = 6
    world.place().replace()
    assert world.version("champion") == "2"
    assert world.memory.objects[DEPLOYMENT + "champion"]["spec"]["replicas"] == 6
    containers = world.memory.objects[DEPLOYMENT + "champion"]["spec"]["template"]["spec"]["containers"]
    assert containers[0] == {"name": "proxy", "image": "proxy"}
    assert containers[1]["env"][0] == {"name": "MLOPS_VARIANT", "value": "x"}


def test_a_replacement_of_a_deployment_that_changed_meanwhile_is_a_conflict(world: World) -> None:
    def before(method: str, path: str) -> None:
        if (method, path) == ("PATCH", DEPLOYMENT + "champion"):
            world.memory.before = lambda *_: None
            world.memory.store(path, world.memory.objects[path])

    world.memory.before = before
    with pytest.raises(Conflict):
        world.place().replace()
    assert world.version("champion") == "1"


@pytest.mark.parametrize(
    ("canary", "asked", "said"),
    [("0", None, "nothing is released"), ("2", "3", "serve version 2, not 3"), ("1", None, "the champion already")],
)
def test_nothing_to_try_is_said(world: World, canary: str, asked: str | None, said: str) -> None:
    world.memory.store(DEPLOYMENT + "canary", deployment(canary, 1))
    with pytest.raises(Mistaken, match=said):
        actions.start(world.place(), asked, STEPS)
    assert world.state is None


@pytest.mark.parametrize("missing", [ROUTE, DEPLOYMENT + "canary"])
def test_what_is_not_applied_is_named(world: World, missing: str) -> None:
    del world.memory.objects[missing]
    with pytest.raises((Unreachable, Mistaken), match="mlopsgen build"):
        actions.start(world.place(), None, STEPS)


def test_the_split_of_nginx_and_the_state_change_in_one_write() -> None:
    path = f"/api/v1/namespaces/{SPACE}/configmaps/m"
    content = {"kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"split.conf": split(0.0), "other": "kept"}}
    memory = Memory({path: content})
    assert SETTINGS.cluster is not None
    place = Cluster(memory, SETTINGS.cluster, Nginx(), path)  # type: ignore[arg-type]
    place.write(place.read(), State("r", "1", "2", weight=0.1))
    found = memory.objects[path]
    assert "10.00% canary;" in found["data"]["split.conf"]
    assert (found["data"]["other"], ANNOTATION in found["metadata"]["annotations"]) == ("kept", True)
    assert place.read().right


class Clock:
    """Seconds that only grow."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def lease(memory: Memory, name: str, clock: Clock) -> Lease:
    """A claim on the lease of the world."""
    return Lease(memory, SPACE, "m-rollout", name, clock)  # type: ignore[arg-type]


def test_a_lease_has_one_holder_until_it_was_not_renewed_for_its_time() -> None:
    memory, clock = Memory({}), Clock()
    one, other = lease(memory, "one", clock), lease(memory, "other", clock)
    assert one.held()
    assert not other.held()
    clock.time = SECONDS - 1
    assert one.held()
    assert not other.held()
    clock.time += SECONDS - 1
    assert not other.held()
    clock.time += 2
    assert other.held()
    assert not one.held()
    assert memory.objects[LEASE]["spec"]["leaseTransitions"] == 1


def test_a_lease_that_was_given_up_is_free_at_once() -> None:
    memory, clock = Memory({}), Clock()
    one, other = lease(memory, "one", clock), lease(memory, "other", clock)
    assert one.held()
    other.resign()
    assert not other.held()
    one.resign()
    assert other.held()


def test_two_that_claim_a_lease_at_once_are_one_holder() -> None:
    memory, clock = Memory({}), Clock()
    one, other = lease(memory, "one", clock), lease(memory, "other", clock)

    def before(method: str, path: str) -> None:
        if method == "POST":
            memory.before = lambda *_: None
            assert other.held()

    memory.before = before
    assert not one.held()


def test_the_times_in_a_lease_say_nothing() -> None:
    """Written by a machine whose clock is a year ahead, or behind."""
    for moment in ("2000-01-01T00:00:00.000000Z", "2100-01-01T00:00:00.000000Z"):
        spec = {"holderIdentity": "dead", "leaseDurationSeconds": 30, "renewTime": moment}
        memory, clock = Memory({LEASE: {"metadata": {"name": "m-rollout"}, "spec": spec}}), Clock()
        one = lease(memory, "one", clock)
        assert not one.held()
        clock.time = 31
        assert one.held()


def test_credentials_reach_the_api_and_no_message() -> None:
    seen: list[Any] = []

    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            self.send_response(403)
            self.end_headers()
            self.wfile.write(b'{"message": "forbidden: no rights"}')

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    with pytest.raises(Unreachable, match="403 forbidden: no rights") as raised:
        api(f"http://127.0.0.1:{server.server_address[1]}", token="s3cret").get(ROUTE)
    server.shutdown()
    server.server_close()
    assert seen == ["Bearer s3cret"]
    assert "s3cret" not in str(raised.value)
