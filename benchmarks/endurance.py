"""What a server stands: `python benchmarks/endurance.py (rolling | overload | soak) [--restarts N] [--seconds N]`.

`mlops-runtime serve` with a random Llama of five million weights, in processes of its own, and callers over HTTP.

- rolling: behind a front that sends each new connection to a server that is ready, servers are replaced one after the
  other by SIGTERM while callers go on, on kept and on fresh connections. No request may fail.
- overload: requests come five times as fast as the server answers. Those that are accepted must be answered by their
  deadline, the rest refused with 429, memory must stay bounded, and afterwards the server must be as fast as before.
- soak: load below capacity, with callers that vanish, texts too long and streams among it. Memory must stay flat.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from engine import prepared
from serve import HERE, KNOWN, NAME, Server

MIB = 1 << 20


def served(base: Path, number: int, **serving: Any) -> Server:
    """A server that is starting."""
    more = {
        "PYTHONPATH": f"{HERE.parent}:{HERE.parent / 'runtime'}", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1",
        "MLOPS_MODEL_URI": str(base / "model"), "TOKENIZERS_PARALLELISM": "false",
    }  # fmt: skip
    command = [sys.executable, "-m", "mlops_runtime", "serve"]
    return Server(f"server {number}", command, base / str(number), more, "/readyz", **serving)


def body(chance: random.Random, longest: int) -> dict[str, Any]:
    """A request whose answer has up to so many tokens."""
    prompt = [chance.randrange(4, KNOWN) for _ in range(32)]
    return {"model": NAME, "prompt": prompt, "max_tokens": chance.randint(4, longest), "temperature": 0}


class Front:
    """New connections go to the youngest server that is ready; those that are open stay where they are."""

    def __init__(self) -> None:
        self.servers: list[Server] = []
        self._ready: Server | None = None
        self.url = ""

    async def serve(self) -> None:
        """Until cancelled; readiness is asked for as a kubelet does, only more often."""
        listening = await asyncio.start_server(self._joined, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with listening, aiohttp.ClientSession() as client:
            while True:
                ready = [server for server in self.servers if await self._is_ready(client, server)]
                self._ready = ready[-1] if ready else self._ready
                await asyncio.sleep(0.1)

    async def _is_ready(self, client: aiohttp.ClientSession, server: Server) -> bool:
        try:
            async with client.get(server.url + "/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while self._ready is None:
            await asyncio.sleep(0.05)
        there, back = await asyncio.open_connection("127.0.0.1", self._ready.port)

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while part := await source.read(1 << 16):
                    target.write(part)
                    await target.drain()
            with contextlib.suppress(ConnectionError, RuntimeError):
                target.close()

        await asyncio.gather(pump(reader, back), pump(there, writer))


async def rolling(base: Path, options: argparse.Namespace) -> None:
    """Replace servers under load."""
    front, answers = Front(), Counter[str]()
    serving, stop = asyncio.create_task(front.serve()), asyncio.Event()
    front.servers.append(served(base, 0))
    await front.servers[0].started()
    front.servers[0].signal(signal.SIGCONT)

    async def caller(number: int) -> None:
        chance = random.Random(number)
        connector = aiohttp.TCPConnector(force_close=number % 2 == 0)
        async with aiohttp.ClientSession(connector=connector) as client:
            while not stop.is_set():
                asked = {**body(chance, 60), "stream": number % 4 > 1}
                try:
                    async with client.post(front.url + "/v1/completions", json=asked) as answer:
                        text = await answer.text()
                        whole = "[DONE]" in text if asked["stream"] else "choices" in text
                        answers["good" if answer.status == 200 and whole else f"{answer.status}: {text[:80]}"] += 1
                except aiohttp.ClientError as error:
                    answers[repr(error)] += 1
                await asyncio.sleep(0.05)

    callers = [asyncio.create_task(caller(number)) for number in range(8)]
    codes = []
    for number in range(1, options.restarts + 1):
        new = served(base, number)
        await new.started()
        new.signal(signal.SIGCONT)
        front.servers.append(new)
        await asyncio.sleep(1)
        old = front.servers.pop(0)
        codes.append(await old.ended())
        print(f"restart {number}: exit code {codes[-1]}, {sum(answers.values())} requests, {dict(answers)}", flush=True)
    stop.set()
    await asyncio.gather(*callers)
    serving.cancel()
    await front.servers[0].ended()
    failed = sum(count for what, count in answers.items() if what != "good")
    print(f"{options.restarts} restarts under load: {answers['good']} requests answered, {failed} failed, exit codes "
          f"{sorted(set(codes))}")  # fmt: skip


async def speed(server: Server, seconds: float, clients: int = 32) -> float:
    """Answers a second in a closed loop."""
    end, count, chance = time.monotonic() + seconds, 0, random.Random(1)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:

        async def caller() -> None:
            nonlocal count
            while time.monotonic() < end:
                async with client.post(f"{server.url}/v1/completions", json=body(chance, 100)) as answer:
                    assert answer.status == 200, await answer.text()
                    count += 1

        computed = server.computed()
        await asyncio.gather(*(caller() for _ in range(clients)))
    return count / (server.computed() - computed)


def resident(server: Server) -> float:
    """Memory in MiB."""
    return float(psutil.Process(server.pid).memory_info().rss / MIB)


async def overload(base: Path, options: argparse.Namespace) -> None:
    """Five times as many requests as are answered."""
    timeout = 10.0
    server = served(base, 0, timeout=f"{timeout:g}s", queue=64)
    await server.started()
    server.signal(signal.SIGCONT)
    await speed(server, 5)
    began = time.monotonic()
    before = await speed(server, 15)
    print(f"before: {before:.1f} answers per CPU second, {resident(server):.0f} MiB", flush=True)
    rate, codes, slow, memory = 5 * before, Counter[int](), [], []
    chance = random.Random(2)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:

        async def one() -> None:
            begin = time.monotonic()
            async with client.post(f"{server.url}/v1/completions", json=body(chance, 100)) as answer:
                await answer.read()
                codes[answer.status] += 1
                if answer.status == 200:
                    slow.append(time.monotonic() - begin)

        tasks, began = [], time.monotonic()
        while (passed := time.monotonic() - began) < options.seconds:
            tasks += [asyncio.create_task(one()) for _ in range(int(passed * rate) - len(tasks))]
            memory.append(resident(server))
            await asyncio.sleep(0.05)
        await asyncio.gather(*tasks)
    third = len(memory) // 3
    after = await speed(server, 15)
    slow.sort()
    print(f"overload: {rate:.0f} requests a second for {options.seconds} s: {dict(codes)}; accepted took "
          f"{statistics.median(slow):.2f} s (median), {slow[-1]:.2f} s (longest), deadline {timeout:g} s")  # fmt: skip
    print(f"memory: {memory[0]:.0f} MiB at first, {max(memory[:third]):.0f} in the first third, "
          f"{max(memory[-third:]):.0f} in the last, {resident(server):.0f} after")  # fmt: skip
    print(f"after: {after:.1f} answers per CPU second, {after / before:.2f} of before")
    server.close()


async def soak(base: Path, options: argparse.Namespace) -> None:
    """Load below capacity, of all kinds, and memory minute by minute."""
    server = served(base, 0, timeout="30s", queue=64)
    await server.started()
    server.signal(signal.SIGCONT)
    counts, memory, end = Counter[str](), [], time.monotonic() + options.seconds

    async def caller(number: int) -> None:
        chance = random.Random(number)
        async with aiohttp.ClientSession() as client:
            while time.monotonic() < end:
                kind = chance.choices(("whole", "streamed", "vanished", "too long", "predict"), (5, 3, 1, 1, 2))[0]
                asked = {**body(chance, 100), "stream": kind in ("streamed", "vanished")}
                path = "/v1/completions"
                if kind == "too long":
                    asked["prompt"] = [5] * 5000
                if kind == "predict":
                    path, asked = "/predict", {"prompt": f"text {chance.random()}", "max_tokens": 40}
                async with client.post(server.url + path, json=asked) as answer:
                    if kind == "vanished":
                        await answer.content.readline()
                        answer.close()
                    else:
                        await answer.read()
                    counts[f"{kind} {answer.status}"] += 1
                await asyncio.sleep(0.2)

    callers = [asyncio.create_task(caller(number)) for number in range(12)]
    while time.monotonic() < end:
        await asyncio.sleep(min(30.0, max(0.1, end - time.monotonic())))
        memory.append(resident(server))
        print(f"{len(memory) * 30:>5} s {memory[-1]:.1f} MiB, {sum(counts.values())} requests", flush=True)
    await asyncio.gather(*callers)
    half = memory[len(memory) // 2 :]
    print(f"soak: {options.seconds} s, {dict(counts)}")
    print(f"memory: {memory[0]:.1f} MiB after 30 s, {half[0]:.1f} at half time, {memory[-1]:.1f} at the end")
    server.close()


def main() -> None:
    """Do one of them and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rolling", "overload", "soak"))
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--seconds", type=int, help="60 of overload, 600 of soak")
    options = parser.parse_args()
    options.seconds = options.seconds or {"overload": 60, "soak": 600}.get(options.what)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "model").mkdir()
        prepared(Path(name) / "model", False)
        asyncio.run({"rolling": rolling, "overload": overload, "soak": soak}[options.what](Path(name), options))


if __name__ == "__main__":
    main()
