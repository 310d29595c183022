"""The script that runs nginx: by a real shell, with the real nginx."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlopsgen.contract.split import split
from tests.targets.nginx.serving import Nginx, watching
from tests.targets.nginx.specs import routing
from tests.traffic.client import Answer, Load, ask
from tests.traffic.programs import listens, until
from tests.traffic.upstreams import Upstream, named_upstreams

REFUSED = "the split is refused; the one in use stays"
TAKEN = "the split changed"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    with named_upstreams(tmp_path_factory.mktemp("servers"), "champion", "canary") as found:
        yield found


def answers(found: Nginx, count: int = 20) -> set[tuple[int, str]]:
    """Different answers to some requests, each over a connection of its own."""
    return {(answer.status, answer.body) for answer in (ask(found.port) for _ in range(count))}


def takes(found: Nginx, share: float, wanted: str) -> float:
    """Mount a split; seconds until nobody is answered by another version."""
    found.mount(split(share))
    return until(lambda: answers(found) == {(200, wanted)}, f"everybody is on the {wanted}", 10)


def test_a_changed_split_is_taken_over(servers: dict[str, int], tmp_path: Path) -> None:
    with watching("sticky", tmp_path, servers, split(0)) as found:
        assert answers(found) == {(200, "champion")}
        assert takes(found, 1, "canary") < 5
        assert takes(found, 0, "champion") < 5
        until(lambda: found.log.count(TAKEN) == 2, "the log tells of both")


@pytest.mark.parametrize("broken", ["", "split_clients", split(0.5).replace("50.00%", "0%"), "events {}", "map {"])
def test_a_broken_split_is_refused_and_the_old_one_stays(broken: str, servers: dict[str, int], tmp_path: Path) -> None:
    with watching("plain", tmp_path, servers, split(1)) as found:
        with Load(found.port, clients=1) as load:
            found.mount(broken)
            until(lambda: REFUSED in found.log, "the split is refused")
            before = load.sent
            until(lambda: load.sent > before + 50, "requests are sent")
        assert set(load.answers) == {(200, "canary")}
        assert load.lost == []
        assert found.log.count(REFUSED) == 1, "it is not tried again at once"
        takes(found, 0, "champion")


def test_a_start_with_a_broken_split_leads_to_the_champion(servers: dict[str, int], tmp_path: Path) -> None:
    with watching("sticky", tmp_path, servers, "100% canary;") as found:
        assert answers(found) == {(200, "champion")}
        assert "everybody goes to the champion" in found.log
        takes(found, 1, "canary")


def test_a_start_with_a_broken_configuration_fails(servers: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ended"), watching("plain", tmp_path, {"champion": 99999}, split(0)):
        pass


@pytest.mark.parametrize("keep", [False, True], ids=["new-connections", "kept-connections"])
def test_twenty_changes_under_load_lose_no_request(keep: bool, servers: dict[str, int], tmp_path: Path) -> None:
    with watching("sticky", tmp_path, servers, split(0)) as found, Load(found.port, keep=keep) as load:
        for count in range(1, 21):
            found.mount(split((0.05, 1, 0.5, 0)[count % 4]))
            until(lambda count=count: found.log.count(TAKEN) == count, f"change {count} is taken over")  # type: ignore[misc]
        sent = load.sent
        until(lambda: load.sent > sent + 500, "requests are sent")
    assert load.lost == []
    assert set(load.answers) == {(200, "champion"), (200, "canary")}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGQUIT])
def test_a_stop_lets_requests_end(how: signal.Signals, tmp_path: Path) -> None:
    with Upstream() as upstream, watching("plain", tmp_path, upstream.both, split(0), settle="1") as found:
        ended: list[Answer] = []
        slow = threading.Thread(target=lambda: ended.append(ask(found.port, path="/slow")))
        slow.start()
        until(lambda: upstream.hits["/slow"] == 1, "the request is under way")
        found.process.send_signal(how)
        assert ask(found.port).status == 200, "requests that still come are answered"
        until(lambda: not listens(found.port), "nginx takes no more")
        assert found.process.poll() is None
        upstream.release.set()
        slow.join(10)
        assert found.process.wait(10) == 0
    assert [answer.status for answer in ended] == [200]


def test_the_script_ends_with_nginx(servers: dict[str, int], tmp_path: Path) -> None:
    with watching("plain", tmp_path, servers, split(0)) as found:
        master = int((tmp_path / "live" / "nginx.pid").read_text(encoding="utf-8"))
        subprocess.run(["kill", "-KILL", str(master)], check=True)
        assert found.process.wait(10) == 137


def test_the_script_needs_no_more_than_a_posix_shell() -> None:
    script = routing("plain")["run.sh"]
    assert subprocess.run(["/bin/sh", "-n"], input=script, text=True, check=False).returncode == 0
    assert script.startswith("#!/bin/sh\n")
    assert not re.search(r"\[\[|\bfunction\b|\blocal\b|<<<|&>", script)
