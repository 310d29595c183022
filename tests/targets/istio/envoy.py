"""Runs the real Envoy with a configuration of its own, and servers behind it."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from tests.conftest import tool

Config = dict[str, Any]
HERE = "127.0.0.1"
PATIENCE = 20


def address(port: int) -> Config:
    """A socket of this machine; port 0 is any free one."""
    return {"socket_address": {"address": HERE, "port_value": port}}


def listener(name: str, routes: Config, http_filters: list[Config] | None = None) -> Config:
    """A listener on a free port with a route configuration."""
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "use_remote_address": False,
        "route_config": routes,
        "http_filters": http_filters or [router()],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {"name": name, "address": address(0), "filter_chains": [chain]}


def router() -> Config:
    """The last filter of every chain."""
    kind = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    return {"name": "envoy.filters.http.router", "typed_config": {"@type": kind}}


def cluster(name: str, port: int) -> Config:
    """A server of this machine as a cluster."""
    endpoint = {"lb_endpoints": [{"endpoint": {"address": address(port)}}]}
    return {
        "name": name,
        "type": "STATIC",
        "lb_policy": "LEAST_REQUEST",
        "load_assignment": {"cluster_name": name, "endpoints": [endpoint]},
    }


def bootstrap(listeners: list[Config], clusters: list[Config]) -> Config:
    """A whole configuration."""
    resources = {"listeners": listeners, "clusters": clusters}
    return {"admin": {"address": address(0)}, "static_resources": resources}


def accepts(config: Config, folder: Path) -> tuple[bool, str]:
    """Whether Envoy takes a configuration, and what it says."""
    command = [tool("envoy"), "-c", _written(config, folder), "--mode", "validate", "-l", "error"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return result.returncode == 0, result.stderr


@contextmanager
def running(config: Config, folder: Path) -> Iterator[dict[str, int]]:
    """Run Envoy; gives the ports of its listeners by name once they listen."""
    file, log = folder / "admin", folder / "envoy.log"
    command = [tool("envoy"), "-c", _written(config, folder), "--use-dynamic-base-id", "--concurrency", "2"]
    command += ["-l", "error", "--admin-address-path", str(file)]
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield _ports(process, file, log, len(config["static_resources"]["listeners"]))
        finally:
            process.terminate()


def _written(config: Config, folder: Path) -> str:
    path = folder / "envoy.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return str(path)


def _ports(process: subprocess.Popen[bytes], file: Path, log: Path, wanted: int) -> dict[str, int]:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            host, _, port = file.read_text(encoding="utf-8").strip().partition(":")
            connection = http.client.HTTPConnection(host, int(port), timeout=5)
            connection.request("GET", "/listeners?format=json")
            found = json.load(connection.getresponse())["listener_statuses"]
            connection.request("GET", "/ready")
            if len(found) == wanted and connection.getresponse().status == 200:
                return {each["name"]: each["local_address"]["socket_address"]["port_value"] for each in found}
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            pass
        time.sleep(0.02)
    raise AssertionError(f"Envoy does not answer: {log.read_text(encoding='utf-8')}")


class Client:
    """One connection to a listener."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(HERE, port, timeout=10)

    def __call__(self, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
        """A request, and the answer with its body read into `text`. Underscores in names stand for dashes."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, "/predict", headers=given)
        response = self._connection.getresponse()
        response.text = response.read().decode()  # type: ignore[attr-defined]
        return response

    def text(self, method: str = "GET", **headers: str) -> str:
        """Body of an answer that must be 200."""
        response = self(method, **headers)
        assert response.status == 200, response.status
        return str(response.text)  # type: ignore[attr-defined]


@contextmanager
def server(answer: str) -> Iterator[int]:
    """A server that always gives the same answer; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def _answer(self) -> None:
            body = answer.encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HERE, 0), Handler) as found:
        found.daemon_threads = True
        Thread(target=found.serve_forever, args=(0.05,), daemon=True).start()
        yield found.server_address[1]
        found.shutdown()
