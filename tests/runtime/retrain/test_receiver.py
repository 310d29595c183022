"""From a webhook of Alertmanager to a training: who may, how often, what is remembered."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import mlflow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlops_runtime.endpoint import Endpoint
from mlops_runtime.listening import LARGEST, listening
from mlops_runtime.retrain import records
from mlops_runtime.retrain.receiver import Receiver, found
from mlops_runtime.retrain.settings import Settings, settings
from mlops_runtime.retrain.starting import Commands, Dispatch, Failed
from mlops_runtime.retrain.webhook import Unreadable, reasons

TOKEN = "secret-of-the-webhook"
GIVEN = Settings("m", "acme/x", (), 2, 60.0)


def webhook(*names: str, status: str = "firing", retrain: str = "true", **labels: str) -> bytes:
    """What Alertmanager posts."""
    alerts = [{"status": status, "labels": {"alertname": name, "retrain": retrain, **labels}} for name in names]
    return json.dumps({"version": "4", "status": status, "alerts": alerts}).encode()


class Starter:
    """Notes what is started."""

    def __init__(self) -> None:
        self.busy, self.broken = False, False
        self.started: list[str] = []

    def start(self, reason: str, ended: Callable[[bool], None]) -> None:
        if self.broken:
            raise Failed("GitHub does not answer")
        self.started.append(reason)

    def stop(self) -> None:
        self.busy = False


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A real registry; each test has a model of its own in it."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def model(store: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    name = "".join(char if char.isalnum() else "-" for char in request.node.name)
    mlflow.MlflowClient(store, store).create_registered_model(name)
    return name


class Clock:
    """The time."""

    def __init__(self) -> None:
        self.time = 1.7e9

    def __call__(self) -> float:
        return self.time


def receiver(model: str, starter: Starter, clock: Clock | None = None) -> Receiver:
    """One that notes."""
    return Receiver(GIVEN._replace(model=model), TOKEN, starter, clock or Clock())


def ask(
    receiving: Receiver, body: bytes = webhook("ModelInputDrift"), token: str = TOKEN
) -> tuple[int, dict[str, Any]]:
    """One call."""
    status, content = receiving.take({"authorization": f"Bearer {token}"}, body)
    return status, json.loads(content)


def test_an_alert_starts_a_training_and_is_remembered(model: str) -> None:
    starter = Starter()
    body = webhook("ModelInputDrift", environment="production", model_name=model, feature="prompt.length")
    assert ask(receiver(model, starter), body) == (
        202,
        {"started": True, "reason": f"ModelInputDrift (production, {model}, prompt.length)"},
    )
    [record] = records.read(model)
    assert (record.state, record.at) == ("started", 1.7e9)
    assert starter.started == [record.reason]


def test_too_soon_and_too_often_is_refused_also_after_a_restart(model: str) -> None:
    starter, clock = Starter(), Clock()
    assert ask(receiver(model, starter, clock))[1]["started"]
    clock.time += 59
    status, said = ask(receiver(model, starter, clock))
    assert (status, said["started"]) == (202, False)
    assert "59 s ago" in said["reason"]
    clock.time += 2
    assert ask(receiver(model, starter, clock))[1]["started"]
    clock.time += 3600
    status, said = ask(receiver(model, starter, clock))
    assert (status, said["started"]) == (202, False)
    assert "2 are allowed" in said["reason"]
    clock.time += 86400
    assert ask(receiver(model, starter, clock))[1]["started"]
    assert len(starter.started) == 3


def test_while_one_runs_no_other_starts(model: str) -> None:
    starter = Starter()
    starter.busy = True
    status, said = ask(receiver(model, starter))
    assert (status, said["started"], "under way" in said["reason"]) == (202, False, True)
    assert records.read(model) == []


def test_one_that_does_not_start_is_tried_again_and_counts_for_nothing(model: str) -> None:
    starter = Starter()
    starter.broken = True
    receiving = receiver(model, starter)
    assert ask(receiving)[0] == 503
    assert [record.state for record in records.read(model)] == ["failed"]
    starter.broken = False
    assert ask(receiving)[1]["started"]


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "ümlaut"])
def test_a_wrong_token_starts_nothing(token: str) -> None:
    starter = Starter()
    status, said = ask(Receiver(GIVEN, TOKEN, starter), token=token)
    assert (status, starter.started) == (401, [])
    assert TOKEN not in said["reason"]


def test_without_a_token_or_a_repository_nobody_starts_anything() -> None:
    assert ask(Receiver(GIVEN, None, Starter()))[0] == 503
    assert ask(Receiver(GIVEN._replace(repository=None), TOKEN))[0] == 503


@pytest.mark.parametrize("body", [webhook(), webhook("A", status="resolved"), webhook("A", retrain="")])
def test_what_asks_for_nothing_starts_nothing(body: bytes) -> None:
    starter = Starter()
    status, said = ask(Receiver(GIVEN, TOKEN, starter), body)
    assert (status, said["started"], starter.started) == (200, False, [])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"alerts": [1]}', b'{"alerts": null}', b"[" * 100_000, b"\xff"])
def test_another_body_is_refused(body: bytes) -> None:
    assert ask(Receiver(GIVEN, TOKEN, Starter()), body)[0] == 400


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_json_breaks_the_reader(content: Any) -> None:
    try:
        assert isinstance(reasons(json.dumps(content).encode()), list)
    except Unreadable:
        pass


def test_a_reason_is_short_and_printable() -> None:
    [reason] = reasons(webhook("A\n\x1b[31m", feature="x" * 10_000))
    assert reason.isprintable()
    assert len(reason) < 200
    assert len(reasons(webhook(*(f"A{number}" for number in range(100))))) == 10


def test_a_registry_that_does_not_answer_is_said_so_that_alertmanager_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    starter = Starter()
    assert ask(Receiver(GIVEN, TOKEN, starter))[0] == 503
    assert starter.started == []


def test_over_http_with_everything_else_refused(model: str) -> None:
    receiving = receiver(model, Starter())
    with listening(lambda: b"", 0, "127.0.0.1", {"/retrain": receiving.take}) as port:
        url = f"http://127.0.0.1:{port}"
        assert Endpoint(url, TOKEN).post("/retrain", webhook("A")).status == 202
        assert Endpoint(url).post("/retrain", webhook("A")).status == 401
        assert Endpoint(url, TOKEN).post("/other", webhook("A")).status == 404
        assert Endpoint(url, TOKEN).get("/retrain").status == 405
        for size in (LARGEST + 1, 8 * LARGEST):
            assert Endpoint(url, TOKEN).post("/retrain", b" " * size).status == 413


@pytest.fixture
def github() -> Iterator[tuple[str, list[tuple[str, str, Any]]]]:
    """Stands in for GitHub's API, of which there is none here."""
    seen: list[tuple[str, str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append((self.path, self.headers["Authorization"], body))
            self.send_response(204 if self.path == "/repos/acme/x/dispatches" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", seen
    server.shutdown()
    server.server_close()


def test_a_dispatch_names_the_reason(
    github: tuple[str, list[tuple[str, str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, seen = github
    monkeypatch.setenv("GITHUB_API_URL", url)
    with pytest.raises(Failed, match="GITHUB_TOKEN is not set"):
        Dispatch("acme/x").start("drift", lambda _: None)
    monkeypatch.setenv("GITHUB_TOKEN", "t0ken")
    Dispatch("acme/x").start("drift", lambda _: None)
    expected = {"event_type": "retrain", "client_payload": {"reason": "drift"}}
    assert seen == [("/repos/acme/x/dispatches", "Bearer t0ken", expected)]
    with pytest.raises(Failed, match="404"):
        Dispatch("acme/y").start("drift", lambda _: None)
    with pytest.raises(Failed, match="no answer"):
        Dispatch("acme/x", "http://127.0.0.1:9").start("drift", lambda _: None)


def python(script: str) -> tuple[str, ...]:
    """A command."""
    return (sys.executable, "-c", script)


def run(*commands: tuple[str, ...]) -> tuple[Commands, list[bool]]:
    """Commands that were started."""
    starting, ended = Commands(commands), list[bool]()
    starting.start("drift", ended.append)
    return starting, ended


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for it."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_commands_run_one_after_the_other(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "order"
    write = "import sys; open({!r}, 'a').write({!r}); print('hello {}')"
    starting, ended = run(*(python(write.format(str(file), name, name)) for name in "ab"))
    until(lambda: ended)
    assert (ended, file.read_text(encoding="utf-8"), starting.busy) == ([True], "ab", False)
    assert '"text":"hello a"' in capfd.readouterr().out


def test_a_command_that_fails_ends_it(tmp_path: Path) -> None:
    file = tmp_path / "never"
    for bad in (python("raise SystemExit(3)"), ("no-such-command",)):
        _, ended = run(bad, python(f"open({str(file)!r}, 'w')"))
        until(lambda ended=ended: ended)  # type: ignore[misc]
        assert ended == [False]
    assert not file.exists()


def test_stopping_ends_a_command_with_all_that_it_started(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    child = f"import os, time; open({str(file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    starting, ended = run(python(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"))
    until(lambda: file.exists() and file.read_text(encoding="utf-8"))
    starting.stop()
    until(lambda: ended)
    assert ended == [False]

    def gone() -> bool:
        try:
            os.kill(int(file.read_text(encoding="utf-8")), 0)
        except ProcessLookupError:
            return True
        return False

    until(gone)


def test_what_settings_ask_for_is_what_starts() -> None:
    section = {"repository": "acme/x", "commands": None, "max_per_day": 1, "min_interval": 0}
    assert isinstance(found(settings("m", section)), Dispatch)
    assert isinstance(found(settings("m", {**section, "commands": [["dvc", "repro"]]})), Commands)
    assert found(settings("m", {**section, "repository": None})) is None
    for bad in ({"max_per_day": 0}, {"min_interval": -1}, {"commands": [[]]}):
        with pytest.raises(ValueError, match="max_per_day"):
            settings("m", section | bad)


def test_records_of_long_ago_are_removed(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "KEPT", 3)
    clock, starter = Clock(), Starter()
    for _ in range(5):
        clock.time += 86401
        assert ask(receiver(model, starter, clock))[1]["started"]
    assert len(records.read(model)) == 3


def test_a_tag_that_is_no_record_is_left_alone(model: str) -> None:
    client = mlflow.MlflowClient()
    for number, value in enumerate(("x", "[]", '{"at": "yesterday"}')):
        client.set_registered_model_tag(model, f"retrain.{number}", value)
    assert records.read(model) == []
