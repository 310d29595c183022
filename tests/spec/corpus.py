"""Specs, valid and not, made from the full example: a field left out, of another type or unit, at its limits."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from mlopsgen.diagnostics import Failed, Span
from mlopsgen.diagnostics.catalogue import CODES
from mlopsgen.spec.load import parse
from mlopsgen.spec.tree import Node, placed
from tests.conftest import FULL, SMALLEST

WRONG: tuple[Any, ...] = (
    None, True, 0, 1, -1, 3.0, 0.5, 1e400, float("nan"), 10**18, "", " ", "x", "5%", "101%", "007%", "0%", "100%", "10m",
    "0s", "0.1ms", "9999999d", "64Gi", "500m", "a/b", "../a", "/a", "a\\b", "a b", "A", "é", "🎉", "x: y", "{{ x }}", "null",
    "a" * 300, [], [1], ["x"], ["x", "x"], [[]], [None], {}, {"x": 1}, {"min": 1}, {"max": None}, {"min": 2, "max": 1},
    {"secret": "s", "key": "k"},
)  # fmt: skip
"""Some of these are put in the place of every value of the full example."""
EACH = 4

LIMITS: dict[str, tuple[Any, ...]] = {
    "version": (1, 1.0, True, 2, "1"),
    "project.name": ("a", "a" * 40, "a" * 41, "a-b", "a-", "1a", "a_b", "A"),
    "project.repository": ("a/b", "a", "a/b/c", "-a/b", "a/" + "b" * 101),
    "data.raw": ("a", "a/b", "a//b", "./a", "a/", "~/a", "c:/a", "a/../b", "a..b", "...", "a\tb", " a", "a\u00a0b", "a\u00adb"),
    "data.remote": ("s3://b", "s3://b/c", "ftp://b", "folder", "../up", "a/../b", "https://u:p@h/x", "gs://b/c d"),
    "data.split.validation": ("0%", "0.0%", "100%", "99.9%", 0, 0.0, 1, 1.0, 0.5, "1%", "50 %", -0.1, "099%", "99.99999999999%"),
    "data.split.seed": (0, 2**32 - 1, 2**32, -1, 1.0),
    "data.split.group_by": ("prompt", "a.b", "$a", 'a"b', "a'b", "a" * 101),
    "data.rows": ({"min": 1}, {"max": 1}, {"min": None}, {"min": None, "max": 3}, {"min": 1.5}, {"min": 3, "max": 3}),
    "data.columns": ({}, {"a b": {}}, {"prompt": {}, "response": None}, {"prompt": {}, "response": {"required": False}}),
    "data.drift.features": ({"prompt": ["length", "size"]}, {"prompt": []}, {"a.b": []}),
    "model.base": (None, "a", "a/b", "a b", ".", "-a"),
    "model.task": ([], ["x"], "causal-lm", "causal", {"x": 1}),
    "model.architecture": ({"hidden_size": 8, "layers": 1, "heads": 3, "vocab_size": 260}, {"hidden_size": 8, "layers": 1, "heads": 1, "vocab_size": 260}, {}, None),
    "model.adapter.targets": ("all-linear", "attention", "others", [], ["q_proj"], ["a-b"], [1]),
    "model.preprocess": ([], ["strip", "m:f"], ["m:f:g"], ["Strip"], "strip"),
    "training.epochs": (1e-9, 10000, 10001, 0, float("inf"), "3"),
    "training.learning_rate": (9.99, 10, 0, 1e-30),
    "training.resources.cpu": (0.001, 99999, 100000, float("nan"), "0.5", "1500m", "1.5m", "4 cores"),
    "training.resources.memory": ("1Gi", "1.5Gi", "1GB", "1024", "1e3", "1" * 19 + "Gi"),
    "training.search.parameters.learning_rate": (
        {"log_uniform": [1e-6, 1e-4]}, {"log_uniform": [0, 1]}, {"log_uniform": [2, 1]}, {"uniform": [1]}, {},
        {"uniform": [0, 1], "choice": [1]}, {"uniform": None, "choice": [1e-4]}, {"uniform": None}, {"choice": []},
        {"choice": None}, {"uniform": [1e-6, float("inf")]}, {"int_uniform": [1.0, 2.0]},
    ),
    "evaluation.gates": ({}, {"val_loss": {}}, {"val loss": {"max": 1}}, {"val_loss": {"max": "x"}}, {"val_loss": {"max": 1e301}}),
    "serving.image": ("a", "a/b", "ghcr.io/a/b", "a:1", "A/b", "a//b", "localhost:5000/a", "a@sha256:0"),
    "serving.port": (1023, 1024, 65535, 65536),
    "serving.resources.gpu_type": ("nvidia-l4", "a b", "", None),
    "serving.replicas": (1, 10000, 10001, 0, 1.0, True, {"min": 2}, {"min": 3, "max": 2}, {"max": 2}, {"scale_on": {}}),
    "serving.cost.currency": ("USD", "usd", "USDX"),
    "environments": ({"A": {}}, {"a": {}}, {"a": None}, {"a_b": {}}, {"a" * 64: {}}, {"a": {"approval": "yes"}}),
    "environments.staging.branch": ("main", "a..b", "a.lock", "a/b", "/a", "a/", "a b", "a.lock/b", "@{a"),
    "environments.staging.url": ("http://h", "https://h:1/p", "https://u@h", "https://h?q", "h", "https://[::1]/x"),
    "environments.staging.serving": ({"port": "x"}, {"unknown": 1}, {"rate_limit": {"per": "1m"}}, {"cost": None}, {"replicas": {"max": 3}}),
    "environments.staging.rollout": ({"gates": {"rating": {}}}, {"gates": {"rating": {"min": 2}}}, {"testers": {}}, {"hold": 5}),
    "environments.staging.experiment": ({}, {"traffic": "20%"}, {"sticky": {}}),
    "environments.staging.monitoring": (
        {"alerts": {"custom": [{"name": "A"}]}}, {"notify": {"routes": {"info": ["email"]}}}, {"notify": {"email": None}},
        {"alerts": {"accuracy": None, "drift": {"for": "5m"}}},
    ),
    "rollout.steps": ([], ["100%"], [1], ["5%"] * 51, ["5%", 2], [0.5, "100%"]),
    "rollout.testers.value": ("a", "a b", " a", "é"),
    "monitoring.notify.routes": ({}, {"critical": []}, {"critical": ["email", "slack"]}, {"urgent": ["email"]}, {"info": ["x"]}),
    "monitoring.notify.slack": (None,),
    "monitoring.notify.email.to": ([], ["a@b.cd"], ["a"], "a@b.cd"),
    "monitoring.notify.email.smarthost": ("h:25", "h", "h:", ":25"),
    "ci.python": ("3.11", "3.9", "3.20", 3.11, "3"),
    "ci.schedule": (
        "0 3 * * 0", "*/5 * * * *", "0 3 * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *",
        "* * * * 8", "1,2 1-5 * */2 0-6/2", "5-1 * * * *", "*/0 * * * *", "@daily", "0 3 * * MON", " 0  3 * * 0 ", "", "1-2-3 * * * *",
    ),
    "ci.runners.gpu": ("a", ["a", "b"], [], [""], "a b", "a" * 101),
    "ci.credentials.aws.role": ("arn:aws:iam::123456789012:role/a", "arn:aws:iam::1:role/a", "role"),
    "ci.credentials.aws.region": ("us-gov-west-1", "Europe"),
    "ci.credentials.secrets": ([], ["A_B"], ["A-B"], ["1A"]),
    "patches": (
        [{"file": "dvc.yaml", "ops": []}],
        [{"file": "dvc.yaml", "ops": [{"op": "add", "path": "/a", "value": None}]}],
        *([{"file": "dvc.yaml", "ops": [{"op": op, "path": "/a"}]}] for op in ("add", "remove", "replace", "move", "copy", "test", "put")),
        *([{"file": "dvc.yaml", "ops": [{"op": op, "path": "/a", "from": "/b", "value": 1}]}] for op in ("add", "move", "copy")),
        [{"file": "dvc.yaml", "ops": [{"op": "move", "path": "/a", "from": None}]}],
        [{"file": "dvc.yaml", "ops": [{"op": "remove", "path": "a"}]}],
        [{"file": "dvc.yaml", "ops": [{"op": "remove", "path": "/a~2"}]}],
    ),
    "unmanaged": ([], ["a", "b/c"], ["/a"], [1], "a"),
    "templates": (None, "a", "../a"),
}  # fmt: skip
"""Values for fields that have limits or forms, on both sides of them."""


class Sample(NamedTuple):
    """One spec as plain data, and how it came about."""

    name: str
    plain: dict[str, Any]


def full() -> dict[str, Any]:
    plain: dict[str, Any] = parse(FULL.read_text(), "mlops.yaml").plain()
    return plain


def paths(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if here:
        yield here
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths(item, (*here, key))


def put(plain: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy with a value at `path`; mappings on the way are made where there are none."""
    made = copy.deepcopy(plain)
    here: Any = made
    for part in path[:-1]:
        if isinstance(here, dict) and not isinstance(here.get(part), dict | list):
            here[part] = {}
        here = here[part]
    here[path[-1]] = value
    return made


def without(plain: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    made = copy.deepcopy(plain)
    here: Any = made
    for part in path[:-1]:
        here = here[part]
    del here[path[-1]]
    return made


def samples() -> Iterator[Sample]:
    """Every sample, in the same order each time."""
    whole, smallest = full(), parse(SMALLEST.read_text(), "mlops.yaml").plain()
    yield Sample("full", whole)
    yield Sample("smallest", smallest)
    for code in CODES.values():
        try:
            yield Sample(code.id, parse(code.example, "mlops.yaml").plain())
        except Failed:
            continue
    for path in paths(whole):
        name = ".".join(map(str, path))
        yield Sample(f"{name} left out", without(whole, path))
        for value in random.Random(name).sample(WRONG, EACH):
            yield Sample(f"{name} = {value!r:.40}", put(whole, path, value))
    for path in [(), *paths(whole)]:
        here: Any = whole
        for part in path:
            here = here[part]
        if isinstance(here, dict):
            yield Sample(f"{'.'.join(map(str, path))} with an unknown key", put(whole, (*path, "unknown"), 1))
    for dotted, values in LIMITS.items():
        for value in values:
            for base, plain in (("full", whole), ("smallest", smallest)):
                yield Sample(f"{base}, {dotted} := {value!r:.60}", put(plain, tuple(dotted.split(".")), value))


def tree(plain: Any) -> Node:
    """Plain data as a tree; all of it stands at one place."""
    span = Span("mlops.yaml", 1, 1, 1, 2)

    def node(value: Any) -> Node:
        if isinstance(value, dict):
            return Node({key: node(item) for key, item in value.items()}, span, keys=dict.fromkeys(value, span))
        return Node([node(item) for item in value] if isinstance(value, list) else value, span)

    return placed(node(plain))
