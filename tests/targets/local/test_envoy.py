"""Envoy on one machine routes as it should."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlopsgen.targets.local import ports
from tests.conftest import tool
from tests.targets.local.serving import Envoy, envoy
from tests.targets.local.specs import SPECS, outputs
from tests.traffic.client import Load, ask, ask_all, streams
from tests.traffic.programs import until
from tests.traffic.shares import Walk, bounds, users, walk
from tests.traffic.upstreams import Upstream, named_upstreams

TESTER = {"user-group": 'no "beta" $x ~\\y'}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    with named_upstreams(tmp_path_factory.mktemp("servers"), "champion", "canary") as found:
        yield found


@pytest.fixture(scope="module")
def sticky(tmp_path_factory: pytest.TempPathFactory, servers: dict[str, int]) -> Iterator[Envoy]:
    """Envoy of a project with sticky users and testers."""
    with envoy("sticky", tmp_path_factory.mktemp("sticky"), servers) as found:
        yield found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, servers: dict[str, int]) -> Iterator[Envoy]:
    """Envoy of the smallest project."""
    with envoy("smallest", tmp_path_factory.mktemp("plain"), servers) as found:
        yield found


@pytest.fixture(scope="module")
def walked(sticky: Envoy) -> Walk:
    return walk(sticky.weighed)


def validate(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Envoy's own verdict on a bootstrap."""
    (folder / "envoy.yaml").write_text(text, encoding="utf-8")
    (folder / ports.ROUTES_FOLDER).mkdir(parents=True, exist_ok=True)
    (folder / ports.ROUTES).touch()
    command = [tool("envoy"), "--mode", "validate", "-c", "envoy.yaml", "--disable-hot-restart"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", [name for name in SPECS if name not in ("argo", "gpu", "no-docker")])
def test_envoy_accepts_the_bootstrap(name: str, tmp_path: Path) -> None:
    result = validate(outputs(name)["local/envoy.yaml"], tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]


@pytest.mark.parametrize(("right", "wrong"), [("rds:", "rdz:"), ("fill_interval: 3600.000s", "fill_interval: 1h")])
def test_envoy_refuses_a_planted_fault(right: str, wrong: str, tmp_path: Path) -> None:
    text = outputs("limit-by-header")["local/envoy.yaml"]
    assert right in text
    assert validate(text.replace(right, wrong), tmp_path).returncode != 0


def test_at_rest_everybody_is_on_the_champion(servers: dict[str, int], tmp_path: Path) -> None:
    with envoy("full", tmp_path, servers) as found:
        answers = ask_all(found.port, [{"x-user-id": user} for user in users(50)] + [{"user-group": "beta-testers"}])
        assert {answer.body for answer in answers} == {"champion"}
        assert found.stats("update_rejected") == {"http.requests.rds.support-assistant.update_rejected": 0}


def test_the_canary_gets_its_share_of_the_users(walked: Walk) -> None:
    assert walked.wrong_shares() == []


def test_no_user_changes_the_version_at_a_fixed_weight(walked: Walk) -> None:
    assert walked.moved() == []


def test_no_user_leaves_the_canary_while_it_grows(walked: Walk) -> None:
    assert walked.left() == []


def test_the_judges_of_the_split_find_planted_faults(sticky: Envoy) -> None:
    def drawn_by_chance(route: dict[str, Any]) -> None:
        del route["weighted_clusters"]["use_hash_policy"]

    def sum_changes(route: dict[str, Any]) -> None:
        canary, champion = route["weighted_clusters"]["clusters"]
        champion["weight"] += canary["weight"]

    def faulty(change: Callable[[dict[str, Any]], None]) -> Walk:
        return walk(lambda weight: sticky.weighed(weight, change), number=300)

    assert faulty(drawn_by_chance).moved()
    other_sums = faulty(sum_changes)
    assert other_sums.left()
    assert other_sums.wrong_shares()


@pytest.mark.parametrize("weight", [5, 50])
@pytest.mark.parametrize("which", ["sticky", "plain"])
def test_requests_without_the_header_are_spread(which: str, weight: int, request: pytest.FixtureRequest) -> None:
    found: Envoy = request.getfixturevalue(which)
    found.weigh(weight)
    low, high = bounds(2000, weight / 100)
    answers = [answer.body for answer in ask_all(found.port, [{}] * 2000)]
    assert low <= answers.count("canary") <= high
    assert 0 < answers[:200].count("canary") < 200, "one connection sees both"


def test_testers_are_always_on_the_canary(sticky: Envoy) -> None:
    sticky.weigh(0)
    named = [{"x-user-id": user} for user in users(100)]
    assert {answer.body for answer in ask_all(sticky.port, [{**each, **TESTER} for each in named])} == {"canary"}
    assert {answer.body for answer in ask_all(sticky.port, named)} == {"champion"}
    others = [{"user-group": value} for value in ('NO "beta" $x ~\\y', 'no "beta" $x ~\\', "", "x")]
    assert {answer.body for answer in ask_all(sticky.port, others)} == {"champion"}


def test_a_project_without_canary_has_one_server(servers: dict[str, int], tmp_path: Path) -> None:
    with envoy("no-canary", tmp_path, servers) as found:
        assert ask(found.port, TESTER).body == "champion"
        assert "cluster.canary" not in ask(found.admin, path="/stats").body


def test_changes_of_the_weight_lose_no_request(sticky: Envoy) -> None:
    with Load(sticky.port) as load:
        taken = [sticky.weigh(weight) for weight in (0, 100, 5, 95) * 5]
        until(lambda: load.sent > 1000, "enough requests were sent")
    assert load.lost == []
    assert set(load.answers) == {(200, "champion"), (200, "canary")}
    assert sorted(taken)[len(taken) // 2] < 1.0


def test_a_broken_file_changes_nothing(sticky: Envoy) -> None:
    def nowhere(route: dict[str, Any]) -> None:
        route["weighted_clusters"]["clusters"][0]["name"] = "nowhere"

    sticky.weigh(100)
    good = sticky.routes(0)
    broken = ["resources: [", "", good.replace("weight: 0", "weight: many"), sticky.routes(50, nowhere)]

    def refused() -> int:
        return sum(sticky.stats("rds.*update_(rejected|failure)").values())

    with Load(sticky.port) as load:
        for text in broken:
            wanted = refused() + 1
            sticky.put(text)
            until(lambda wanted=wanted: refused() >= wanted, f"is refused: {text[:40]!r}")  # type: ignore[misc]
        until(lambda: load.sent > 100, "requests were sent")
    assert load.lost == []
    assert set(load.answers) == {(200, "canary")}
    sticky.weigh(0)
    assert ask(sticky.port).body == "champion"


@pytest.mark.parametrize(("name", "caller"), [("limit-by-header", {"x-user-id": "a"}), ("limit-by-address", {})])
def test_a_caller_is_limited_and_told_when_to_come_back(
    name: str, caller: dict[str, str], servers: dict[str, int], tmp_path: Path
) -> None:
    with envoy(name, tmp_path, servers) as found:
        answers = [ask(found.port, caller, path="/predict") for _ in range(8)]
        assert [answer.status for answer in answers] == [200] * 5 + [429] * 3
        assert {answer.headers.get("retry-after") for answer in answers} == {None, "720"}
        if caller:
            assert ask(found.port, {"x-user-id": "b"}).status == 200, "another caller has a limit of their own"
            unnamed = [ask(found.port).status for _ in range(6)]
            assert unnamed == [200] * 5 + [429], "without the header the address is the caller"


def test_without_a_limit_nobody_is_refused(plain: Envoy) -> None:
    assert {answer.status for answer in ask_all(plain.port, [{}] * 200)} == {200}


@pytest.mark.parametrize(("trusted", "tries"), [("192.0.2.1", 1), ("127.0.0.1", 4)])
def test_nothing_is_tried_twice_unless_the_caller_were_trusted(trusted: str, tries: int, tmp_path: Path) -> None:
    wish = {"x-envoy-retry-on": "5xx,reset,connect-failure", "x-envoy-max-retries": "3"}
    with (
        Upstream() as upstream,
        envoy("smallest", tmp_path, upstream.both, lambda text: text.replace("192.0.2.1", trusted)) as found,
    ):
        assert ask(found.port, wish, path="/fail", body="{}").status == 503
        assert upstream.hits["/fail"] == tries


def test_tokens_leave_as_they_come(tmp_path: Path) -> None:
    with Upstream() as upstream, envoy("smallest", tmp_path, upstream.both) as found:
        assert streams(found.port, upstream)


def test_metrics_are_not_for_callers_and_clusters_have_their_own(plain: Envoy) -> None:
    plain.weigh(50)
    assert [ask(plain.port, path=path).status for path in ("/metrics", "/metrics/x", "//metrics")] == [404] * 3
    ask_all(plain.port, [{}] * 200)
    found = plain.stats("cluster.*upstream_rq_2xx")
    assert found["cluster.champion.upstream_rq_2xx"] > 0
    assert found["cluster.canary.upstream_rq_2xx"] > 0


def test_envoy_gives_up_later_than_the_app() -> None:
    [configuration] = yaml.safe_load(outputs("custom")["local/routes.yaml"])["resources"]
    routes = [each["route"] for each in configuration["virtual_hosts"][0]["routes"] if "route" in each]
    assert {route["timeout"] for route in routes} == {"100s"}
