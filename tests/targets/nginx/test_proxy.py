"""nginx in front of the app: limits, timeouts, what passes and what does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.targets.nginx.serving import Change, same, serving
from tests.targets.nginx.specs import routing
from tests.traffic.client import ask, streams
from tests.traffic.programs import until
from tests.traffic.upstreams import Upstream, named_upstreams


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    with named_upstreams(tmp_path_factory.mktemp("servers"), "champion", "canary") as found:
        yield found


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as found:
        yield found


@pytest.mark.parametrize(("name", "caller"), [("limit-by-header", {"x-user-id": "a"}), ("limit-by-address", {})])
def test_a_caller_is_limited_and_told_when_to_come_back(
    name: str, caller: dict[str, str], servers: dict[str, int], tmp_path: Path
) -> None:
    with serving(name, tmp_path, servers) as found:
        answers = [ask(found.port, caller, path="/predict") for _ in range(8)]
        assert [answer.status for answer in answers] == [200] * 5 + [429] * 3
        assert {answer.headers.get("retry-after") for answer in answers} == {None, "720"}
        assert json.loads(answers[-1].body) == {"detail": "too many requests"}
        if caller:
            assert ask(found.port, {"x-user-id": "b"}).status == 200, "another caller has a limit of their own"
            unnamed = [ask(found.port).status for _ in range(6)]
            assert unnamed == [200] * 5 + [429], "without the header the address is the caller"


def test_behind_a_load_balancer_the_client_is_the_caller(servers: dict[str, int], tmp_path: Path) -> None:
    with serving(
        "limit-by-address", tmp_path, servers, change=lambda text: text.replace("10.0.0.0/8", "127.0.0.0/8")
    ) as found:
        first = [ask(found.port, {"x-forwarded-for": "192.0.2.1"}).status for _ in range(6)]
        assert first == [200] * 5 + [429]
        assert ask(found.port, {"x-forwarded-for": "192.0.2.2"}).status == 200
        assert ask(found.port, {"x-forwarded-for": "198.51.100.7, 192.0.2.1"}).status == 429, (
            "what a client claims is no address"
        )


def test_an_address_that_no_load_balancer_gave_is_not_believed(servers: dict[str, int], tmp_path: Path) -> None:
    with serving("limit-by-address", tmp_path, servers) as found:
        answers = [ask(found.port, {"x-forwarded-for": f"192.0.2.{n}"}).status for n in range(6)]
        assert answers == [200] * 5 + [429]


@pytest.mark.parametrize("name", ["plain", "limit-large"])
def test_without_a_limit_nobody_is_refused(name: str, servers: dict[str, int], tmp_path: Path) -> None:
    with serving(name, tmp_path, servers) as found:
        assert {ask(found.port).status for _ in range(50)} == {200}


def failures_seen(upstream: Upstream, folder: Path, change: Change = same) -> int:
    """How often a request was sent on whose connection, one that was used before, is closed without an answer."""
    with serving("plain", folder, upstream.both, change=change) as found:
        assert {ask(found.port).status for _ in range(20)} == {200}
        assert ask(found.port, path="/fail").status == 502
    return upstream.hits["/fail"]


def test_nothing_is_tried_twice(upstream: Upstream, tmp_path: Path) -> None:
    assert failures_seen(upstream, tmp_path) == 1


def test_a_second_try_would_be_found(upstream: Upstream, tmp_path: Path) -> None:
    assert failures_seen(upstream, tmp_path, lambda text: text.replace("proxy_next_upstream off;", "")) == 2


def test_tokens_leave_as_they_come(upstream: Upstream, tmp_path: Path) -> None:
    with serving("plain", tmp_path / "nginx", upstream.both) as found:
        assert streams(found.port, upstream)


def test_an_answer_that_comes_at_once_would_be_found(upstream: Upstream) -> None:
    assert not streams(upstream.port, upstream, "/slow")


def test_the_app_sees_who_asks_and_reuses_connections(upstream: Upstream, tmp_path: Path) -> None:
    with serving("plain", tmp_path, upstream.both) as found:
        answer = ask(found.port, {"Authorization": "Bearer x", "X-Forwarded-For": "192.0.2.9"})
    seen = json.loads(answer.body)
    assert seen["host"] == "test"
    assert seen["authorization"] == "Bearer x"
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert len(seen["x-request-id"]) == 32
    assert "connection" not in seen
    assert answer.headers["server"] == "nginx"


def test_large_bodies_are_refused(upstream: Upstream, tmp_path: Path) -> None:
    with serving("plain", tmp_path, upstream.both) as found:
        assert ask(found.port, body="x" * 1_000_000).status == 200
        assert ask(found.port, {"Content-Length": "1200000"}).status == 413


def test_metrics_are_not_for_callers(servers: dict[str, int], tmp_path: Path) -> None:
    with serving("plain", tmp_path, servers) as found:
        paths = ("/metrics", "/metrics/", "//metrics", "/%6detrics", "/x/../metrics", "/metrics?x=1")
        assert {ask(found.port, path=path).status for path in paths} == {404}
        assert {ask(found.port, path=path).status for path in ("/predict", "/healthz", "/metricsx")} == {200}


def test_probes_have_a_port_of_their_own(servers: dict[str, int], tmp_path: Path) -> None:
    with serving("limit-of-one", tmp_path, servers) as found:
        assert [ask(found.probes, path="/healthz").status for _ in range(20)] == [200] * 20
        assert ask(found.probes, path="/predict").status == 404


def test_the_log_is_json_without_secrets(servers: dict[str, int], tmp_path: Path) -> None:
    with serving("sticky", tmp_path, servers, 1) as found:
        secrets = {"Authorization": "Bearer hidden", "Cookie": "session=hidden", "x-user-id": "hidden"}
        ask(found.port, secrets, path='/a"b\\c?token=hidden')
        ask(found.port, path="/%01%ff")
        log = tmp_path / "access.log"
        until(lambda: log.read_bytes().count(b"\n") == 2, "both requests are logged")
    text = log.read_text(encoding="utf-8", errors="surrogateescape")
    assert "hidden" not in text
    first, second = (json.loads(line) for line in text.splitlines())
    assert first["path"] == '/a"b\\c'
    assert (first["variant"], first["status"], first["method"]) == ("canary", 200, "GET")
    assert first.keys() == second.keys()


def test_nginx_gives_up_later_than_the_app() -> None:
    text = routing("slow")["nginx.conf"]
    assert "proxy_read_timeout 100s;" in text
    assert "worker_shutdown_timeout 100s;" in text
    assert "client_max_body_size 7274k;" in text
    assert "server docstrings-champion:9000;" in text
