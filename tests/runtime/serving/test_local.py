"""`mlops-runtime serve` as people start it, with a small model in the process."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import openai
import pytest
from mlops_runtime.errors import Mistaken
from mlops_runtime.serving import model, serve, service, settings

from tests.conftest import ROOT
from tests.runtime.serving.engines.conftest import folder
from tests.runtime.serving.fake import made
from tests.runtime.serving.running import CLIENT, free_port, running, status, until

__all__ = ["folder"]

SERVE = [sys.executable, "-m", "mlops_runtime", "serve"]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLOPS_", "MLFLOW_", "OTEL_"))}
    return {**kept, "PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **more}


def project(place: Path, model: str, task: str, **serving: Any) -> int:
    """A project after `dvc repro`; the port that it serves at."""
    port = free_port()
    shutil.copytree(model, place / "models" / "model")
    params = {"model": {"name": "tiny", "task": task, "preprocess": []}, "train": {"precision": "fp32"}}
    (place / "params.yaml").write_text(json.dumps(params))
    options = {"port": port, "max_input_tokens": 100, "max_output_tokens": 40, **serving}
    (place / "mlops.yaml").write_text(f"version: 1\nproject: {{name: tiny}}\nserving: {json.dumps(options)}\n")
    return port


@contextmanager
def served(place: Path, port: int, **more: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Address and process of a server that is ready."""
    log = (place / "log").open("w")
    process = subprocess.Popen(
        SERVE, cwd=place, env=environment(**more), stdout=log, stderr=subprocess.STDOUT, text=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: process.poll() is not None or status(url + "/readyz") == 200, 120, "the server")
        assert process.poll() is None, (place / "log").read_text()
        yield url, process
    finally:
        process.kill()
        process.wait()
        log.close()


def test_serve_just_works_in_a_project_and_ends_with_0(tmp_path: Path, folder: Callable[..., str]) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = folder("llama", "instruction-tuning")
    port = project(tmp_path, place, "instruction-tuning")
    network, tokenizer = AutoModelForCausalLM.from_pretrained(place).eval(), AutoTokenizer.from_pretrained(place)
    messages: Any = [{"role": "user", "content": "one two"}]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    with torch.inference_mode():
        wanted = network.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False)[0, len(ids) :].tolist()
        logits = network(torch.tensor([ids])).logits[0].log_softmax(-1)
    text = tokenizer.decode(wanted, skip_special_tokens=True)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    with (
        closing(Collector()) as collector,
        served(tmp_path, port, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as (
            url,
            process,
        ),
    ):
        body: dict[str, Any] = {"prompt": "one two", "max_tokens": 12}
        found = CLIENT.post(url + "/predict", json=body, headers=headers, timeout=30).json()
        assert found["generated_text"] == text
        assert (found["input_tokens"], found["output_tokens"]) == (len(ids), len(wanted))
        client = openai.OpenAI(base_url=url + "/v1", api_key="x", max_retries=0)
        chat = client.chat.completions.create(model="tiny", messages=messages, max_tokens=12, temperature=0)
        assert chat.choices[0].message.content == text
        stream = client.chat.completions.create(
            model="tiny", messages=messages, max_tokens=12, temperature=0, stream=True
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == text
        scored = client.completions.create(
            model="tiny", prompt=ids, echo=True, logprobs=1, max_tokens=0,
            extra_body={"return_tokens_as_token_ids": True},
        ).choices[0].logprobs  # fmt: skip
        assert scored is not None
        exact = [float(logits[place, token]) for place, token in enumerate(ids[1:])]
        assert (scored.token_logprobs or [])[1:] == pytest.approx(exact, abs=1e-4)
        for top, row in zip((scored.top_logprobs or [])[1:], logits[:-1], strict=True):
            best = max(top, key=top.__getitem__)
            assert best == f"token_id:{int(row.argmax())}"
            assert top[best] == pytest.approx(float(row.max()), abs=1e-4)
        body = {"prompt": "one two", "max_tokens": 40, "stream": True, "temperature": 1.0}
        with httpx.stream("POST", url + "/v1/completions", json=body, timeout=30) as answer:
            next(answer.iter_lines())
        active = 'model_active_requests{model_name="tiny",variant="champion"} 0.0'
        until(lambda: active in CLIENT.get(url + "/metrics").text)
        found = CLIENT.get(url + "/version").json()
        assert (found["model"], found["version"], found["variant"]) == ("tiny", "local", "champion")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert any(bytes.fromhex(trace) in sent and b"POST /predict" in sent for sent in collector.bodies)
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert events[:2] == ["loading", "ready"]
    assert events[-1] == "stopped"
    assert events.count("request") == 6


def test_serve_classifies(tmp_path: Path, folder: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, folder("llama", "text-classification"), "text-classification")
    monkeypatch.chdir(tmp_path)
    given = settings.read()
    found = model.found(given)
    with running(service.made(given, found, serve.engine(given, found), None)) as server:
        for one in server.post("/predict", {"prompts": ["one two", "ten"]}).json():
            assert set(one["scores"]) == {"long", "odd", "short"}
            assert sum(one["scores"].values()) == pytest.approx(1, abs=1e-5)
            assert one["label"] == max(one["scores"], key=one["scores"].get)
        assert "model_output_tokens" not in server.get("/metrics").text


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda model: (model / "model.safetensors").unlink(), "the weights of models/model cannot be loaded"),
        (lambda model: (model / "model.safetensors").write_bytes(b"x" * 99), "the weights of models/model cannot be"),
        (lambda model: (model / "mlops.json").unlink(), "there is no models/model/mlops.json"),
    ],
)
def test_a_model_that_does_not_load_is_a_mistake(
    tmp_path: Path, folder: Callable[..., str], monkeypatch: pytest.MonkeyPatch, damage: Any, text: str
) -> None:
    project(tmp_path, folder("llama", "causal-lm"), "causal-lm")
    damage(tmp_path / "models" / "model")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serve.logs, "install", lambda: None)
    with pytest.raises(Mistaken, match=text):
        serve.serve()


def test_a_port_that_is_taken_is_a_mistake() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Mistaken, match=f"port {port} cannot be listened at"):
            asyncio.run(serve.run(made(port=port), "127.0.0.1"))


@pytest.mark.parametrize(
    ("cpu", "set_", "found"),
    [(None, None, None), (0.5, None, 1), (1.5, None, 2), (4000.0, None, os.cpu_count()), (2.0, "1", None)],
)
def test_torch_gets_the_cores_that_the_server_asked_for(
    monkeypatch: pytest.MonkeyPatch, cpu: float | None, set_: str | None, found: int | None
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if set_ is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", set_)
    assert serve.threads(cpu) == found


class Collector:
    """Takes what is sent to an OpenTelemetry collector."""

    def __init__(self) -> None:
        bodies: list[bytes] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self.bodies = bodies
        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()
