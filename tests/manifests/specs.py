"""Specs that between them take every branch of the targets that write manifests."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any

from ruamel.yaml import YAML

from mlopsgen.project.model import Project
from mlopsgen.project.resolve import resolve
from mlopsgen.spec.load import parse
from tests.conftest import FULL, SMALLEST
from tests.manifests.kustomize import Built, built, rendered

Changes = Mapping[str, Any]

ENGINES = ("istio", "gateway-api", "argo-rollouts", "nginx")
LIVE = {"live": {"branch": "main"}}
STORE: Changes = {"secret_store": {"name": "vault", "prefix": "ml/live/"}}
NOT_STICKY: Changes = {"rollout": {"engine": "gateway-api", "sticky": None}, "experiment": None}
"""The Gateway API cannot hold a user on one version."""


def changed(given: Changes, changes: Changes) -> dict[str, Any]:
    """A document with changes merged into it; None takes a key out."""
    result: dict[str, Any] = dict(given)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = changed(result[key], value)
        else:
            result[key] = value
    return result


def _routing() -> Iterator[tuple[str, tuple[str, Changes]]]:
    for engine in ENGINES:
        rollout: Changes = {"rollout": {"engine": engine}}
        yield f"docstrings-{engine}", ("docstrings", rollout)
        yield f"support-{engine}", ("support", NOT_STICKY if engine == "gateway-api" else rollout)


def _serving() -> Iterator[tuple[str, tuple[str, Changes]]]:
    scaling: dict[str, Any] = {
        "keda": {"min": 2, "max": 6, "scale_on": {"queue_depth": 4}},
        "hpa": {"min": 2, "max": 6, "autoscaler": "hpa"},
        "fixed": 3,
    }
    every = product(("transformers", "vllm", "custom"), (False, True), scaling, (0, 1))
    for index, (engine, stored, scaler, gpu) in enumerate(every):
        routing = ENGINES[(index + index // 4) % len(ENGINES)]
        serving: dict[str, Any] = {"engine": engine, "replicas": scaling[scaler], "resources": {"gpu": gpu}}
        if engine == "custom":
            serving["address"] = "ENGINE_URL"
        if stored:
            serving["auth"] = {"secret": "serving-token", "key": "token"}
        changes: Changes = {
            "serving": serving,
            "rollout": {"engine": routing},
            "environments": {"live": {**LIVE["live"], **(STORE if stored else {})}},
        }
        name = f"serving-{engine}-{scaler}-gpu{gpu}-{'store' if stored else 'secrets'}-{routing}"
        yield name, ("docstrings", changes)


def _training() -> Iterator[tuple[str, tuple[str, Changes]]]:
    stores = {"folder": "checkpoints", "s3": "s3://acme/checkpoints"}
    for engine, gpu, nodes, store in product(("job", "jobset", "trainjob"), (0, 1), (1, 2), stores):
        training = {
            "engine": engine,
            "resources": {"gpu": gpu, "nodes": nodes, "spot": bool(gpu), **({"gpu_type": "nvidia-l4"} if gpu else {})},
            "checkpoint": {"store": stores[store]},
        }
        changes: Changes = {"training": training, "environments": LIVE}
        yield f"training-{engine}-gpu{gpu}-nodes{nodes}-{store}", ("docstrings", changes)


OTHERS: dict[str, tuple[str, Changes]] = {
    "operator": ("support", {"monitoring": {"operator": True}}),
    "one-step": ("docstrings", {"rollout": {"steps": ["100%"]}, "environments": LIVE}),
    "outside-prometheus": ("docstrings", {"monitoring": {"prometheus": "https://prometheus.acme.dev"}}),
    "tracking-in-cluster": ("docstrings", {"tracking": {"mlflow": {"uri": "https://mlflow.acme.dev"}}}),
    "port": ("docstrings", {"serving": {"port": 9000}, "rollout": {"engine": "nginx"}}),
    "no-routing": ("docstrings", {"targets": {"routing": False}}),
}

CASES: dict[str, tuple[str, Changes]] = {
    "docstrings": ("docstrings", {}),
    "support": ("support", {}),
    **dict(_routing()),
    **dict(_serving()),
    **dict(_training()),
    **OTHERS,
}
"""Name, the example that it starts from, what is changed in it."""

EXAMPLES = {"docstrings": SMALLEST, "support": FULL}


@cache
def _example(name: str) -> dict[str, Any]:
    found = YAML(typ="safe", pure=True).load(EXAMPLES[name].read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def project(base: str, changes: Changes) -> Project:
    """The resolved project of an example with changes."""
    text = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(changed(_example(base), changes), text)
    return resolve(parse(text.getvalue(), "mlops.yaml")).project


@cache
def environments(case: str) -> tuple[Built, ...]:
    """Environments of a case, as they reach a cluster."""
    found = project(*CASES[case])
    return tuple(built(found, rendered(found)))
