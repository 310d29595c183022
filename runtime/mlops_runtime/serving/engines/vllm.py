"""vLLM as the engine: its own server in a process of ours, on a port of this machine only; it is kept running."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

import aiohttp

from mlops_runtime.errors import Mistaken
from mlops_runtime.serving import logs, vllm_metrics
from mlops_runtime.serving.engines.base import Broken, Refused
from mlops_runtime.serving.engines.openai import POLL, OpenAIEngine
from mlops_runtime.serving.model import Model
from mlopsgen.contract import ports

PROGRAM = "vllm"
SLOTS = 256
"""Requests in vLLM's batch at most, where memory allows; vLLM's own default on most machines."""

LONGEST_PAUSE = 30.0
"""Seconds between two starts of a vLLM that keeps dying."""

END = 10.0
"""Seconds that vLLM has to end by itself."""

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


class VllmEngine(OpenAIEngine):
    """vLLM's server for a model, which is in a folder here.

    Args:
        model: to serve; an adapter is served on top of its base.
        dtype: of the weights; as stored when None.
        longest: tokens of prompt and answer together; less where the model has fewer positions.
        gpus: that share the model; 0 on a CPU.
    """

    def __init__(self, model: Model, dtype: str | None, longest: int, gpus: int) -> None:
        assert model.folder is not None
        self._model, self._folder, self._dtype, self._gpus = model, model.folder, dtype, gpus
        self._config = _config(model.folder)
        longest = min(longest, self._config.get("max_position_embeddings") or longest)
        self._port = _free()
        super().__init__(f"http://127.0.0.1:{self._port}", model.name, model.text, longest, SLOTS)
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._unfilled: dict[str, float] = {}

    async def start(self) -> None:
        """Start vLLM and wait until it answers; it captures its graphs before it does.

        Raises:
            Mistaken: vLLM is not installed, or it ends.
        """
        await self._spawn()
        assert self._process is not None
        answering = asyncio.ensure_future(super().start())
        ending = asyncio.ensure_future(self._process.wait())
        try:
            await asyncio.wait([answering, ending], return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise Mistaken(
                    f"vLLM ended with code {ending.result()} before it was ready: its own lines above say why"
                )
            await answering
        finally:
            answering.cancel()
            ending.cancel()
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Stop vLLM."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        await super().close()
        await self._stop()

    async def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Probability by label of each text."""
        assert self._text is not None
        labels = self._text.rendering.labels
        if not labels:
            raise Refused("this model writes, it does not classify")
        rows = [await self._text.encode(text) for text in texts]
        found = await self._post("/classify", {"model": self.name, "input": rows})
        data = sorted(found["data"], key=lambda one: one["index"])
        if len(data) != len(texts) or any(len(one["probs"]) != len(labels) for one in data):
            raise Broken("the engine classified into other classes than the model has")
        return [dict(zip(labels, map(float, one["probs"]), strict=True)) for one in data]

    async def exported(self) -> bytes:
        """vLLM's metrics as the contract names them; nothing while it is down."""
        if self._client is None:
            return b""
        try:
            timeout = aiohttp.ClientTimeout(total=2.0)
            async with self._client.get(self.address + ports.METRICS, timeout=timeout) as response:
                if response.status != 200:
                    return b""
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError):
            return b""
        self._note(text)
        return vllm_metrics.passed(text, self._model.name).encode()

    def unfilled(self) -> dict[str, float]:
        """Bytes of the key-value cache that no request uses, by device, as of the last scrape."""
        return self._unfilled

    def _note(self, text: str) -> None:
        blocks, used = vllm_metrics.cache_blocks(text), vllm_metrics.gauge(text, "vllm:kv_cache_usage_perc")
        if blocks is None or used is None or not self._gpus or "num_hidden_layers" not in self._config:
            return
        heads = self._config.get("num_key_value_heads") or self._config["num_attention_heads"]
        size = self._config.get("head_dim") or self._config["hidden_size"] // self._config["num_attention_heads"]
        width = BYTES[self._dtype or "bfloat16"]
        whole = blocks[0] * blocks[1] * 2 * self._config["num_hidden_layers"] * heads * size * width
        self._unfilled = {str(device): whole * (1 - used) / self._gpus for device in range(self._gpus)}

    def command(self) -> list[str]:
        """The command line of vLLM's server."""
        info = self._model.info
        base = info["base"] if info.get("adapter") else self._folder
        name = self._model.name
        options = ["--host", "127.0.0.1", "--port", str(self._port), "--max-model-len", str(self._longest)]
        options += ["--max-num-seqs", str(SLOTS), "--generation-config", "vllm", "--disable-uvicorn-access-log"]
        if self._dtype:
            options += ["--dtype", self._dtype]
        if self._gpus > 1:
            options += ["--tensor-parallel-size", str(self._gpus)]
        if info["task"] == "text-classification":
            options += ["--runner", "pooling"]
        if not info.get("adapter"):
            return [PROGRAM, "serve", base, "--served-model-name", name, *options]
        options += ["--enable-lora", "--max-lora-rank", str(_rank(self._folder))]
        if info.get("revision"):
            options += ["--revision", info["revision"], "--tokenizer-revision", info["revision"]]
        return [
            PROGRAM, "serve", base, "--served-model-name", f"{name}-base",
            "--lora-modules", f"{name}={self._folder}", "--tokenizer", self._folder, *options,
        ]  # fmt: skip

    async def _spawn(self) -> None:
        if shutil.which(PROGRAM) is None:
            raise Mistaken(
                "there is no vLLM here: use the image of docker/serve.Dockerfile, or `serving.engine: transformers`"
            )
        self._process = await asyncio.create_subprocess_exec(
            *self.command(), stdin=asyncio.subprocess.DEVNULL, stdout=sys.stderr.fileno(),
            start_new_session=True, preexec_fn=_tied if sys.platform == "linux" else None,
        )  # fmt: skip

    async def _keep(self) -> None:
        """Start vLLM again whenever it ends, at growing distances while it does not get ready."""
        pause = POLL
        while True:
            assert self._process is not None
            code = await self._process.wait()
            self._healthy = False
            self._kill()
            logs.say("engine", "error", message=f"vLLM ended with code {code}: it is started again in {pause:g} s")
            await asyncio.sleep(pause)
            await self._spawn()
            begin = asyncio.get_running_loop().time()
            pause = min(LONGEST_PAUSE, 2 * pause)
            while self._process.returncode is None and not self._healthy:
                await asyncio.sleep(POLL)
            if self._healthy:
                pause = POLL
                logs.say("engine", seconds=round(asyncio.get_running_loop().time() - begin, 1), message="vLLM is back")

    async def _stop(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(END):
                await self._process.wait()
        except TimeoutError:
            pass
        self._kill()
        await self._process.wait()

    def _kill(self) -> None:
        """End what is left of vLLM's processes; they are a group of their own."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _tied() -> None:
    """Let the kernel end vLLM when this process is killed (`prctl`, PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _config(folder: str) -> dict[str, Any]:
    """Shape of a whole model; of an adapter nothing, its base knows."""
    try:
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as stream:
            found: dict[str, Any] = json.load(stream)
    except FileNotFoundError:
        return {}
    return found


def _rank(folder: str) -> int:
    """The smallest rank that vLLM takes for an adapter."""
    with open(os.path.join(folder, "adapter_config.json"), encoding="utf-8") as stream:
        rank = int(json.load(stream)["r"])
    return next((size for size in (1, 8, 16, 32, 64, 128, 256, 320, 512) if size >= rank), rank)
