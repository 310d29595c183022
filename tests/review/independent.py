"""Counts by class of what differs between two outputs, found without the code that plans.

Manifests are what `kubectl kustomize` makes of each folder, with the release file that the base has; the rest is read
from the files. What follows from a difference is taken from the documents of Kubernetes, DVC, Prometheus and GitHub.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from tests.conftest import tool

Output = Mapping[str, bytes]
QUICK = {**os.environ, "GOMAXPROCS": "1", "GOGC": "off"}
"""A short run of a program in Go takes a third less so."""

Objects = dict[tuple[str, str], dict[str, Any]]

ROUTING = {
    *("VirtualService", "DestinationRule", "EnvoyFilter", "AuthorizationPolicy", "HTTPRoute", "Rollout"),
    "AnalysisTemplate",
}
IMMUTABLE = {
    "Deployment": {"selector"},
    "Job": {"template", "selector", "completionMode", "podFailurePolicy"},
    "Service": {"clusterIP"},
}
"""Fields of `spec` that the API server refuses to change, of the kinds that the example has."""


def counts(base: Output, head: Output, kept: set[str]) -> dict[str, int]:
    """How much of each class there is; classes without any are left out."""
    differ = {key for key in base.keys() | head.keys() if base.get(key) != head.get(key)}
    differ -= {key for key in kept if key in base and key in head}
    found: Counter[str] = Counter()
    for environment in sorted({key.split("/")[1] for key in differ if key.startswith("deploy/")}):
        files = {key for key in differ if key.startswith(f"deploy/{environment}/")}
        found += _environment(environment, base, head, files)
    if differ & {"dvc.yaml", "params.yaml"}:
        found += _pipeline(base, head)
    if "monitoring/rules.yaml" in differ:
        found += _rules(*(_read(side, "monitoring/rules.yaml")["groups"] for side in (base, head)))
    if "monitoring/alertmanager.yaml" in differ:
        found["alerts"] += 1
    for key in differ:
        if key.startswith("//.github/workflows/"):
            found += _workflow(_read(base, key), _read(head, key))
    found += _files(base, head, differ)
    return {kind: number for kind, number in found.items() if number}


def _read(output: Output, key: str) -> Any:
    return _parsed(output[key])[0] if key in output else None


@lru_cache(maxsize=1024)
def _parsed(content: bytes) -> list[Any]:
    return list(yaml.load_all(content, yaml.CBaseLoader))


def _files(base: Output, head: Output, differ: set[str]) -> Counter[str]:
    """Files that are neither manifests nor rules, the pipeline or workflows."""
    known = ("//.github/workflows/", "monitoring/rules.yaml", "monitoring/alertmanager.yaml", "dvc.yaml", "params.yaml")
    found: Counter[str] = Counter()
    for key in differ:
        if key.startswith(known) or (key.startswith("deploy/") and not key.endswith((".md", "kustomization.yaml"))):
            continue
        words = key.endswith((".md", "_test.yaml"))
        if key.endswith(".yaml") and key in base and key in head:
            words = words or _parsed(base[key]) == _parsed(head[key])
        found["metadata" if words else "configuration"] += 1
    return found


def _environment(name: str, base: Output, head: Output, differ: set[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    if all(key.endswith(".md") for key in differ):
        return found
    training = f"deploy/{name}/training/"
    places = [training for key in differ if key.startswith(training)][:1]
    places += [f"deploy/{name}/" for key in differ if not key.startswith(training)][:1]
    before, after = _cluster(name, base, base, places), _cluster(name, head, base, places)
    once = {key for key in (*base, *head) if key.startswith(f"deploy/{name}/training/checkpoints")}
    for objects, side in ((before, base), (after, head)):
        for key in once & side.keys():
            document = yaml.safe_load(side[key])
            objects[document["kind"], document["metadata"]["name"]] = document
    written_before, written_after = (dict(_written(name, side)) for side in (base, head))
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old is None or new is None:
            kind = "traffic" if key[0] in ROUTING else "recreate" if new is None else "configuration"
            found[kind] += 1
        elif old != new:
            found += _object(old, new, before)
        elif written_before.get(key) != written_after.get(key):
            found["configuration"] += 1  # what the release fills in
    found["traffic"] += sum(key.endswith((".conf", ".sh")) for key in differ)
    rules = [
        [g for o in side.values() if o["kind"] == "PrometheusRule" for g in o["spec"]["groups"]]
        for side in (before, after)
    ]
    if rules[0] != rules[1]:
        found += _rules(*rules)
    return found


def _object(old: dict[str, Any], new: dict[str, Any], before: Objects) -> Counter[str]:
    found: Counter[str] = Counter()
    kind, name = old["kind"], old["metadata"]["name"]
    namespaces = [each["metadata"].get("namespace") for each in (old, new)]
    differ = {
        f
        for f in {*old.get("spec", {}), *new.get("spec", {})}
        if old.get("spec", {}).get(f) != new.get("spec", {}).get(f)
    }
    fixed = IMMUTABLE.get(kind, set()) & differ
    if kind == "JobSet":
        fixed = differ - {"suspend", "ttlSecondsAfterFinished"}
    if fixed or namespaces[0] != namespaces[1]:
        found["recreate"] += 1
    if kind == "Deployment" and "template" in differ and (pods := _pods(name, old, before)):
        found["restart"] += pods
        labels = new["spec"]["template"]["metadata"]["labels"]
        env = {e["name"] for c in new["spec"]["template"]["spec"]["containers"] for e in c.get("env", [])}
        if labels["app.kubernetes.io/component"] == "serving" and "MLOPS_MODEL_URI" in env:
            found["reload"] += pods
    if kind == "Role":
        found["permissions"] += len(set(_rights(new)) - set(_rights(old)))
    if (kind == "ScaledObject" and differ & {"minReplicaCount", "maxReplicaCount"}) or (
        kind == "Deployment" and "replicas" in differ
    ):
        found["configuration"] += 1
    steers = (kind in ROUTING and differ) or (kind == "Service" and differ & {"ports", "selector"})
    if kind == "ConfigMap" and name.endswith("-rollout"):
        settings = [yaml.safe_load(each["data"]["settings.yaml"]) for each in (old, new)]
        steers = any(settings[0].get(part) != settings[1].get(part) for part in ("rollout", "experiment"))
    if steers:
        found["traffic"] += 1
    elif not +found:
        rest = [{k: v for k, v in each.items() if k != "metadata"} for each in (old, new)]
        found["metadata" if rest[0] == rest[1] else "configuration"] += 1
    return found


def _pods(name: str, deployment: dict[str, Any], before: Objects) -> int:
    replicas = deployment["spec"].get("replicas")
    for each in before.values():
        if each["kind"] == "Rollout" and each["spec"]["workloadRef"]["name"] == name:
            name, replicas = each["metadata"]["name"], each["spec"].get("replicas")
    for each in before.values():
        scales = each["kind"] in ("ScaledObject", "HorizontalPodAutoscaler")
        if scales and each["spec"]["scaleTargetRef"]["name"] == name:
            replicas = each["spec"].get("minReplicaCount", each["spec"].get("minReplicas"))
    return 1 if replicas is None else replicas


def _rights(role: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for rule in role["rules"]:
        for verb in rule["verbs"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", ["*"]):
                    yield verb, rule["apiGroups"][0], resource, name


def _cluster(environment: str, output: Output, base: Output, places: list[str]) -> Objects:
    """What kustomize makes of some folders of an environment, without ConfigMaps that it makes from files."""
    content = {key: content for key, content in output.items() if key.startswith(f"deploy/{environment}/")}
    # A build leaves the file of the release alone.
    content |= {key: base[key] for key in content if key.endswith("/release.yaml") and key in base}
    found: Objects = {}
    for document in _kustomized(tuple(places), tuple(sorted(content.items()))):
        if not (document["kind"] == "ConfigMap" and "settings.yaml" not in document["data"]):
            found[document["kind"], document["metadata"]["name"]] = document
    return found


@lru_cache(maxsize=16)
def _kustomized(places: tuple[str, ...], content: tuple[tuple[str, bytes], ...]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for key, text in content:
            path = Path(folder, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
        for place in places:
            if f"{place}kustomization.yaml" in dict(content):
                command = [tool("kubectl"), "kustomize", str(Path(folder, place))]
                made = subprocess.run(command, capture_output=True, check=True, env=QUICK)
                found += yaml.load_all(made.stdout, yaml.CSafeLoader)
    return found


def _written(environment: str, output: Output) -> Iterator[tuple[tuple[str, str], Any]]:
    for key, content in output.items():
        if key.startswith(f"deploy/{environment}/") and key.endswith(".yaml") and not key.endswith("release.yaml"):
            for document in _parsed(content):
                if "metadata" in document:
                    yield (document["kind"], document["metadata"]["name"]), document


def _pipeline(base: Output, head: Output) -> Counter[str]:
    """DVC runs a stage again when its command, its dependencies or the values of its parameters differ, or one before."""
    old, new = (_read(side, "dvc.yaml")["stages"] for side in (base, head))
    params = [_read(side, "params.yaml") for side in (base, head)]
    again: set[str] = set()
    for name, stage in new.items():
        before = old.get(name)
        paths = [
            [_names(each.get(part, [])) for part in ("deps", "outs", "metrics", "params", "plots")]
            for each in (before or {}, stage)
        ]
        values = [[_value(side, name) for name in stage.get("params", [])] for side in params]
        if before is None or before["cmd"] != stage["cmd"] or paths[0] != paths[1] or values[0] != values[1]:
            again.add(name)
    for _ in new:
        written = {path for name in again for part in ("outs", "metrics") for path in _names(new[name].get(part, []))}
        again |= {name for name, stage in new.items() if set(_names(stage["deps"])) & written}
    gone = int(bool(old.keys() - new.keys()))
    if again:
        return Counter({"retrain" if "train" in again else "pipeline": len(again), "configuration": gone})
    if gone:
        return Counter({"configuration": 1})
    return Counter({"metadata" if params[0] == params[1] else "configuration": 1})


def _names(items: list[Any]) -> list[str]:
    return sorted(item if isinstance(item, str) else next(iter(item)) for item in items)


def _value(params: Any, name: str) -> Any:
    for part in name.split("."):
        params = (params or {}).get(part)
    return params


def _rules(old: list[Any], new: list[Any]) -> Counter[str]:
    """Alerts that are new or gone, or of which duration, labels or expression differ, also by a series that they read."""
    sides = [[rule for group in groups for rule in group["rules"]] for groups in (old, new)]
    records = [{(r["record"], r["expr"]) for r in rules if "record" in r} for rules in sides]
    moved = {name for name, _ in records[0] ^ records[1]}
    alerts = [Counter(_meaning(r, moved) for r in rules if "alert" in r) for rules in sides]
    gone, come = Counter(), Counter()  # type: ignore[var-annotated]
    for meaning, number in (alerts[0] - alerts[1]).items():
        gone[json.loads(meaning)[0]] += number
    for meaning, number in (alerts[1] - alerts[0]).items():
        come[json.loads(meaning)[0]] += number
    number = sum(max(gone[name], come[name]) for name in gone.keys() | come.keys())
    touched = sum(
        1
        for rule in sides[1]
        if "alert" in rule
        and any(n in rule["expr"] for n in moved)
        and _meaning(rule, set()) in {_meaning(r, set()) for r in sides[0] if "alert" in r}
    )
    if number or touched:
        return Counter({"alerts": number + touched})
    return Counter({"configuration" if moved else "metadata": 1})


def _meaning(rule: dict[str, Any], _: set[str]) -> str:
    return json.dumps([rule["alert"], rule["expr"], rule.get("for"), rule.get("labels")], sort_keys=True)


def direction(old: dict[str, Any], new: dict[str, Any]) -> str:
    """`earlier`, `later` or `otherwise`, by Prometheus' own grammar."""
    moves = set()
    before, after = (_seconds(rule.get("for", "0s")) for rule in (old, new))
    if before != after:
        moves.add("earlier" if after < before else "later")
    one, other = (list(_comparisons(promql_parser.parse(rule["expr"]))) for rule in (old, new))
    if len(one) != len(other) or [c[0] for c in one] != [c[0] for c in other]:
        return "otherwise"
    for (operator, was), (_, now) in zip(one, other, strict=True):
        if was != now:
            moves.add("earlier" if (now < was) == (operator in (">", ">=")) else "later")
    return moves.pop() if len(moves) == 1 else "otherwise"


def _comparisons(node: Any) -> Iterator[tuple[str, float]]:
    if isinstance(node, promql_parser.BinaryExpr):
        if isinstance(node.rhs, promql_parser.NumberLiteral) and str(node.op) in (">", ">=", "<", "<="):
            yield str(node.op), node.rhs.val
        yield from _comparisons(node.lhs)
        yield from _comparisons(node.rhs)
    elif isinstance(node, promql_parser.ParenExpr | promql_parser.AggregateExpr):
        yield from _comparisons(node.expr)


def _seconds(text: str) -> float:
    sizes = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(number) * sizes[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))


def _workflow(old: Any, new: Any) -> Counter[str]:
    if new is not None and (wider := set(_grants(new)) - set(_grants(old))):
        return Counter({"permissions": len(wider)})
    return Counter({"metadata" if old == new else "configuration": 1})


def _grants(workflow: Any) -> Iterator[tuple[str, str]]:
    for name, job in (workflow or {"jobs": {}})["jobs"].items():
        for scope, level in job.get("permissions", workflow["permissions"]).items():
            for each in ("read", "write") if level == "write" else (level,):
                yield name, f"{scope} {each}"
        for step in job.get("steps", []):
            if "role-to-assume" in step.get("with", {}):
                yield name, step["with"]["role-to-assume"]
        shared = {key: value for key, value in workflow.items() if key != "jobs"}
        for secret in re.findall(r"secrets\.(\w+)", json.dumps([job, shared])):
            if secret != "GITHUB_TOKEN":
                yield name, secret
