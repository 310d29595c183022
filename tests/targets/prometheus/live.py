"""Real parts: an exporter that gives what the contract promises, Prometheus, Alertmanager, and who hears of alerts."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from mlopsgen.contract.metrics import FAMILIES, Family, Setup, bound, exported
from tests.conftest import tool

OPEN = {"feature": ("prompt.length",), "device": ("0",), "version": ("7",), "gpu": ("0",), "UUID": ("GPU-1",)}
"""Values of labels whose values the contract leaves open."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait for a condition; its result."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds} s")


class Exporter:
    """A process' metrics, made from the contract: every family of some sources, every combination of closed labels.

    Attributes:
        values: what counters and gauges show, by sample name and labels; 0 where nothing is said.
    """

    def __init__(self, sources: Iterable[str], setup: Setup, model: str, variant: str = "champion") -> None:
        chosen = set(sources)
        self.families = [f for f in FAMILIES if f.source in chosen and not exported(f, setup)]
        self.model, self.variant = model, variant
        self.values: dict[str, float] = {}
        self.lock = threading.Lock()

    def set(self, sample: str, value: float) -> None:
        """Let a sample have a value."""
        with self.lock:
            self.values[sample] = value

    def samples(self, family: Family, given: dict[str, tuple[str, ...]] | None = None) -> Iterator[str]:
        """Names and labels of a family's samples."""
        own = {"model_name": (self.model,), "variant": (self.variant,), **OPEN, **(given or {})}
        names = [name for name, _ in family.labels if name in own or family.source != "dcgm"]
        choices = [own.get(name) or dict(family.labels)[name] or ("x",) for name in names]
        for combination in itertools.product(*choices):
            labels = dict(zip(names, combination, strict=True))
            if family.kind != "histogram":
                yield sample(family.name, labels)
                continue
            for edge in (*family.buckets, float("inf")):
                yield sample(f"{family.name}_bucket", {**labels, "le": bound(edge)})
            yield sample(f"{family.name}_sum", labels)
            yield sample(f"{family.name}_count", labels)

    def text(self) -> str:
        """The exposition."""
        lines = []
        with self.lock:
            for family in self.families:
                lines.append(f"# TYPE {family.name} {family.kind}")
                lines += [f"{each} {self.values.get(each, 0.0)}" for each in self.samples(family)]
        return "\n".join(lines) + "\n"


def sample(name: str, labels: dict[str, str]) -> str:
    """A sample's name and labels as they are exposed."""
    return f"{name}{{{','.join(f'{key}={json.dumps(value)}' for key, value in labels.items())}}}"


@contextmanager
def http(get: Callable[[], str] | None = None, heard: list[Any] | None = None) -> Iterator[int]:
    """A server on a free port: answers GET with a text, keeps what is posted."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (get or str)().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if heard is not None:
                heard.append((time.monotonic(), self.path, json.loads(body), self.headers.get("Authorization")))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def process(command: list[str], ready: str, log: Path) -> Iterator[None]:
    """A program, from when it is ready on."""
    with log.open("w") as stream:
        running = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
        try:
            until(lambda: _answers(ready, running, log), 30, f"{command[0]} is ready")
            yield
        finally:
            running.terminate()
            running.wait(30)


def _answers(url: str, running: subprocess.Popen[bytes], log: Path) -> bool:
    assert running.poll() is None, log.read_text()
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **query: str) -> Any:
        """`data` of an answer of the API."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str, **more: str) -> list[dict[str, Any]]:
        """Samples of an expression."""
        found: list[dict[str, Any]] = self.get("query", query=expression, **more)["result"]
        return found

    def alerts(self, state: str = "firing") -> set[str]:
        """Names of the alerts in a state."""
        return {each["labels"]["alertname"] for each in self.get("alerts")["alerts"] if each["state"] == state}


@contextmanager
def prometheus(config: Path, folder: Path, port: int | None = None) -> Iterator[Prometheus]:
    """Prometheus with a configuration."""
    port = port or free_port()
    command = [tool("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=10y", "--web.enable-lifecycle"]
    with process(command, f"http://127.0.0.1:{port}/-/ready", folder / "prometheus.log"):
        yield Prometheus(port)


@contextmanager
def alertmanager(config: Path, folder: Path, port: int) -> Iterator[None]:
    """Alertmanager with a configuration."""
    name = "prometheus-alertmanager"
    command = [tool(name), f"--config.file={config}", f"--storage.path={folder / 'alerts'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    with process(command, f"http://127.0.0.1:{port}/-/ready", folder / "alertmanager.log"):
        yield


def discovered(config: Path, pods: Iterable[dict[str, str]]) -> None:
    """Let a configuration find pods in a file: Debian's Prometheus is built without Kubernetes.

    A job gets the pods that the API server would return to it: by namespace and by label.

    Args:
        config: `prometheus.yaml`, changed in place.
        pods: labels as Kubernetes discovery sets them, and `__address__`.
    """
    document = yaml.safe_load(config.read_text())
    for job in document["scrape_configs"]:
        (asked,) = job.pop("kubernetes_sd_configs")
        assert asked["role"] == "pod"
        names = asked.get("namespaces", {}).get("names")
        wanted = dict(pair.split("=") for each in asked.get("selectors", ()) for pair in each["label"].split(","))
        found = [pod for pod in pods if _returned(pod, names, wanted)]
        job["static_configs"] = [
            {
                "targets": [pod["__address__"]],
                "labels": {name: value for name, value in pod.items() if name != "__address__"},
            }
            for pod in found
        ]
    config.write_text(yaml.safe_dump(document))


def _returned(pod: dict[str, str], names: list[str] | None, wanted: dict[str, str]) -> bool:
    if names is not None and pod["__meta_kubernetes_namespace"] not in names:
        return False
    return all(pod.get(f"__meta_kubernetes_pod_label_{label(name)}") == value for name, value in wanted.items())


def label(name: str) -> str:
    """A label of Kubernetes as discovery spells it."""
    return "".join(c if c.isalnum() else "_" for c in name)
