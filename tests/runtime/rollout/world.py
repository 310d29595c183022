"""A namespace in which time passes: Deployments come up, requests come in, Prometheus counts them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from mlops_runtime.errors import Mistaken
from mlops_runtime.registry.promotion import Outcome
from mlops_runtime.rollout import assembly
from mlops_runtime.rollout.controller import Controller
from mlops_runtime.rollout.exposition import Values
from mlops_runtime.rollout.observation import LATENCY, REQUESTS, Observer
from mlops_runtime.rollout.places.cluster import ANNOTATION, Cluster
from mlops_runtime.rollout.settings import Settings
from mlops_runtime.rollout.state import State, read
from ruamel.yaml import YAML

from tests.conftest import ROOT
from tests.runtime.rollout.api import Memory

SPACE = "shop"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{SPACE}/deployments/m-"
ROUTE = f"/apis/gateway.networking.k8s.io/v1/namespaces/{SPACE}/httproutes/m"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{SPACE}/leases/m-rollout"
STEPS = (0.05, 0.25, 0.5, 1.0)
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)

ROLLOUT = {
    "engine": "gateway-api",
    "steps": list(STEPS),
    "hold": 60.0,
    "check_every": 15.0,
    "min_requests": 50,
    "gates": {"error_rate": {"min": None, "max": 0.05}, "latency_p95": {"min": None, "max": 2.0}, "rating": None},
    "against_champion": {"error_rate": {"max_ratio": 2.0}, "latency_p95": None, "alpha": 0.01},
    "deadline": 3600.0,
    "latency_buckets": list(BOUNDS),
    "scrape_interval": 15.0,
    "sticky": None,
    "testers": None,
}

SETTINGS = Settings(
    model="m",
    environment="production",
    keep=3,
    engine="gateway-api",
    rollout=ROLLOUT,
    buckets=BOUNDS,
    scrape_interval=15.0,
    prometheus="http://prometheus",
    cluster={
        "namespace": SPACE,
        "champion": "m-champion",
        "canary": "m-canary",
        "route": "m",
        "lease": "m-rollout",
        "rules": {"testers": "testers", "main": "m.shop"},
    },
    local=None,
    port=0,
)


class Killed(BaseException):
    """The controller was killed: nothing of it runs any more."""


class Registry:
    """Alias, ledger and notes of one model, in memory. The real ones are tested in tests/runtime/registry."""

    def __init__(self, champion: str | None) -> None:
        self.champion, self.down = champion, False
        self.ledger: list[str] = []
        self.rejected: dict[str, str] = {}
        self.reports: list[str] = []

    def _demand(self) -> None:
        if self.down:
            raise Mistaken("the tracking server does not answer")

    def challenger(self) -> str | None:
        return "2"

    def promote(self, version: str) -> Outcome:
        self._demand()
        if self.champion != version:
            self.ledger.append(version)
            self.champion = version
        return Outcome(f"version {version} of m is the champion", version, True)

    def reject(self, version: str, reason: str) -> None:
        self._demand()
        self.rejected.setdefault(version, reason)

    def keep_report(self, version: str, path: str) -> None:
        self._demand()
        self.reports.append(path)


class Traffic(NamedTuple):
    """What comes in.

    Attributes:
        rate: requests a second.
        errors: share that fails, by variant.
    """

    rate: float = 20.0
    errors: Mapping[str, float] = {}


def deployment(version: str, replicas: int) -> dict[str, Any]:
    """A Deployment of which all pods are ready."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "m"},
        "spec": {
            "replicas": replicas,
            "template": {
                "metadata": {"labels": {"model-version": version}},
                "spec": {
                    "containers": [
                        {"name": "proxy", "image": "proxy"},
                        {
                            "name": "server",
                            "image": f"m:{version}",
                            "env": [
                                {"name": "MLOPS_VARIANT", "value": "x"},
                                {"name": "MLOPS_MODEL_URI", "value": f"models:/m/{version}"},
                            ],
                        },
                    ]
                },
            },
        },
    }


@cache
def manifest(path: str, kind: str) -> str:
    """An object of an example's output, as JSON."""
    documents = YAML(typ="safe", pure=True).load_all((ROOT / path).read_text(encoding="utf-8"))
    return json.dumps(next(one for one in documents if one["kind"] == kind))


def route() -> dict[str, Any]:
    """The HTTPRoute that `mlopsgen build` writes, at rest."""
    found = manifest("examples/docstrings/deploy/production/routing.yaml", "HTTPRoute").replace("docstrings", "m")
    return dict(json.loads(found))


class World:
    """Everything around a controller.

    Args:
        traffic: that comes in.
        champion: version that is served; None for the first release ever.
    """

    def __init__(self, traffic: Traffic = Traffic(), champion: str | None = "1") -> None:
        self.traffic, self.time, self.wall = traffic, 0.0, 1.7e9
        self.memory = Memory(
            {
                ROUTE: route(),
                DEPLOYMENT + "champion": deployment(champion or "0", 4),
                DEPLOYMENT + "canary": deployment("2", 1),
            }
        )
        self.registry = Registry(champion)
        self.counts: dict[tuple[str, str], float] = {}
        self.weights: list[tuple[float, float]] = []
        self.dead: set[str] = set()
        self.prometheus = "up"
        self.come_up()
        self.pass_time(0.0)

    def controller(self, name: str = "one") -> Controller:
        """A controller that was just started."""
        place = self.place(name)
        observer = Observer(SETTINGS.prometheus, "m", "production", BOUNDS, clock=lambda: self.time)
        observer._endpoint = _Prometheus(self)  # type: ignore[assignment]
        return Controller(
            SETTINGS, place, observer, self.registry, Values("m"), lambda: self.time, lambda: self.wall + self.time
        )  # type: ignore[arg-type]

    def place(self, name: str = "one") -> Cluster:
        """The namespace as a place."""
        found = assembly.place(SETTINGS, self.memory)
        assert isinstance(found, Cluster)
        found._lease._holder, found._lease._clock = name, lambda: self.time
        return found

    @property
    def state(self) -> State | None:
        """What is remembered."""
        text = self.memory.objects[ROUTE]["metadata"].get("annotations", {}).get(ANNOTATION)
        return read(text, "here") if text else None

    @property
    def share(self) -> float:
        """What the router does."""
        backends = self.memory.objects[ROUTE]["spec"]["rules"][-1]["backendRefs"]
        return float(backends[0]["weight"] / 100)

    def version(self, variant: str) -> str:
        """What a Deployment is told to serve."""
        template = self.memory.objects[DEPLOYMENT + variant]["spec"]["template"]
        container = template["spec"]["containers"][1]
        label = str(template["metadata"]["labels"]["model-version"])
        assert container["env"][1]["value"] == f"models:/m/{label}"
        assert container["image"] == f"m:{label}"
        return label

    def come_up(self) -> None:
        """What the controllers of the cluster do."""
        for variant in ("champion", "canary"):
            found = self.memory.objects[DEPLOYMENT + variant]
            wanted, serves = found["spec"]["replicas"], self.version(variant) != "0"
            found["status"] = {
                "observedGeneration": found["metadata"]["generation"],
                "replicas": wanted,
                "updatedReplicas": wanted,
                "readyReplicas": wanted if serves and variant not in self.dead else 0,
            }

    def pass_time(self, seconds: float) -> None:
        """Requests come in, and are counted."""
        self.time += seconds
        for variant, share in (("canary", self.share), ("champion", 1 - self.share)):
            number = self.traffic.rate * seconds * share
            failed = number * self.traffic.errors.get(variant, 0.002)
            for status, grown in (("success", number - failed), ("error", failed), ("timeout", 0.0)):
                key = (variant, status)
                self.counts[key] = self.counts.get(key, 0.0) + grown
        self.weights.append((self.time, self.share))

    def run(self, controller: Controller, until: float = 3600.0, ended: bool = True) -> None:
        """Turns of a controller until the rollout ends, or nothing more for so many seconds."""
        limit = self.time + until
        while self.time < limit:
            wait = controller.turn()
            self.come_up()
            self.pass_time(wait)
            if ended and self.state is not None and not self.state.active:
                return


class _Prometheus:
    """Answers of `/api/v1/query` over HTTP's head: the counters of a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def get(self, path: str, timeout: float) -> Any:
        from mlops_runtime.endpoint import Reply, Unanswered

        world = self._world
        if world.prometheus == "down":
            raise Unanswered(f"GET {path}: no answer")
        labels = {"model_name": "m", "environment": "production"}
        series = []
        for (variant, status), value in world.counts.items():
            shown = "NaN" if world.prometheus == "nan" else str(float(int(value)))
            base = {**labels, "variant": variant, "pod": variant, "status": status}
            series.append({"metric": {"__name__": REQUESTS, **base}, "value": [world.time, shown]})
        for variant in ("champion", "canary"):
            total = sum(int(value) for (who, _), value in world.counts.items() if who == variant)
            for bound in (*BOUNDS, "+Inf"):
                metric = {"__name__": LATENCY, **labels, "variant": variant, "le": str(bound)}
                value = total if bound == "+Inf" or bound >= 0.5 else 0
                series.append({"metric": metric, "value": [world.time, str(value)]})
        if world.prometheus == "empty":
            series = []
        if world.prometheus == "strange":
            return Reply(200, b'{"data": [1, 2]}', {}, 0.0, path)
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": series}}).encode()
        return Reply(200, body, {}, 0.0, path)


def settings_file(folder: Path, **changes: Any) -> Path:
    """Settings as the generator writes them for one machine."""
    path = folder / "settings.json"
    content = {
        "environment": "local",
        "model": {"name": "m"},
        "registry": {"keep": 3},
        "prometheus": "http://127.0.0.1:9",
        "rollout": {**ROLLOUT, "engine": "envoy"},
        "local": {
            "routes": str(folder / "envoy" / "routes.yaml"),
            "envoy": "http://127.0.0.1:9",
            "champion": "http://127.0.0.1:9",
            "canary": "http://127.0.0.1:9",
            "servers": str(folder / "servers.json"),
            "status": str(folder / "rollout" / "status.json"),
        },
        **changes,
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
