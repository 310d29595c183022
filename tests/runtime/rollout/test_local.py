"""One machine: files, a real Envoy that is told the weights, and the command as people call it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from mlops_runtime.endpoint import Endpoint
from mlops_runtime.errors import Mistaken
from mlops_runtime.rollout import actions
from mlops_runtime.rollout.places.base import Conflict, Unreachable
from mlops_runtime.rollout.places.local import PATIENCE, Local
from mlops_runtime.rollout.routers.envoy import Envoy
from mlops_runtime.rollout.state import State

from tests.conftest import ROOT
from tests.runtime.rollout.test_routers import envoy as routes
from tests.runtime.rollout.world import STEPS, settings_file


class Server:
    """A model server's head: which version it has, and whether it is ready."""

    def __init__(self, version: str = "1") -> None:
        self.version, self.ready, outer = version, True, self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                ready = outer.ready or self.path != "/readyz"
                body = json.dumps({"version": outer.version}).encode()
                self.send_response(200 if ready else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def servers() -> Iterator[dict[str, Server]]:
    found = {"champion": Server("1"), "canary": Server("2")}
    yield found
    for one in found.values():
        one.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `mlopsgen up` has laid out."""
    (tmp_path / "envoy").mkdir()
    (tmp_path / "envoy" / "routes.yaml").write_text(json.dumps(routes()), encoding="utf-8")
    (tmp_path / "servers.json").write_text('{"champion": {"version": "1"}}', encoding="utf-8")
    return tmp_path


def given(folder: Path, servers: dict[str, Server], envoy: str = "http://127.0.0.1:9") -> dict[str, str]:
    """Section `local` of the settings."""
    content = json.loads(settings_file(folder).read_text(encoding="utf-8"))["local"]
    return {**content, "envoy": envoy, **{name: server.url for name, server in servers.items()}}


Maker = Callable[..., Local]


@pytest.fixture
def local(folder: Path, servers: dict[str, Server]) -> Maker:
    def make(challenger: str | None = "2", clock: Callable[[], float] = time.monotonic) -> Local:
        return Local(given(folder, servers), Envoy(100), lambda: challenger, clock)

    return make


def test_state_and_weights_are_written_and_read(local: Maker, folder: Path) -> None:
    place = local()
    held = place.read()
    assert (held.state, held.share, held.right) == (None, 0, True)
    place.write(held, State("r", "1", "2", weight=0.25))
    again = local().read()
    assert again.state == State("r", "1", "2", weight=0.25)
    assert (again.share, again.right) == (0.25, True)
    with pytest.raises(Conflict):
        place.write(held, State("r", "1", "2", weight=0.5))
    assert local().read().share == 0.25


def test_killed_between_state_and_weights_it_is_seen_that_the_weights_are_not_right(
    local: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlops_runtime.rollout.places import local as module

    real = module.atomic.write

    def write(path: str, content: bytes) -> None:
        if path.endswith("routes.yaml"):
            raise KeyboardInterrupt
        real(path, content)

    monkeypatch.setattr(module.atomic, "write", write)
    place = local()
    with pytest.raises(KeyboardInterrupt):
        place.write(place.read(), State("r", "1", "2", weight=0.25))
    monkeypatch.undo()
    held = local().read()
    assert held.state is not None
    assert (held.state.weight, held.share, held.right) == (0.25, 0, False)
    local().write(held, held.state)
    assert local().read().right


def test_without_a_machine_or_with_a_broken_state_it_says_what_to_do(local: Maker, folder: Path) -> None:
    state = folder / "rollout" / "state.json"
    place = local()
    for text in ("{", "[]", '{"format": 9}', '{"format": 1, "points": [], "decisions": []}', "null"):
        state.write_text(text, encoding="utf-8")
        with pytest.raises(Mistaken, match=r"remove it|another version"):
            place.read()
    state.unlink()
    (folder / "envoy" / "routes.yaml").unlink()
    with pytest.raises(Unreachable, match="mlopsgen up"):
        place.read()


@pytest.mark.parametrize("change", [{"weight": float("nan")}, {"weight": 2}, {"phase": "x"}, {"step": 0.5}])
def test_a_state_with_nonsense_in_it_is_refused(local: Maker, folder: Path, change: dict[str, Any]) -> None:
    from mlops_runtime.rollout.state import written

    content = json.loads(written(State("r", "1", "2"))) | change
    place = local()
    (folder / "rollout" / "state.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(Mistaken, match="holds no rollout"):
        place.read()


def test_a_server_is_ready_when_it_serves_the_version_it_should(local: Maker, servers: dict[str, Server]) -> None:
    place = local()
    assert place.servers("canary").version is None
    place.prepare(None)
    assert place.servers("canary").ready == 1
    servers["canary"].version = "7"
    assert (place.servers("canary").ready, place.servers("canary").stuck) == (0, "")
    servers["canary"].version, servers["canary"].ready = "2", False
    assert place.servers("canary").ready == 0


def test_a_server_that_never_becomes_ready_is_stuck(local: Maker, servers: dict[str, Server]) -> None:
    now = [0.0]
    place = local(clock=lambda: now[0])
    place.prepare(None)
    servers["canary"].ready = False
    place.servers("canary")
    now[0] = PATIENCE + 1
    assert "log" in place.servers("canary").stuck
    servers["canary"].ready = True
    assert place.servers("canary").stuck == ""


def test_versions_move_from_canary_to_champion(local: Maker, folder: Path) -> None:
    place = local()
    assert place.prepare(None) == "2"
    place.replace()
    place.scale(0)
    assert json.loads((folder / "servers.json").read_text(encoding="utf-8")) == {"champion": {"version": "2"}}
    with pytest.raises(Mistaken, match="champion already"):
        place.prepare("2")
    with pytest.raises(Mistaken, match="no challenger"):
        local(challenger=None).prepare(None)
    (folder / "servers.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(Mistaken, match="no list of servers"):
        place.servers("champion")


def test_only_one_controller_leads(local: Maker) -> None:
    one, other = local(), local()
    assert one.leads()
    assert one.leads()
    assert not other.leads()
    one.resign()
    assert other.leads()
    other.resign()


def test_actions_one_after_the_other(local: Maker) -> None:
    place = local()
    assert actions.abort(place) is None
    for change in (actions.pause, actions.resume, actions.promote):
        with pytest.raises(Mistaken, match="there is none"):
            change(place)
    state = actions.start(place, None, STEPS)
    assert actions.start(place, "2", STEPS) == state
    with pytest.raises(Mistaken, match="version 2 is under way"):
        actions.start(place, "3", STEPS)
    assert actions.pause(place).phase == "paused"
    assert actions.pause(place).phase == "paused"
    assert actions.resume(place).phase == "running"
    assert actions.promote(place).phase == "promoting"
    with pytest.raises(Mistaken, match="mlops-runtime rollback"):
        actions.abort(place)


def test_watching_ends_with_the_rollout_and_not_later_than_asked(local: Maker) -> None:
    place, now = local(), [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        held = place.read()
        if now[0] > 10 and held.state is not None and held.state.active:
            place.write(held, State("r", "1", "2", phase="rolled_back"))

    with pytest.raises(Mistaken, match="rollout start"):
        list(actions.watch(place, 60, lambda: now[0], sleep))
    actions.start(place, None, STEPS)
    seen = [state.phase for state in actions.watch(place, 60, lambda: now[0], sleep)]
    assert seen == ["running", "rolled_back"]
    actions.start(place, None, STEPS)
    with pytest.raises(Mistaken, match="after 1 s the rollout is still running"):
        list(actions.watch(place, 1, lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds)))


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens at."""
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


def until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait for it."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, what
        time.sleep(0.05)


class RealEnvoy:
    """Envoy with the example's configuration, in front of two servers."""

    def __init__(self, folder: Path, servers: dict[str, Server]) -> None:
        self.listen, self.admin = free_ports(2)
        text = (ROOT / "examples/support-assistant/local/envoy.yaml").read_text(encoding="utf-8")
        changes = {
            "port_value: 8080": f"port_value: {self.listen}",
            "port_value: 9901": f"port_value: {self.admin}",
            "port_value: 18000": f"port_value: {servers['champion'].url.rpartition(':')[2]}",
            "port_value: 18001": f"port_value: {servers['canary'].url.rpartition(':')[2]}",
            ".mlops/envoy": str(folder / "envoy"),
        }
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        self._config = folder / "envoy.yaml"
        self._config.write_text(text, encoding="utf-8")
        self.place = Local(given(folder, servers, f"http://127.0.0.1:{self.admin}"), Envoy(100), lambda: "2")
        self.start()

    def start(self) -> None:
        binary = shutil.which("envoy") or str(Path(sys.executable).with_name("envoy"))
        options = ["--concurrency", "1", "--disable-hot-restart", "-l", "error"]
        self._process = subprocess.Popen(
            [binary, "-c", str(self._config), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def set(self, weight: float) -> State:
        """Write a weight and wait until Envoy has it."""
        state = State("r", "1", "2", weight=weight)
        self.place.write(self.place.read(), state)
        until(lambda: self.place.settled(state), "Envoy does not take the weights")
        return state

    def endpoint(self, **headers: str) -> Endpoint:
        return Endpoint(f"http://127.0.0.1:{self.listen}", headers=headers)


@pytest.fixture
def real_envoy(folder: Path, servers: dict[str, Server]) -> Iterator[RealEnvoy]:
    found = RealEnvoy(folder, servers)
    try:
        until(lambda: found.place.settled(State("r", "1", "2")), "Envoy does not come up")
        yield found
    finally:
        found.kill()


def test_a_real_envoy_does_what_was_written_and_says_so(real_envoy: RealEnvoy) -> None:
    for weight in (0.25, 1.0, 0.0):
        real_envoy.set(weight)
        assert not real_envoy.place.settled(State("r", "1", "2", weight=0.77))
    assert real_envoy.endpoint().get("/version").json() == {"version": "1"}
    real_envoy.set(0.05)
    assert real_envoy.endpoint(**{"user-group": "beta-testers"}).get("/version").json() == {"version": "2"}


def test_an_envoy_that_was_killed_comes_back_with_the_weights_of_now(real_envoy: RealEnvoy) -> None:
    state = real_envoy.set(0.25)
    real_envoy.kill()
    assert not real_envoy.place.settled(state)
    real_envoy.start()
    until(lambda: real_envoy.place.settled(state), "Envoy does not come back")
    assert real_envoy.place.read().right


def test_no_request_is_lost_by_twenty_changes_of_the_weights(real_envoy: RealEnvoy) -> None:
    ended, statuses = Event(), list[int]()

    def ask() -> None:
        while not ended.is_set():
            # Each request from a user of its own: the example limits how many one may send.
            endpoint = real_envoy.endpoint(**{"x-user-id": uuid.uuid4().hex})
            statuses.append(endpoint.get("/version").status)

    callers = [Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        for turn in range(20):
            real_envoy.set((0.0, 0.5, 1.0)[turn % 3])
    finally:
        ended.set()
        for caller in callers:
            caller.join()
    assert len(statuses) > 100
    assert set(statuses) == {200}


def command(folder: Path, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """The program as people call it."""
    environment = {**os.environ, "MLOPS_CONFIG": str(folder / "settings.json")}
    return subprocess.run(
        [sys.executable, "-m", "mlops_runtime", "rollout", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False, **more,
    )  # fmt: skip


def test_the_command_shows_and_changes_and_the_controller_ends_cleanly(
    folder: Path, servers: dict[str, Server]
) -> None:
    (port,) = free_ports(1)
    settings_file(folder, local=given(folder, servers), port=port)
    assert "no rollout yet" in command(folder, "status").stdout
    started = command(folder, "start", "--model-version", "2")
    assert (started.returncode, "version 2 against version 1" in started.stderr) == (0, True)
    found = json.loads(command(folder, "status", "--format", "json").stdout)
    assert (found["canary"], found["phase"], found["steps"]) == ("2", "running", [0.05, 0.25, 0.5, 1.0])
    environment = {**os.environ, "MLOPS_CONFIG": str(folder / "settings.json")}
    running = subprocess.Popen(
        [sys.executable, "-m", "mlops_runtime", "rollout", "run"],
        cwd=folder, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        endpoint = Endpoint(f"http://127.0.0.1:{port}")
        until(lambda: _weight(endpoint) == "0.05", "the controller does not begin")
        status = folder / "rollout" / "status.json"
        until(lambda: status.exists() and json.loads(status.read_text("utf-8"))["weight"] == 0.05, "no account of it")
        aborted = command(folder, "abort")
        assert (aborted.returncode, "aborted by hand" in aborted.stderr) == (0, True)
        assert json.loads((folder / "rollout" / "state.json").read_text(encoding="utf-8"))["weight"] == 0
    finally:
        running.send_signal(signal.SIGTERM)
        out, _ = running.communicate(timeout=20)
    assert running.returncode == 0
    assert '"event":"stopped"' in out
    watched = command(folder, "watch", "--timeout", "1s")
    assert (watched.returncode, "still rolling_back" in watched.stderr) == (2, True)


def _weight(endpoint: Endpoint) -> str:
    from mlops_runtime.endpoint import Unanswered

    try:
        lines = endpoint.get("/metrics").body.decode().splitlines()
    except Unanswered:
        return ""
    return next((line.rpartition(" ")[2] for line in lines if line.startswith("model_rollout_weight{")), "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("watch", "--timeout", "soon"), "expected a time"),
        (("status", "--environment", "nowhere"), "there is no deploy/nowhere/controller.yaml"),
    ],
)
def test_a_mistake_is_told_in_a_line(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    settings_file(folder)
    found = command(folder, *arguments)
    assert (found.returncode, "Traceback" in found.stderr, said in found.stderr) == (2, False, True)
