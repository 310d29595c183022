"""The command `bench`: against the real app, and against servers that fail."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mlops_runtime.__main__ import cli
from mlops_runtime.errors import Mistaken
from mlops_runtime.load import caller
from mlops_runtime.load.bench import Load, bench
from mlops_runtime.load.caller import Caller

from tests.runtime.quality.fake import Asked, fake
from tests.runtime.serving.fake import FakeEngine, made
from tests.runtime.serving.running import free_port, running

MODELS = (200, {"data": [{"id": "other"}]})


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["bench", url, *arguments], catch_exceptions=False)


def numbers(url: str, *arguments: str) -> dict[str, Any]:
    result = run(url, *arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    # Servers in this process log to the same standard output.
    lines = [line for line in result.stdout.splitlines() if not line.startswith('{"time":')]
    found: dict[str, Any] = json.loads("\n".join(lines))
    return found


def test_it_measures_the_real_app_and_writes_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("abcdefghij\n")
    monkeypatch.setenv("MLOPS_AUTH_TOKEN", "secret")
    page = tmp_path / "reports/load.html"
    with running(made(FakeEngine(slots=4, step=0.005), token="secret")) as server:
        given = ("--prompts", str(prompts), "--max-tokens", "6", "--requests", "20", "--clients", "2")
        found = numbers(server.url, *given, "--report", str(page))
        assert server.sample("model_requests_total", status="success") == 20
        assert server.sample("model_output_tokens_sum") == 120
    assert (found["requests"], found["answered"], found["errors"]) == (20, 20, {})
    assert (found["interrupted"], found["unfinished"]) == (False, 0)
    assert (found["model"], found["output_tokens"]) == ("tiny", 120)
    assert found["load"] == "2 clients, 20 requests, 6 tokens"
    assert 6 * 0.005 < found["latency"]["p50"] < 1
    assert found["first_token"]["p50"] < found["latency"]["p50"]
    assert found["tokens_per_second"] == pytest.approx(120 / found["seconds"])
    assert 0.005 <= found["per_token"]["p50"] < 0.1
    text = page.read_text()
    assert "data:image/png;base64," in text
    assert "2 clients, 20 requests" in text
    assert "<script" not in text
    assert "abcdefghij" not in text


def test_an_open_loop_for_a_time_and_a_table(tmp_path: Path) -> None:
    picture = tmp_path / "load.png"
    with running(made(FakeEngine(slots=8))) as server:
        given = ("--rate", "40", "--duration", "1", "--max-tokens", "2-4", "--report", str(picture))
        prompts = tmp_path / "prompts.txt"
        prompts.write_text("ab\ncd\n")
        result = run(server.url, *given, "--prompts", str(prompts))
    assert result.exit_code == 0, result.output
    assert "open loop, 40 a second, 1 s, 2-4 tokens" in result.stdout
    assert "to the first token, s" in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_classifier_is_asked_for_labels(tmp_path: Path) -> None:
    long = tmp_path / "long.txt"
    long.write_text("a" * 5000)
    with running(made(FakeEngine(), task="text-classification", max_input_tokens=4000)) as server:
        found = numbers(server.url, "--requests", "5")
        refused = numbers(server.url, "--requests", "1", "--prompts", str(long))
    assert (found["answered"], found["output_tokens"]) == (5, 0)
    assert "first_token" not in found
    assert refused["errors"] == {"400 context_length_exceeded": 1}


def test_refused_requests_are_counted_by_status() -> None:
    with running(made(FakeEngine(), max_input_tokens=5)) as server:
        found = numbers(server.url, "--requests", "4")
    assert (found["answered"], found["errors"]) == (0, {"400 context_length_exceeded": 4})
    assert "latency" not in found


def terminal(command: str) -> tuple[subprocess.Popen[bytes], int]:
    """A process on a terminal of its own, and what reads it."""
    shown, its = pty.openpty()
    process = subprocess.Popen(["sh", "-c", command], stdin=its, stdout=its, stderr=its, start_new_session=True)
    os.close(its)
    return process, shown


def test_it_shows_progress_and_ctrl_c_ends_it_with_what_was_measured(tmp_path: Path) -> None:
    prompts, page = tmp_path / "prompts.txt", tmp_path / "load.html"
    prompts.write_text("abc\nabc !hang\n")
    with running(made(FakeEngine(slots=60), queue=60, timeout=90.0)) as server:
        given = f"--clients 60 --duration 100 --max-tokens 1 --prompts {prompts} --report {page}"
        # Fewer files than clients, as far as the soft limit goes.
        bench = f"{shlex.quote(sys.executable)} -m mlops_runtime bench {server.url} {given}"
        process, shown = terminal(f"stty cols 120 rows 30; ulimit -Sn 40; exec {bench}")
        giving_up = threading.Timer(60, process.kill)
        giving_up.start()
        try:
            # Half of the prompts are never answered: in the end every client waits, and the bar moves on.
            read = b""
            while not re.search(rb"[1-9]\.\d/100\.0 s", read):
                read += os.read(shown, 4096)
            os.kill(process.pid, signal.SIGINT)
            with suppress(OSError):
                while found := os.read(shown, 4096):
                    read += found
            assert process.wait(20) == 130
        finally:
            giving_up.cancel()
            process.kill()
            process.wait()
            os.close(shown)
    text = " ".join(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", read.decode()).split())
    assert "0 failed" in text
    assert "stopped by Ctrl-C; 60 requests under way are not counted" in text
    assert "errors none" in text
    assert "latency, s" in text
    assert "by Ctrl-C" in page.read_text()


def test_ctrl_c_before_anything_was_measured_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: Asked) -> tuple[int, Any]:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)
        return 200, b""

    with fake({"/v1/models": MODELS, "/v1/completions": interrupt}) as server, pytest.raises(KeyboardInterrupt):
        bench(server.url, Load(requests=1))


def test_a_server_that_is_gone_is_counted_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "TIMEOUT", 0.2)

    def vanish(_: Asked) -> tuple[int, Any]:
        time.sleep(0.6)
        return 200, b""

    with fake({"/v1/models": MODELS, "/v1/completions": vanish}) as server:
        assert numbers(server.url, "--requests", "1")["errors"] == {"timeout": 1}
    monkeypatch.setattr(Caller, "_look", _no_look)
    found = numbers(f"http://127.0.0.1:{free_port()}", "--requests", "2", "--clients", "2")
    assert found["errors"] == {"connection": 2}


async def _no_look(_: Caller) -> None:
    pass


def stream(*events: Any, done: bool = True) -> bytes:
    lines = [b"data: " + json.dumps(event).encode() for event in events] + ([b"data: [DONE]"] if done else [])
    return b"\n\n".join([*lines, b""])


PIECE = {"choices": [{"text": "a", "finish_reason": None}]}
END = {"choices": [{"text": "", "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"completion_tokens": 7}}


@pytest.mark.parametrize(
    ("answer", "errors", "tokens"),
    [
        ((200, stream(PIECE, END, USAGE)), {}, 7),
        ((200, stream(PIECE, END, USAGE, done=False)), {"broken": 1}, 0),
        ((200, stream(PIECE)), {"broken": 1}, 0),
        ((200, stream(PIECE, {"error": {"code": "engine_unavailable"}})), {"broken": 1}, 0),
        ((200, b"data: {\n\n"), {"broken": 1}, 0),
        ((200, b"data: []\n\n"), {"broken": 1}, 0),
        ((200, stream(PIECE, done=False), {"Content-Length": "9999"}), {"broken": 1}, 0),
        ((429, {}, {"Retry-After": "0"}), {"429": 1}, 0),
        ((503, b"<html>"), {"503": 1}, 0),
        ((429, {"error": {"code": "queue_full"}}, {"Retry-After": "0"}), {"429 queue_full": 1}, 0),
        ((400, {"error": {"code": None}}), {"400": 1}, 0),
    ],
)
def test_a_stream_that_does_not_end_as_it_should_is_an_error(answer: Any, errors: Any, tokens: int) -> None:
    with fake({"/v1/models": MODELS, "/v1/completions": answer}) as server:
        found = numbers(server.url, "--requests", "1")
    assert (found["errors"], found["output_tokens"], found["model"]) == (errors, tokens, "other")
    assert server.of("/v1/completions")[0].body["stream_options"] == {"include_usage": True}


def test_headers_go_with_every_request() -> None:
    with fake({"/v1/models": MODELS, "/v1/completions": (200, stream(PIECE, END, USAGE))}) as server:
        numbers(server.url, "--requests", "1", "--header", "x-user-id: me")
    assert {asked.headers["x-user-id"] for asked in server.asked} == {"me"}


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        ({}, "names no model"),
        ({"/v1/models": (200, b"<html>")}, "names no model"),
        ({"/v1/models": (401, {})}, r"another token \(401\): set MLOPS_AUTH_TOKEN"),
    ],
)
def test_what_is_no_served_model_is_told(pages: Any, told: str) -> None:
    with fake(pages) as server, pytest.raises(Mistaken, match=told):
        run(server.url)


def test_mistakes_are_told() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    for arguments, told in (
        (("--clients", "2", "--rate", "3"), "either `--clients`"),
        (("--report", "load.pdf"), r"ends in \.html or \.png"),
        (("--max-tokens", "x"), "`--max-tokens`"),
        ((), "does not answer"),
    ):
        with pytest.raises(Mistaken, match=told):
            run(url, *arguments)
    with fake({"/v1/models": MODELS}) as server, pytest.raises(Mistaken, match="no request came within"):
        run(server.url, "--rate", "0.001", "--duration", "0.01")
