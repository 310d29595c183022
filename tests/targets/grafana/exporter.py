"""A process that exports what the contract promises, and a real Prometheus that scrapes it."""

from __future__ import annotations

import itertools
import json
import math
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from mlopsgen.contract.metrics import FAMILIES, Family, bound, exported
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.telemetry import setup
from tests.conftest import tool

OPEN = {"version": "3", "feature": "prompt.length", "device": "0", "engine": "0", "gpu": "0", "UUID": "GPU-1"}
"""Values of labels without a closed set; others have their own name as value."""

GAUGES: dict[str, Callable[[float], float]] = {
    "model_rollout_active": lambda _: 1,
    "model_rollout_step": lambda age: 1 + int(age) % 4,
    "model_training_step": lambda age: 1000 + age,
    "model_training_steps_planned": lambda _: 5000,
    "model_training_checkpoint_step": lambda _: 900,
    "model_gpu_memory_bytes": lambda _: 30e9,
    "model_gpu_memory_total_bytes": lambda _: 80e9,
}
"""Gauges by the seconds since the start, where a plain number would make no sense."""


class Exporter:
    """Families of the contract as one environment's processes would export them, growing with time."""

    def __init__(self, project: Project, environment: Environment) -> None:
        self.project, self.environment, self.began = project, environment, time.monotonic()
        given = setup(project, environment)
        self.families = [each for each in FAMILIES if not exported(each, given)]

    def text(self) -> str:
        """What `/metrics` answers now, in the text format 0.0.4."""
        age = 10 + time.monotonic() - self.began
        return "".join(line for family in self.families for line in self._family(family, age))

    def _family(self, family: Family, age: float) -> Iterator[str]:
        yield f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"
        for index, labels in enumerate(self._labels(family)):
            if family.kind == "histogram":
                yield from self._histogram(family, labels, age * (index + 1))
            else:
                value = age * (index + 1) if family.kind == "counter" else self._gauge(family, age)
                yield _sample(family.name, labels, value)

    def _gauge(self, family: Family, age: float) -> float:
        if family.name in GAUGES:
            return GAUGES[family.name](age)
        if family.unit.startswith("seconds since"):
            return time.time() - 60
        return 0.5 if family.unit in ("share", "distance") else 3

    def _histogram(self, family: Family, labels: dict[str, str], count: float) -> Iterator[str]:
        bounds = (*family.buckets, math.inf)
        for index, edge in enumerate(bounds):
            value = count * 10 * (index + 1) / len(bounds)
            yield _sample(f"{family.name}_bucket", {**labels, "le": bound(edge)}, value)
        yield _sample(f"{family.name}_count", labels, count * 10)
        yield _sample(f"{family.name}_sum", labels, count * 10 * family.buckets[len(family.buckets) // 2])

    def _labels(self, family: Family) -> Iterator[dict[str, str]]:
        """Every combination of the closed sets, with the labels that the scrape adds."""
        names = [name for name, _ in family.labels]
        open_values = {**OPEN, "model_name": str(self.project.model.name)}
        values = [closed or (open_values.get(name, name),) for name, closed in family.labels]
        scraped = {"environment": self.environment.name, "namespace": self.environment.namespace}
        for combination in itertools.product(*values):
            labels = dict(zip(names, combination, strict=True))
            if family.source != "dcgm":
                yield {**labels, **scraped, "pod": "server-0"}
                continue
            # As scraped with `honor_labels`, and a second node without.
            own = {name: value for name, value in labels.items() if name.startswith("exported_")}
            rest = {name: value for name, value in labels.items() if name not in own}
            yield {**rest, "namespace": self.environment.namespace}
            yield {**rest, **own, "gpu": "1", "namespace": "gpu", "exported_namespace": self.environment.namespace}


def _sample(name: str, labels: dict[str, str], value: float) -> str:
    inside = ",".join(f"{key}={json.dumps(each)}" for key, each in labels.items())
    return f"{name}{{{inside}}} {value!r}\n"


@contextmanager
def serving(text: Callable[[], str]) -> Iterator[int]:
    """Answers every GET with `text()`; gives the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str, **parameters: Any) -> Any:
        """`data` of an answer of the API."""
        query = urllib.parse.urlencode(parameters, doseq=True)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}?{query}", timeout=20) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Samples of an instant query, NaN left out."""
        samples: list[dict[str, Any]] = self.get("/api/v1/query", query=expression)["result"]
        return [each for each in samples if math.isfinite(float(each["value"][1]))]

    def values(self, selector: str, label: str) -> list[str]:
        """Values of a label."""
        found: list[str] = self.get(f"/api/v1/label/{label}/values", **{"match[]": selector})
        return found


@contextmanager
def prometheus(folder: Path, target: int, alert: dict[str, str]) -> Iterator[Prometheus]:
    """A Prometheus that scrapes `target` every second, with one alert that fires at once under given labels."""
    rule = {"alert": "Planted", "expr": "vector(1)", "labels": {name: str(value) for name, value in alert.items()}}
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "planted", "rules": [rule]}]}))
    job = {
        "job_name": "contract",
        "honor_labels": True,
        "static_configs": [{"targets": [f"127.0.0.1:{target}"]}],
    }
    pace = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = {"global": pace, "rule_files": ["rules.yaml"], "scrape_configs": [job]}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [
        tool("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(arguments, cwd=folder, stdout=log, stderr=log)
        try:
            _until_ready(process, port, folder / "log")
            yield Prometheus(port)
        finally:
            process.terminate()
            process.wait(30)
            shutil.rmtree(folder / "data", ignore_errors=True)


def _until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace"))
