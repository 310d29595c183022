"""The end of a server: nobody notices, and it is reported as it should be."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import ROOT
from tests.runtime.serving.running import CLIENT, free_port, status, until

RESTARTS = 20
EACH = 24
"""Answers after each signal."""


class Nursery:
    """Servers in processes of their own."""

    def __init__(self) -> None:
        path = f"{ROOT}:{ROOT / 'runtime'}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.runtime.serving.nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        self.codes: dict[int, int] = {}
        self._born: queue.Queue[int] = queue.Queue()
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "up\n"
        threading.Thread(target=self._read).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            words = line.split()
            if words[0] == "born":
                self._born.put(int(words[1]))
            elif words[0] == "dead":
                self.codes[int(words[1])] = int(words[2])

    def born(self, port: int) -> int:
        """A new server that is ready; its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{port}\n")
        self._process.stdin.flush()
        pid = self._born.get(timeout=20)
        until(lambda: status(f"http://127.0.0.1:{port}/readyz") == 200, what="a new server")
        return pid

    def ended(self, pid: int) -> int:
        """Exit code of a server that is ending."""
        until(lambda: pid in self.codes, what="the end of a server")
        return self.codes[pid]

    def close(self) -> None:
        """End all."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    found = Nursery()
    yield found
    found.close()


class Front:
    """What a Service does: a new connection goes to a server that said it is ready when it was last asked."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.url = ""

    async def serve(self) -> None:
        """Until cancelled."""
        server = await asyncio.start_server(self._joined, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            await server.serve_forever()

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.ports[-1])

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while part := await source.read(65536):
                    target.write(part)
                    await target.drain()
            with contextlib.suppress(ConnectionError, RuntimeError):
                target.close()

        await asyncio.gather(pump(reader, back), pump(there, writer))


async def _load(front: Front, stop: asyncio.Event, answers: list[str], fresh: bool) -> None:
    """One caller, one request after the other, on kept connections or on fresh ones."""
    limits = httpx.Limits(max_keepalive_connections=0 if fresh else 1)
    async with httpx.AsyncClient(base_url=front.url, timeout=30, limits=limits) as client:
        while not stop.is_set():
            try:
                found = await client.post("/predict", json={"prompt": "rolling"})
                answers.append("" if found.json().get("generated_text") == "<rolling>" else found.text)
            except httpx.HTTPError as error:
                answers.append(repr(error))


@pytest.mark.slow
def test_no_request_fails_while_servers_are_replaced_twenty_times(nursery: Nursery) -> None:
    async def work() -> tuple[list[str], list[int]]:
        front, stop, answers = Front(), asyncio.Event(), []
        serving = asyncio.create_task(front.serve())
        port = free_port()
        pids = [await asyncio.to_thread(nursery.born, port)]
        front.ports.append(port)
        loads = [asyncio.create_task(_load(front, stop, answers, fresh=number % 2 == 0)) for number in range(4)]
        for _ in range(RESTARTS):
            port = free_port()
            pids.append(await asyncio.to_thread(nursery.born, port))
            front.ports.append(port)
            count = len(answers)
            os.kill(pids[-2], signal.SIGTERM)
            while len(answers) < count + EACH:
                await asyncio.sleep(0.01)
        stop.set()
        await asyncio.gather(*loads)
        codes = [await asyncio.to_thread(nursery.ended, pid) for pid in pids[:-1]]
        os.kill(pids[-1], signal.SIGTERM)
        serving.cancel()
        return answers, codes

    answers, codes = asyncio.run(work())
    failed = [answer for answer in answers if answer]
    assert not failed, (len(failed), len(answers), failed[:3])
    assert len(answers) > EACH * RESTARTS
    assert codes == [0] * RESTARTS


def test_after_the_signal_a_server_is_not_ready_answers_what_it_has_and_ends_with_0(nursery: Nursery) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    pid = nursery.born(port)
    body = {"prompt": "x" * 90, "max_tokens": 50, "stream": True}
    with httpx.Client(timeout=20) as client, client.stream("POST", url + "/v1/completions", json=body) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("data: ")
        os.kill(pid, signal.SIGTERM)
        until(lambda: status(url + "/readyz") == 503)
        late = CLIENT.post(url + "/predict", json={"prompt": "late"})
        assert (late.status_code, late.headers["connection"]) == (200, "close")
        assert list(lines)[-2:] == ["data: [DONE]", ""]
    begin = time.monotonic()
    assert nursery.ended(pid) == 0
    assert time.monotonic() - begin < 5
    assert status(url + "/healthz") == 0


@pytest.mark.slow
def test_requests_that_keep_coming_do_not_keep_a_server(nursery: Nursery) -> None:
    port = free_port()
    pid = nursery.born(port)
    os.kill(pid, signal.SIGTERM)
    begin = time.monotonic()
    while pid not in nursery.codes:
        with contextlib.suppress(httpx.HTTPError):
            CLIENT.post(f"http://127.0.0.1:{port}/predict", json={"prompt": "again"}, timeout=5)
        time.sleep(0.05)
        assert time.monotonic() - begin < 10
    assert time.monotonic() - begin > 4
    assert nursery.codes[pid] == 0


def test_a_second_signal_makes_it_short(nursery: Nursery) -> None:
    port = free_port()
    pid = nursery.born(port)
    ended = threading.Event()

    def hang() -> None:
        with contextlib.suppress(httpx.HTTPError):
            CLIENT.post(f"http://127.0.0.1:{port}/predict", json={"prompt": "!hang"}, timeout=20)
        ended.set()

    thread = threading.Thread(target=hang)
    thread.start()
    until(lambda: "model_active_requests{" in (text := CLIENT.get(f"http://127.0.0.1:{port}/metrics").text)
          and 'model_active_requests{model_name="tiny",variant="champion"} 1.0' in text)  # fmt: skip
    begin = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    time.sleep(0.2)
    os.kill(pid, signal.SIGTERM)
    assert nursery.ended(pid) == 0
    assert time.monotonic() - begin < 4
    thread.join(20)
    assert ended.is_set()
