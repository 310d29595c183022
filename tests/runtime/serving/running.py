"""Servers in tests: in a thread of this process, or a process of their own."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from mlops_runtime.serving import serve
from mlops_runtime.serving.service import Service

CLIENT = httpx.Client(
    timeout=30,
    trust_env=False,
    verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    limits=httpx.Limits(max_keepalive_connections=0),
)
"""For single requests, each on a connection of its own; `httpx.get` would read all certificates each time."""


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(holds: Callable[[], Any], seconds: float = 20.0, what: str = "the condition") -> Any:
    """Wait until something holds; its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true in {seconds} s")


def status(url: str) -> int:
    """Status of a GET; 0 when nobody answers."""
    try:
        return CLIENT.get(url, timeout=5).status_code
    except httpx.HTTPError:
        return 0


class Running:
    """A server in a thread.

    Attributes:
        url: of it.
        service: that it serves.
    """

    def __init__(self, service: Service, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self.service, self.url, self.loop = service, url, loop

    def post(self, path: str, json: Any = None, **more: Any) -> httpx.Response:
        """POST JSON."""
        return CLIENT.post(self.url + path, json=json, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        """GET."""
        return CLIENT.get(self.url + path, **more)

    def sample(self, name: str, **labels: str) -> float:
        """A value of `/metrics`, summed over what is not named."""
        from prometheus_client.parser import text_string_to_metric_families

        found = [
            sample.value
            for family in text_string_to_metric_families(self.get("/metrics").text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert found, name
        return sum(found)


@contextmanager
def running(service: Service, wait: bool = True) -> Iterator[Running]:
    """Serve until the block ends."""
    port = free_port()
    service = service._replace(settings=service.settings._replace(port=port))
    service.drain.warm = False
    loop = asyncio.new_event_loop()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            failed.append(error)

    task = loop.create_task(serve.run(service, "127.0.0.1"))
    thread = threading.Thread(target=work)
    thread.start()
    found = Running(service, f"http://127.0.0.1:{port}", loop)
    try:
        path = "/readyz" if wait else "/healthz"
        until(lambda: failed or status(found.url + path) == 200, what="the server")
        yield found
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(20)
        loop.close()
    assert not failed, failed
