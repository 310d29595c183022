"""Servers side by side over HTTP, in one run: output tokens a second with many clients and answers of mixed lengths.

    python benchmarks/serve.py [--rounds N] [--clients N] [--threads N] [--vllm EXECUTABLE] [--quick]

`mlops-runtime serve`; FastAPI around transformers' own continuous batching; FastAPI around `generate`, one request at a
time; vLLM on the CPU, bare and behind our app, where its executable is given. All answer the same prompts, greedily, by
the same random Llama of five million weights that never ends by itself: closed loop, so many clients at a time, prompts
of 32 tokens, answers of 4 to 200. Rounds are interleaved, and servers not asked are stopped (SIGSTOP). Speed is
by the clock (`tokens/s`) and by the seconds that the server's processes computed (`per CPU s`), which neighbours on the
machine disturb less; ratios are medians over rounds. The cost of the contract's metrics is that of the same server with
and without them, by computed seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import psutil
from engine import LONGEST, prepared

HERE = Path(__file__).resolve().parent
NAME = "bench"
OURS, SILENT, CONTINUOUS, ONE = "ours", "ours, no metrics", "FastAPI, transformers CB", "FastAPI, one at a time"
VLLM, GATEWAY = "vLLM, bare", "vLLM behind our app"
KNOWN = 300
"""Tokens that the tokenizer knows; the network has more."""

START = 300.0
"""Seconds that a server has to start."""


class Speed(NamedTuple):
    """Tokens a second: by the clock, and by the seconds that the server computed."""

    wall: float
    cpu: float


class Server:
    """A server in a process group of its own, stopped while it is not asked.

    Args:
        name: in the table.
        command: with `{port}`.
        place: working directory.
        more: environment.
        ready: path that answers 200.
        serving: section of mlops.yaml.
    """

    def __init__(
        self, name: str, command: Sequence[str], place: Path, more: dict[str, str], ready: str, **serving: Any
    ) -> None:
        self.name, self.port = name, _free()
        place.mkdir(exist_ok=True)
        self._log = (place / "log").open("wb")
        port = {"MLOPS_BENCH_PORT": str(self.port)}
        self._ready = ready
        self.place = place
        _project(place, port=self.port, **serving)
        self._process = subprocess.Popen(
            [part.format(port=self.port) for part in command], cwd=place, env={**os.environ, **more, **port},
            stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    async def started(self) -> None:
        """Wait until it answers, then stop it."""
        await self.ready()
        self.signal(signal.SIGSTOP)

    async def ready(self) -> None:
        """Wait until it answers."""
        end = time.monotonic() + START
        async with aiohttp.ClientSession() as client:
            while True:
                try:
                    async with client.get(self.url + self._ready) as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
                if self._process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"{self.name} did not start:\n{(self.place / 'log').read_text()[-3000:]}")
                await asyncio.sleep(0.2)

    def signal(self, number: int) -> None:
        """To all of its processes; vLLM's engine is a session of its own."""
        for one in self._family():
            one.send_signal(number)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        return self._process.pid

    async def ended(self) -> int:
        """Its exit code after SIGTERM."""
        self._process.terminate()
        code = await asyncio.to_thread(self._process.wait, START)
        self._log.close()
        return code

    def computed(self) -> float:
        """Seconds that its processes have computed."""
        return sum(sum(one.cpu_times()[:2]) for one in self._family())

    def close(self) -> None:
        """End it."""
        family = self._family()
        for one in family:
            one.send_signal(signal.SIGCONT)
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        for one in family:
            if one.is_running():
                one.kill()
        self._process.wait()
        self._log.close()

    def _family(self) -> list[psutil.Process]:
        leader = psutil.Process(self._process.pid)
        return [leader, *leader.children(recursive=True)]


def _free() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _project(place: Path, **more: Any) -> None:
    """What `mlops-runtime serve` needs in its working directory."""
    model = {"name": NAME, "task": "causal-lm", "preprocess": []}
    (place / "params.yaml").write_text(json.dumps({"model": model, "train": {"precision": "fp32"}}))
    serving = {"max_input_tokens": LONGEST - 200, "max_output_tokens": 200, "timeout": "5m", "queue": 1000, **more}
    (place / "mlops.yaml").write_text(f"version: 1\nproject: {{name: {NAME}}}\nserving: {json.dumps(serving)}\n")


def servers(folder: str, base: Path, options: argparse.Namespace) -> list[Server]:
    """All of them, starting."""
    more = {
        "PYTHONPATH": f"{HERE.parent}:{HERE.parent / 'runtime'}", "OMP_NUM_THREADS": str(options.threads),
        "MLOPS_MODEL_URI": folder, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false",
    }  # fmt: skip
    rival = [sys.executable, str(HERE / "rivals.py")]
    serve = [sys.executable, "-m", "mlops_runtime", "serve"]
    found = [
        Server(OURS, serve, base / "ours", more, "/readyz"),
        Server(SILENT, [*rival, "ours-without-metrics", folder, "0"], base / "silent", more, "/readyz"),
        Server(CONTINUOUS, [*rival, "continuous", folder, "{port}"], base / "continuous", more, "/readyz"),
        Server(ONE, [*rival, "one-by-one", folder, "{port}"], base / "one", more, "/readyz"),
    ]
    if options.vllm:
        quiet = {"VLLM_CPU_KVCACHE_SPACE": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
        more = {**more, **quiet, "PATH": f"{Path(options.vllm).parent}:{os.environ['PATH']}"}
        more["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
        bare = [options.vllm, "serve", folder, "--served-model-name", NAME, "--port", "{port}", "--dtype", "float32"]
        bare += ["--max-model-len", str(LONGEST), "--generation-config", "vllm", "--disable-uvicorn-access-log"]
        found.append(Server(VLLM, bare, base / "vllm", more, "/health"))
        found.append(Server(GATEWAY, serve, base / "gateway", more, "/readyz", engine="vllm"))
    return found


async def closed(server: Server, clients: int, work: list[tuple[list[int], int]]) -> Speed:
    """Clients that each send the next request when theirs is answered."""
    left = work[::-1]
    server.signal(signal.SIGCONT)
    await server.ready()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(600)) as session:

        async def client() -> int:
            made = 0
            while left:
                prompt, length = left.pop()
                body = {"model": NAME, "prompt": prompt, "max_tokens": length, "temperature": 0}
                async with session.post(server.url + "/v1/completions", json=body) as answer:
                    content = await answer.json()
                    assert answer.status == 200, content
                given = content["usage"]["completion_tokens"]
                assert given == length, f"{server.name}: {given} tokens instead of {length}"
                made += given
            return made

        computed, begin = server.computed(), time.perf_counter()
        tokens = sum(await asyncio.gather(*(client() for _ in range(clients))))
        wall, cpu = time.perf_counter() - begin, server.computed() - computed
    server.signal(signal.SIGSTOP)
    return Speed(tokens / wall, tokens / cpu)


def requests(options: argparse.Namespace, count: int, seed: int) -> list[tuple[list[int], int]]:
    """Prompts and lengths of their answers."""
    chance = random.Random(seed)
    longest = 9 if options.quick else 200
    return [([chance.randrange(4, KNOWN) for _ in range(32)], chance.randint(4, longest)) for _ in range(count)]


async def measured(found: list[Server], options: argparse.Namespace) -> dict[str, list[Speed]]:
    """Speeds by server, after a first round that does not count."""
    for server in found:
        await server.started()
        await closed(server, options.clients, [(prompt, 4) for prompt, _ in requests(options, options.clients, 0)])
    return await compared(found, options)


async def compared(found: list[Server], options: argparse.Namespace) -> dict[str, list[Speed]]:
    """Speeds by server, round by round, in turns of either direction."""
    speeds: dict[str, list[Speed]] = {server.name: [] for server in found}
    for turn in range(options.rounds):
        for server in found if turn % 2 else found[::-1]:
            work = requests(options, options.each * options.clients, turn + 1)
            if server.name == ONE:
                work = work[: max(1, options.clients // 2)]
            speeds[server.name].append(await closed(server, options.clients, work))
    return speeds


def ratio(mine: list[Speed], other: list[Speed], kind: str) -> float:
    """Median over the rounds."""
    return statistics.median(getattr(a, kind) / getattr(b, kind) for a, b in zip(mine, other, strict=True))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=32)
    # With few of them the end of a round, when callers have gone, is much of it.
    parser.add_argument("--each", type=int, default=8, help="requests of a client in a round")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--vllm", help="path of a vllm executable")
    parser.add_argument("--quick", action="store_true", help="a small network and short answers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "model").mkdir()
        prepared(base / "model", options.quick)
        found = servers(str(base / "model"), base, options)
        try:
            speeds = asyncio.run(measured(found, options))
        finally:
            for server in found:
                server.close()
            shutil.rmtree(base, ignore_errors=True)
            base.mkdir()
    told(speeds, options)


def told(speeds: dict[str, list[Speed]], options: argparse.Namespace) -> None:
    """Print the table."""
    print(f"{options.clients} clients, {options.threads} thread(s), float32, {options.rounds} rounds")
    print(f"{'':26}{'tokens/s':>10}{'per CPU s':>11}{'ours is':>9}{'by CPU':>9}")
    ours = speeds[OURS]
    for server, given in speeds.items():
        wall, cpu = (statistics.median(getattr(one, kind) for one in given) for kind in ("wall", "cpu"))
        times = [f"{ratio(ours, given, kind):.2f}×" for kind in ("wall", "cpu")]
        print(f"{server:26}{wall:>10.0f}{cpu:>11.0f}{times[0]:>9}{times[1]:>9}")
    print(f"cost of the contract's metrics: {100 * (1 / ratio(ours, speeds[SILENT], 'cpu') - 1):+.1f} %")


if __name__ == "__main__":
    main()
