"""The engine `vllm` with the real vLLM: `./dev vllm` installs it for the CPU and runs this; minutes, 3 GB of memory."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import openai
import psutil
import pytest
from mlops_runtime import models
from mlops_runtime.serving import model
from mlops_runtime.serving.engines.vllm import VllmEngine

from mlopsgen.contract.metrics import FAMILIES
from tests.runtime.serving.engines.conftest import folder, generated, prompts
from tests.runtime.serving.fake import made, settings
from tests.runtime.serving.running import Running, running, status, until
from tests.runtime.serving.test_load import asked, connected
from tests.runtime.serving.test_metrics import shown

__all__ = ["folder"]

PROGRAM = os.environ.get("MLOPS_TEST_VLLM", "")
pytestmark = [
    pytest.mark.skipif(not PROGRAM, reason="set MLOPS_TEST_VLLM to a vllm executable, as `./dev vllm` does"),
    pytest.mark.timeout(900),
]

SHAPE = {"hidden_size": 128, "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 2048}
START = 400.0
"""Seconds that vLLM takes to compile, at the first start on a slow machine."""

LONG = {"prompt": "one", "max_tokens": 1500}
"""An answer of seconds."""


class Served(NamedTuple):
    """A server in front of vLLM, the model that it serves, and its metrics before the first request."""

    server: Running
    weights: Any
    before: str


def serve(monkeypatch: pytest.MonkeyPatch, place: str, task: str) -> Any:
    """A server around a real vLLM."""
    monkeypatch.setenv("PATH", f"{Path(PROGRAM).parent}:{os.environ['PATH']}")
    kept = {"VLLM_CPU_KVCACHE_SPACE": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    for name, value in kept.items():
        monkeypatch.setenv(name, value)
    sizes = {"max_input_tokens": 400, "max_output_tokens": 1500, "timeout": 60.0, "queue": 100}
    given = settings(engine="vllm", task=task, model_uri=place, **sizes)
    found = model.found(given)
    engine = VllmEngine(found, "float32", 1900, 0)
    return running(made(engine, model=found, **{**sizes, "engine": "vllm", "task": task}), wait=False)


@pytest.fixture(scope="module")
def patched() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as found:
        yield found


@pytest.fixture(scope="module")
def served(patched: pytest.MonkeyPatch, folder: Callable[..., str]) -> Iterator[Served]:
    place = folder("llama", "instruction-tuning", **SHAPE)
    weights = models.load(place, "cpu").model
    with serve(patched, place, "instruction-tuning") as server:
        until(lambda: status(server.url + "/readyz") == 200, START, "vLLM")
        yield Served(server, weights, server.get("/metrics").text)


@pytest.fixture
def vllm(served: Served) -> Running:
    return served.server


@pytest.fixture
def client(vllm: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=vllm.url + "/v1", api_key="none", max_retries=0)


def contract(text: str) -> None:
    """Hold all that is exported against the contract: families, types, names and values of labels."""
    found = shown(text)
    given = settings(engine="vllm")
    wanted = {f.name: f for f in FAMILIES if f.source in ("serving", "vllm") and f.needs is None}
    assert set(found) == set(wanted)
    for name, family in wanted.items():
        assert found[name]["kind"] == family.kind
        for series in found[name]["series"]:
            labels = dict(series)
            assert set(labels) == {label for label, _ in family.labels}, name
            assert labels["model_name"] == given.name
            assert all(labels[label] in values for label, values in family.labels if values)


def test_metrics_are_those_of_the_contract_before_and_after_requests(served: Served) -> None:
    contract(served.before)
    server = served.server
    before = server.sample("vllm:generation_tokens_total")
    assert server.post("/predict", {"prompt": "one two", "max_tokens": 7}).status_code == 200
    until(lambda: server.sample("vllm:generation_tokens_total") == before + 7, what="vLLM's count")
    assert server.sample("vllm:request_success_total", finished_reason="length") >= 1
    contract(server.get("/metrics").text)


def test_answers_are_the_tokens_of_generate(served: Served) -> None:
    given = prompts(32, 40)
    lengths = [4 + 5 * (number % 12) for number in range(32)]
    bodies = [
        {"prompt": prompt, "max_tokens": length, "temperature": 0, "logprobs": 1, "return_tokens_as_token_ids": True}
        for prompt, length in zip(given, lengths, strict=True)
    ]
    found = asyncio.run(asked(served.server.url, bodies, "/v1/completions"))
    for one, prompt, length in zip(found, given, lengths, strict=True):
        said = [int(name.removeprefix("token_id:")) for name in one.json()["choices"][0]["logprobs"]["tokens"]]
        assert said == generated(served.weights, prompt, length)


def test_scores_are_the_network_s(served: Served) -> None:
    import torch

    ids = prompts(1, 40)[0]
    body = {"prompt": ids, "echo": True, "max_tokens": 0, "logprobs": 1, "return_tokens_as_token_ids": True}
    found = served.server.post("/v1/completions", body).json()["choices"][0]["logprobs"]
    with torch.inference_mode():
        wanted = served.weights(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    exact = [float(row[token]) for row, token in zip(wanted, ids[1:], strict=True)]
    assert found["token_logprobs"][1:] == pytest.approx(exact, abs=2e-3)
    for top, row in zip(found["top_logprobs"][1:], wanted, strict=True):
        best = max(top, key=top.__getitem__)
        assert best == f"token_id:{int(row.argmax())}"
        assert top[best] == pytest.approx(float(row.max()), abs=2e-3)


def test_predict_answers_one_and_several_prompts(vllm: Running) -> None:
    one = vllm.post("/predict", {"prompt": "one two", "max_tokens": 9}).json()
    many = vllm.post("/predict", {"prompts": ["one two", "ten"], "max_tokens": 9}).json()
    assert (many[0]["generated_text"], many[0]["output_tokens"]) == (one["generated_text"], one["output_tokens"])
    drawn = [
        vllm.post("/predict", {"prompt": "one", "max_tokens": 20, "temperature": 1.5, "seed": seed}).json()
        for seed in (5, 5, 6)
    ]
    texts = [answer["generated_text"] for answer in drawn]
    assert texts[0] == texts[1] != texts[2]


def test_the_openai_client_completes_and_chats(client: openai.OpenAI) -> None:
    found = client.completions.create(model="tiny", prompt=["one", "two"], n=2, max_tokens=6, temperature=0)
    texts = [choice.text for choice in found.choices]
    assert [choice.index for choice in found.choices] == [0, 1, 2, 3]
    assert texts[0] == texts[1]
    assert texts[2] == texts[3]
    assert found.usage is not None
    assert found.usage.completion_tokens == 24
    messages: Any = [{"role": "user", "content": "one"}]
    chat = client.chat.completions.create(model="tiny", messages=messages, max_tokens=6, temperature=0, logprobs=True)
    said = chat.choices[0].message.content or ""
    assert said == texts[0], "a completion's prompt is the user's turn"
    assert chat.choices[0].finish_reason == "length"
    assert chat.choices[0].logprobs is not None
    assert len(chat.choices[0].logprobs.content or ()) == 6
    stopped = client.completions.create(model="tiny", prompt="one", max_tokens=6, temperature=0, stop=said[2:4])
    assert (stopped.choices[0].text, stopped.choices[0].finish_reason) == (said[: said.index(said[2:4])], "stop")


def test_the_openai_client_streams(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="tiny", prompt="one", max_tokens=30, temperature=0).choices[0].text
    parts = list(client.completions.create(
        model="tiny", prompt="one", max_tokens=30, temperature=0, stream=True, stream_options={"include_usage": True},
    ))  # fmt: skip
    assert "".join(part.choices[0].text for part in parts if part.choices) == whole
    assert len(parts) > 10, "in pieces"
    assert parts[-1].usage is not None
    assert parts[-1].usage.completion_tokens == 30
    messages: Any = [{"role": "user", "content": "one"}]
    chat = client.chat.completions.create(model="tiny", messages=messages, max_tokens=30, temperature=0, stream=True)
    assert "".join(part.choices[0].delta.content or "" for part in chat if part.choices) == whole


def test_the_openai_client_raises_its_errors(client: openai.OpenAI, vllm: Running) -> None:
    with pytest.raises(openai.NotFoundError, match="no model 'other'"):
        client.completions.create(model="other", prompt="a")
    with pytest.raises(openai.BadRequestError, match="401 tokens; at most 400"):
        client.completions.create(model="tiny", prompt=[5] * 401)
    with pytest.raises(openai.BadRequestError, match="the largest is"):
        client.completions.create(model="tiny", prompt=[10**6])
    before = vllm.sample("model_requests_total", status="error")
    body = {"messages": [{"role": "user", "content": "a"}], "temperature": 3}
    assert vllm.post("/v1/chat/completions", body).status_code == 400
    assert vllm.sample("model_requests_total", status="error") == before


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_vanishes_ends_its_request_in_vllm(vllm: Running, stream: bool) -> None:
    until(lambda: vllm.sample("vllm:num_requests_running") == 0)
    cancelled = vllm.sample("model_requests_total", status="cancelled")
    tokens = vllm.sample("vllm:generation_tokens_total")
    body = {**LONG, "stream": stream, "temperature": 0}
    connections = [connected(vllm, body, "/v1/completions") for _ in range(8)]
    until(lambda: vllm.sample("vllm:generation_tokens_total") > tokens and vllm.sample("model_active_requests") == 8)
    for connection in connections:
        connection.close()
    until(lambda: vllm.sample("model_active_requests") == 0)
    until(lambda: vllm.sample("vllm:num_requests_running") == 0)
    assert vllm.sample("model_requests_total", status="cancelled") == cancelled + 8
    assert vllm.sample("vllm:generation_tokens_total") - tokens < 8 * 1500 / 2


def killed(vllm: Running, who: Callable[[int], int]) -> float:
    """Kill a process of vLLM while it answers; seconds until requests are answered again."""
    pid = vllm.service.engine._process.pid  # type: ignore[attr-defined]
    errors = vllm.sample("model_requests_total", status="error")
    tokens = vllm.sample("vllm:generation_tokens_total")
    connections = [connected(vllm, LONG) for _ in range(4)]
    until(lambda: vllm.sample("vllm:generation_tokens_total") > tokens and vllm.sample("model_active_requests") == 4)
    os.kill(who(pid), signal.SIGKILL)
    begin = time.monotonic()
    for connection in connections:
        connection.settimeout(30)
        assert connection.recv(65536).startswith(b"HTTP/1.1 503")
        connection.close()
    until(lambda: status(vllm.url + "/readyz") == 503)
    assert status(vllm.url + "/healthz") == 200
    assert vllm.sample("model_requests_total", status="error") == errors + 4
    assert vllm.post("/predict", {"prompt": "one"}).status_code == 503
    until(lambda: status(vllm.url + "/readyz") == 200, START, "vLLM's return")
    assert vllm.post("/predict", {"prompt": "one", "max_tokens": 5}).status_code == 200
    contract(vllm.get("/metrics").text)
    return time.monotonic() - begin


def test_a_killed_server_of_vllm_is_noticed_counted_and_started_again(vllm: Running) -> None:
    print(f"vLLM's server was back after {killed(vllm, lambda pid: pid):.1f} s")


def test_a_killed_core_of_vllm_is_noticed_counted_and_started_again(vllm: Running) -> None:
    def core(pid: int) -> int:
        found = [one for one in psutil.Process(pid).children() if "EngineCore" in "".join(one.cmdline())]
        return int(found[0].pid)

    print(f"vLLM's core was back after {killed(vllm, core):.1f} s")


def test_nothing_of_vllm_is_left_when_the_server_ends_and_texts_are_classified(
    patched: pytest.MonkeyPatch, folder: Callable[..., str]
) -> None:
    import torch

    place = folder("llama", "text-classification", **SHAPE)
    around = models.interface(place)
    weights = models.load(place, "cpu").model
    with serve(patched, place, "text-classification") as server:
        until(lambda: status(server.url + "/readyz") == 200, START, "vLLM")
        leader = psutil.Process(server.service.engine._process.pid)  # type: ignore[attr-defined]
        family = [leader, *leader.children(recursive=True)]
        texts = ["one two three", "ten"]
        for one, text in zip(server.post("/predict", {"prompts": texts}).json(), texts, strict=True):
            with torch.inference_mode():
                wanted = weights(torch.tensor([around.rendering.prompt(text)])).logits[0].softmax(-1)
            scores = dict(zip(around.rendering.labels, wanted.tolist(), strict=True))
            assert one["scores"] == pytest.approx(scores, abs=2e-3)
            assert one["label"] == max(scores, key=scores.__getitem__)
        assert json.loads(server.get("/version").text)["task"] == "text-classification"
    until(lambda: not any(one.is_running() and one.status() != "zombie" for one in family))
