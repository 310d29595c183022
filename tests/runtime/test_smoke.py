"""`mlops-runtime smoke` against a server that answers as a test says, and against the real app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mlops_runtime import smoke
from mlops_runtime.__main__ import cli
from mlops_runtime.errors import Mistaken

from tests.runtime.quality.fake import Asked, Fake, fake
from tests.runtime.serving.fake import FakeEngine, made
from tests.runtime.serving.running import free_port, running

ANSWER = {"generated_text": "Hi", "output_tokens": 2, "input_tokens": 5}
CHAT = {
    "choices": [{"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"completion_tokens": 2},
}
COMPLETION = {"choices": [{"text": "Hi", "finish_reason": "stop"}], "usage": {"completion_tokens": 2}}
ABOUT = {"model": "tiny", "version": "3", "task": "instruction-tuning", "variant": "champion"}


def pages(**changed: Any) -> dict[str, Any]:
    """What a healthy server answers, changed."""
    found = {"readyz": ABOUT, "version": ABOUT, "predict": ANSWER, "v1/completions": COMPLETION, "metrics": {}}
    found["v1/chat/completions"] = CHAT
    return {f"/{path}": (200, body) for path, body in found.items()} | {f"/{k}": v for k, v in changed.items()}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLOPS_AUTH_TOKEN", raising=False)
    monkeypatch.setattr(smoke, "POLL", 0.05)
    monkeypatch.setattr(smoke.smoke, "__defaults__", (0.5,))


def run(server: Fake | str, *arguments: str) -> Result:
    url = server if isinstance(server, str) else server.url
    return CliRunner().invoke(cli, ["smoke", "--url", url, *arguments], catch_exceptions=False)


def test_a_healthy_server_passes_and_is_asked_with_token_and_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_AUTH_TOKEN", "secret")
    with fake(pages()) as server:
        result = run(server, "--header", "user-group: beta-testers", "--header", "x:a:b")
    assert result.exit_code == 0, result.output
    assert "tiny 3, instruction-tuning, champion" in result.stdout
    assert f"{server.url} answers" in result.stdout
    assert [asked.body["prompt"] for asked in server.of("/predict")] == list(smoke.DEFAULTS)
    assert server.of("/v1/completions")[0].body["model"] == "tiny"
    [chat] = server.of("/v1/chat/completions")
    assert chat.body["messages"] == [{"role": "user", "content": smoke.DEFAULTS[0]}]
    for asked in server.asked:
        given = {name: asked.headers[name] for name in ("authorization", "user-group", "x")}
        assert given == {"authorization": "Bearer secret", "user-group": "beta-testers", "x": "a:b"}


def test_the_project_s_own_prompts_are_sent(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/smoke.jsonl").write_text('{"prompt": "one"}\n\n{"prompt": "two"}\n')
    with fake(pages()) as server:
        assert run(server).exit_code == 0
    assert [asked.body["prompt"] for asked in server.of("/predict")] == ["one", "two"]


@pytest.mark.parametrize("line", ["{}", "no json", '{"prompt": ""}', '{"prompt": 3}', "[]"])
def test_prompts_that_are_none_are_told(tmp_path: Path, line: str) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/smoke.jsonl").write_text(f'{{"prompt": "one"}}\n{line}\n')
    with pytest.raises(Mistaken, match=r"tests/smoke\.jsonl:2: expected"):
        smoke.prompts()
    (tmp_path / "tests/smoke.jsonl").write_text("\n")
    with pytest.raises(Mistaken, match="holds no prompt"):
        smoke.prompts()


def failing(asked: Asked) -> tuple[int, Any]:
    return 503, {"error": {"message": "the engine cannot answer", "code": "engine_unavailable"}}


@pytest.mark.parametrize(
    ("changed", "told", "count"),
    [
        ({"predict": failing}, "503 the engine cannot answer", "3 of 8"),
        ({"predict": (200, {**ANSWER, "output_tokens": 0})}, "the answer is empty", "3 of 8"),
        ({"predict": (200, [ANSWER])}, "the answer is not what it should be", "3 of 8"),
        ({"predict": (200, {**ANSWER, "generated_text": None})}, "the answer is empty", "3 of 8"),
        ({"v1/chat/completions": (404, b"no route")}, "404 no route", "1 of 8"),
        ({"v1/chat/completions": (200, {**CHAT, "usage": {"completion_tokens": 0}})}, "message is empty", "1 of 8"),
        ({"predict": (200, {})}, "the answer is not what it should be: KeyError('output_tokens')", "3 of 8"),
        ({"predict": (200, b"<html>")}, "answered no JSON", "3 of 8"),
        ({"v1/completions": (401, {"error": {"message": "a valid bearer token is needed"}})}, "401 a valid", "1 of 8"),
        ({"v1/completions": (200, {**COMPLETION, "usage": {"completion_tokens": 0}})}, "completion is empty", "1 of 8"),
        ({"version": (500, b"oops")}, "500 oops", "1 of 2"),
        ({"version": (200, {})}, "KeyError('model')", "1 of 2"),
    ],
)
def test_what_is_wrong_is_told(changed: Any, told: str, count: str) -> None:
    with fake(pages(**changed)) as server:
        result = run(server)
    assert result.exit_code == 1
    assert told in result.stdout
    assert f"{count} failed" in result.stdout


def test_metrics_may_be_out_of_reach() -> None:
    with fake(pages(metrics=(403, {}))) as server:
        result = run(server)
    assert result.exit_code == 0
    assert "not reachable from here (403)" in result.stdout


def test_it_waits_for_a_server_that_becomes_ready() -> None:
    states = [503, 503, 200]
    with fake(pages(readyz=lambda _: (states.pop(0), {}))) as server:
        assert run(server).exit_code == 0
    assert len(server.of("/readyz")) == 3


@pytest.mark.parametrize("up", [True, False])
def test_a_server_that_does_not_become_ready_fails(up: bool) -> None:
    with fake({"/readyz": (503, {"status": "loading"})}) as server:
        result = run(server if up else f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert "not ready within 0.5 s" in result.stdout
    assert ('503 {"status": "loading"}' if up else "Connection refused") in result.stdout
    assert "1 of 1 failed" in result.stdout


def test_mistakes_of_the_command_line_are_told() -> None:
    assert run("http://x", "--header", "nothing").exit_code == 2
    with pytest.raises(Mistaken, match="'api' is no URL"):
        run("api")


def test_a_model_without_chats_is_not_asked_to_chat() -> None:
    with fake(pages(version=(200, {**ABOUT, "task": "causal-lm"}))) as server:
        assert run(server).exit_code == 0
    assert server.of("/v1/completions")
    assert not server.of("/v1/chat/completions")


@pytest.mark.parametrize("task", ["instruction-tuning", "text-classification"])
def test_the_real_app_passes(task: str) -> None:
    with running(made(FakeEngine(), task=task)) as server:
        result = run(server.url)
    assert result.exit_code == 0, result.output
    assert ("label long, 75.0%" in result.stdout) == (task == "text-classification")
    assert ("completion " in result.stdout) == ("chat " in result.stdout) == (task == "instruction-tuning")


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ({"a": 0.9, "b": 0.3}, "add up to 1.2"),
        ({"a": float("nan")}, "add up to nan"),
        ({"b": 1.0}, "the label is 'a'"),
        ([0.5, 0.5], "the answer is not what it should be"),
    ],
)
def test_scores_of_a_classifier_must_make_sense(scores: Any, told: str) -> None:
    changed = {"version": (200, {**ABOUT, "task": "text-classification"})}
    with fake(pages(**changed, predict=(200, {"label": "a", "scores": scores}))) as server:
        result = run(server)
    assert result.exit_code == 1
    assert told in result.stdout
