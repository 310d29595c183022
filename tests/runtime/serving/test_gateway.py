"""The app in front of vLLM and of any other OpenAI-compatible engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlops_runtime.errors import Mistaken
from mlops_runtime.serving.engines.custom import CustomEngine
from mlops_runtime.serving.engines.openai import OpenAIEngine
from mlops_runtime.serving.engines.vllm import VllmEngine

from tests.conftest import ROOT
from tests.runtime.serving.fake import INFO, MODEL, Letters, made, settings
from tests.runtime.serving.running import CLIENT, Running, free_port, running, until
from tests.runtime.serving.test_load import connected
from tests.runtime.serving.test_metrics import shown


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A `vllm` in the search path that is ours; what it was called with stands in `called` beside it."""
    path = tmp_path_factory.mktemp("bin") / "vllm"
    lines = [
        "#!/bin/sh",
        f'echo "$@" >> {path.parent}/called',
        f'exec {sys.executable} -m tests.runtime.serving.upstream "$@"',
    ]
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o755)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
        patched.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'runtime'}")
        patched.chdir(ROOT)
        yield path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    shape = {"max_position_embeddings": 90, "num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32}
    place = tmp_path_factory.mktemp("model")
    (place / "config.json").write_text(json.dumps(shape))
    return MODEL._replace(folder=str(place))


@pytest.fixture(scope="module")
def vllm(program: Path, model: Any) -> Iterator[Running]:
    engine = VllmEngine(model, "float32", 150, 0)
    with running(made(engine, model=model, engine="vllm")) as server:
        yield server


def upstream(port: int) -> subprocess.Popen[bytes]:
    """An engine of somebody else's."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}"}
    command = [sys.executable, "-m", "tests.runtime.serving.upstream", "--port", str(port)]
    return subprocess.Popen(command, env=environment, cwd=ROOT)


@pytest.fixture(scope="module")
def custom() -> Iterator[tuple[Running, subprocess.Popen[bytes], int]]:
    port = free_port()
    process = upstream(port)
    given = settings(engine="custom", preprocess=("strip",))
    engine = CustomEngine(f"http://127.0.0.1:{port}", "tiny", given, 150)
    model = MODEL._replace(folder=None, text=None, info={})
    try:
        with running(made(engine, model=model, engine="custom")) as server:
            yield server, process, port
    finally:
        process.kill()
        process.wait()


def test_answers_come_from_vllm_with_its_tokens(vllm: Running, program: Path) -> None:
    found = vllm.post("/predict", {"prompt": "abc", "max_tokens": 4, "temperature": 0.5, "seed": 3}).json()
    assert (found["generated_text"], found["finish_reason"]) == ("<abc", "length")
    assert (found["input_tokens"], found["output_tokens"]) == (3, 4)
    many = vllm.post("/v1/completions", {"prompt": ["a", "b"], "logprobs": 1, "n": 2}).json()["choices"]
    assert [one["text"] for one in many] == ["<a>", "<a>", "<b>", "<b>"]
    assert many[0]["logprobs"]["token_logprobs"] == [-0.5] * 3
    called = (program.parent / "called").read_text()
    assert "--served-model-name tiny" in called
    assert "--max-model-len 90" in called
    assert "--dtype float32" in called
    assert "--host 127.0.0.1" in called


def test_vllm_scores_token_ids(vllm: Running) -> None:
    body = {"prompt": [65, 66, 67], "echo": True, "max_tokens": 0, "logprobs": 1, "return_tokens_as_token_ids": True}
    found = vllm.post("/v1/completions", body).json()["choices"][0]["logprobs"]
    assert found["token_logprobs"] == [None, -0.25, -0.25]
    assert found["top_logprobs"][1:] == [{f"token_id:{i}": -0.25, "token_id:65": -0.125} for i in (66, 67)]


def test_vllm_classifies(program: Path, model: Any) -> None:
    class Classes(Letters):
        rendering = type("Rendering", (), {"labels": ["no", "yes"]})

    model = model._replace(text=Classes(), info={**INFO, "task": "text-classification"})
    engine = VllmEngine(model, None, 150, 0)
    assert "--runner pooling" in " ".join(engine.command())
    with running(made(engine, model=model, engine="vllm", task="text-classification")) as server:
        found = server.post("/predict", {"prompts": ["a", "b"]}).json()
        assert [one["label"] for one in found] == ["yes", "yes"]
        assert found[0]["scores"] == {"no": 0.25, "yes": 0.75}


def test_metrics_of_vllm_stand_beside_ours_under_the_registry_s_name(vllm: Running) -> None:
    found = shown(vllm.get("/metrics").text)
    assert {name for name in found if name.startswith("vllm:")} == {
        "vllm:num_requests_running", "vllm:generation_tokens_total",
    }  # fmt: skip
    assert "process_cpu_seconds_total" not in found
    assert found["vllm:num_requests_running"]["series"] == {(("engine", "0"), ("model_name", "tiny"))}


def test_what_the_engine_refuses_is_the_caller_s_and_what_fails_is_not(vllm: Running) -> None:
    errors = vllm.sample("model_requests_total", status="error")
    refused = vllm.post("/predict", {"prompt": "!refuse"})
    assert (refused.status_code, "not this one" in refused.json()["error"]["message"]) == (400, True)
    for prompt in ("!fail", "!tear"):
        failed = vllm.post("/predict", {"prompt": prompt})
        assert (failed.status_code, failed.json()["error"]["code"]) == (503, "engine_unavailable")
        assert "memory" not in failed.text
    assert vllm.sample("model_requests_total", status="error") == errors + 2
    assert vllm.sample("model_requests_rejected_total", reason="invalid") == 1
    assert vllm.post("/predict", {"prompt": "abc"}).status_code == 200


def test_a_killed_vllm_is_noticed_counted_and_started_again(vllm: Running, program: Path) -> None:
    pid = vllm.service.engine._process.pid  # type: ignore[attr-defined]
    errors, starts = vllm.sample("model_requests_total", status="error"), (program.parent / "called").read_text()
    connection = connected(vllm, {"prompt": "slow" * 12})
    until(lambda: vllm.sample("model_active_requests") == 1)
    os.kill(pid, signal.SIGKILL)
    assert connection.recv(65536).startswith(b"HTTP/1.1 503")
    connection.close()
    until(lambda: vllm.get("/readyz").status_code == 503)
    assert vllm.post("/predict", {"prompt": "abc"}).status_code == 503
    assert vllm.get("/metrics").status_code == 200
    assert vllm.sample("model_requests_total", status="error") == errors + 2
    until(lambda: vllm.get("/readyz").status_code == 200)
    assert vllm.post("/predict", {"prompt": "abc"}).json()["generated_text"] == "<abc>"
    assert len((program.parent / "called").read_text().splitlines()) == len(starts.splitlines()) + 1


def test_vllm_ends_with_the_server(program: Path, model: Any) -> None:
    engine = VllmEngine(model, None, 150, 0)
    with running(made(engine, model=model, engine="vllm")):
        assert engine._process is not None
        pid = engine._process.pid
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)


def test_a_vllm_that_cannot_start_ends_the_server_with_what_to_do(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "vllm"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = VllmEngine(model, None, 150, 0)
    with pytest.raises(AssertionError, match="vLLM ended with code 3"), running(made(engine, model=model)):
        pass
    program.unlink()
    with pytest.raises(AssertionError, match="there is no vLLM here"), running(made(engine, model=model)):
        pass


def test_an_adapter_is_served_on_its_base(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"r": 12}')
    info = {**INFO, "adapter": True, "base": "acme/base", "revision": "abc"}
    command = " ".join(VllmEngine(MODEL._replace(folder=str(tmp_path), info=info), "bfloat16", 50, 2).command())
    assert command.startswith("vllm serve acme/base --served-model-name tiny-base ")
    assert f"--lora-modules tiny={tmp_path}" in command
    assert "--max-lora-rank 16" in command
    assert "--revision abc" in command
    assert "--tensor-parallel-size 2" in command


def test_a_custom_engine_answers_in_its_own_tokens(custom: tuple[Running, Any, int]) -> None:
    server, _, _ = custom
    assert server.get("/v1/models").json()["data"][0]["id"] == "tiny"
    before = server.sample("model_input_tokens_sum")
    found = server.post("/predict", {"prompt": "  abc ", "max_tokens": 4}).json()
    assert (found["generated_text"], found["finish_reason"]) == ("<abc", "length")
    assert (found["input_tokens"], found["output_tokens"]) == (6, 5), "as the engine counted"
    assert server.sample("model_input_tokens_sum") == before + 6
    chat = {"messages": [{"role": "user", "content": "hi"}], "logprobs": True}
    assert server.post("/v1/chat/completions", chat).json()["choices"][0]["message"]["content"] == "<hi>"
    stream = server.post("/v1/completions", {"prompt": "ab", "stream": True}).text
    assert "".join(json.loads(line[6:])["choices"][0]["text"] for line in stream.splitlines() if "{" in line) == "<ab>"
    scored = server.post("/v1/completions", {"prompt": [1, 2], "echo": True, "max_tokens": 0, "logprobs": 1})
    assert scored.json()["choices"][0]["logprobs"]["token_logprobs"] == [None, -0.25]


def test_a_client_that_vanishes_frees_the_engine(custom: tuple[Running, Any, int]) -> None:
    server, _, _ = custom
    connection = connected(server, {"prompt": "slow" * 12})
    until(lambda: server.sample("model_active_requests") == 1)
    connection.close()
    until(lambda: server.sample("model_active_requests") == 0)
    assert server.sample("model_requests_total", status="cancelled") == 1


def test_a_custom_engine_that_is_killed_is_noticed_and_comes_back(custom: tuple[Running, Any, int]) -> None:
    server, process, port = custom
    errors = server.sample("model_requests_total", status="error")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert server.post("/predict", {"prompt": "abc"}).status_code == 503
    until(lambda: server.get("/readyz").status_code == 503)
    assert server.sample("model_requests_total", status="error") == errors + 1
    again = upstream(port)
    try:
        until(lambda: server.get("/readyz").status_code == 200)
        assert server.post("/predict", {"prompt": "abc"}).status_code == 200
    finally:
        again.kill()
        again.wait()


def test_an_engine_with_several_other_models_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    process = upstream(port)

    class Many(CustomEngine):
        async def _names(self) -> list[str]:
            return ["one", "two"]

    try:
        engine = Many(f"http://127.0.0.1:{port}", "tiny", settings(engine="custom"), 150)
        with pytest.raises(AssertionError, match="has no model 'tiny': it has one, two"), running(made(engine)):
            pass
    finally:
        process.kill()
        process.wait()


def test_an_engine_is_down_when_it_says_so_and_when_it_is_silent_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_runtime.serving.engines.openai.POLL", 0.0)
    looks = [True, None, None, True, None, None, None, None, True, False, None, True]
    seen: list[bool] = []

    class Watched(OpenAIEngine):
        async def _look(self) -> bool | None:
            seen.append(self.healthy)
            if len(seen) > len(looks):
                raise asyncio.CancelledError
            return looks[len(seen) - 1]

    async def work() -> None:
        engine = Watched("http://127.0.0.1:1", "tiny", None, 10)
        engine._healthy = True
        with contextlib.suppress(asyncio.CancelledError):
            await engine._watch()

    asyncio.run(work())
    assert seen[1:] == [True, True, True, True, True, True, False, False, True, False, False, True]


def test_nobody_there_is_waited_for() -> None:
    engine = OpenAIEngine(f"http://127.0.0.1:{free_port()}", "tiny", None, 10)
    with running(made(engine), wait=False) as server:
        assert server.get("/readyz").json() == {"status": "loading"}
        assert (
            server.post("/predict", {"prompt": "a"}).json()["error"]["message"]
            == "the model is being loaded: try again"
        )
        assert CLIENT.get(server.url + "/v1/models").json()["data"][0]["max_model_len"] == 150
    assert Mistaken
