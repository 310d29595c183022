"""One judge for each kind: what the API server, or the controller behind it, would refuse in an object's shape."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from kubernetes_validate import utils
from pydantic import ValidationError as Misfit
from referencing import Registry, Resource

from tests.manifests.objects import Object, key
from tests.manifests.values import DURATION, ISTIO_DURATIONS, tightened

OLDEST = "1.29"
"""Kubernetes that manifests are made for, at least."""

CORE = frozenset(
    {
        "v1",
        "apps/v1",
        "autoscaling/v2",
        "batch/v1",
        "coordination.k8s.io/v1",
        "networking.k8s.io/v1",
        "policy/v1",
        "rbac.authorization.k8s.io/v1",
    }
)

TYPED = {
    "networking.istio.io/v1": "cloudcoil.models.istio.networking.v1",
    "networking.istio.io/v1alpha3": "cloudcoil.models.istio.networking.v1alpha3",
    "security.istio.io/v1": "cloudcoil.models.istio.security.v1",
    "telemetry.istio.io/v1": "cloudcoil.models.istio.telemetry.v1",
    "keda.sh/v1alpha1": "cloudcoil.models.keda.v1alpha1",
    "monitoring.coreos.com/v1": "cloudcoil.models.prometheus_operator.v1",
}
"""Modules with a pydantic model for each kind, made from the projects' own definitions."""

KUBEFLOW = {
    ("trainer.kubeflow.org/v1alpha1", "TrainJob"): "TrainerV1alpha1TrainJob",
    ("jobset.x-k8s.io/v1alpha2", "JobSet"): "JobsetV1alpha2JobSet",
}

HAND_WRITTEN = {
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): "httproute",
    ("argoproj.io/v1alpha1", "Rollout"): "rollout",
    ("argoproj.io/v1alpha1", "AnalysisTemplate"): "analysistemplate",
    ("external-secrets.io/v1", "ExternalSecret"): "externalsecret",
    ("kustomize.config.k8s.io/v1beta1", "Kustomization"): "kustomization",
}
"""Kinds that no package has a strict schema for; the files say what they were written from."""


def versions() -> list[str]:
    """Versions of Kubernetes that objects can be judged for, oldest first."""
    every = dict.fromkeys(utils.major_minor(version) for version in utils.all_versions())
    return list(every)[list(every).index(OLDEST) :]


def problems(obj: Object, kubernetes: str) -> list[str]:
    """What is wrong with the shape of an object.

    Args:
        obj: the object.
        kubernetes: version such as `1.29` that the kinds of Kubernetes itself are judged by.

    Returns:
        One line per problem: the object, the place in it, what is wrong. A kind that has no judge is a problem.
    """
    text = json.dumps(obj, sort_keys=True)
    api, kind = str(obj.get("apiVersion")), str(obj.get("kind"))
    found = _problems(api, kind, text, kubernetes if api in CORE or kind == "JobSet" else "")
    return [f"{key(obj)}: {problem}" for problem in found]


@cache
def _problems(api: str, kind: str, text: str, kubernetes: str) -> tuple[str, ...]:
    """The same objects come in many environments: each is judged once."""
    if api in CORE:
        judge: Callable[[str], Iterator[str]] | None = _core(api, kind, kubernetes)
    elif api in TYPED:
        judge = _typed(api, kind)
    elif (api, kind) in KUBEFLOW:
        judge = _kubeflow(KUBEFLOW[api, kind])
    else:
        judge = _hand_written(api, kind)
    if judge is None:
        return (f"no judge knows {kind} of {api}",)
    obj = json.loads(text)
    found = [*judge(text), *_empty(obj)]
    if kind == "JobSet" and not found:
        found += _jobs(obj, kubernetes)
    if ".istio.io/" in api and kind != "EnvoyFilter":
        found += _durations(obj)
    return tuple(found)


@cache
def _definitions(kubernetes: str) -> Resource[Any]:
    folder = f"kubernetes-json-schema/v{kubernetes}.0-local-strict"
    contents = utils.schema_contents(f"{folder}/_definitions.json", kubernetes)
    tightened(contents["$defs"])
    return Resource.from_contents(contents)


@cache
def _core(api: str, kind: str, kubernetes: str) -> Callable[[str], Iterator[str]] | None:
    group = api.replace("/", "-").replace(".k8s.io", "").replace(".authorization", "")
    name = f"kubernetes-json-schema/v{kubernetes}.0-local-strict/{kind.lower()}-{group}.json"
    try:
        schema = utils.schema_contents(name, kubernetes)
    except FileNotFoundError:
        return None
    registry: Registry[Any] = Resource.from_contents(schema) @ Registry()
    return _by(Draft202012Validator(schema, registry=_definitions(kubernetes) @ registry))


@cache
def _typed(api: str, kind: str) -> Callable[[str], Iterator[str]] | None:
    model = getattr(import_module(TYPED[api]), kind, None)
    if "apiVersion" not in {field.alias for field in getattr(model, "model_fields", {}).values()}:
        return None

    def judge(text: str) -> Iterator[str]:
        try:
            model.model_validate_json(text, strict=True, extra="forbid", by_alias=True, by_name=False)  # type: ignore[union-attr]
        except Misfit as misfit:
            for error in misfit.errors():
                yield f"{_path(error['loc'])}: {error['msg']}"

    return judge


@cache
def _kubeflow(model: str) -> Callable[[str], Iterator[str]]:
    """Its pydantic models drop what they do not know, and know no quantities: their schema is taken, and closed."""
    found = getattr(import_module("kubeflow_trainer_api.models"), model)
    schema = found.model_json_schema(by_alias=True)
    for definition in (schema, *schema["$defs"].values()):
        definition["additionalProperties"] = False
        for field in definition.get("properties", {}).values():
            given = [each for each in field.get("anyOf", ()) if each != {"type": "null"}]
            if len(given) == 1:
                field.update(given[0])
                del field["anyOf"]
    alternatives = [name for name, each in schema["$defs"].items() if "actual_instance" in each.get("properties", {})]
    for name in alternatives:
        schema["$defs"][name] = {"type": ["string", "number"]}
    schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
    return _by(Draft202012Validator(schema))


def _jobs(obj: Object, kubernetes: str) -> Iterator[str]:
    """The Jobs that a JobSet makes, as Kubernetes sees them."""
    for index, job in enumerate(obj["spec"].get("replicatedJobs") or ()):
        made = {"apiVersion": "batch/v1", "kind": "Job", **job["template"]}
        for problem in _problems("batch/v1", "Job", json.dumps(made, sort_keys=True), kubernetes):
            yield f"spec.replicatedJobs[{index}].template: {problem}"


def _empty(value: Any, steps: tuple[str | int, ...] = ()) -> Iterator[str]:
    """Nulls: Kubernetes takes them for absent, so somebody forgot a value."""
    if value is None:
        yield f"{_path(steps)}: is null"
    elif isinstance(value, dict | list):
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _empty(item, (*steps, step))


def _durations(value: Any, steps: tuple[str | int, ...] = ()) -> Iterator[str]:
    if isinstance(value, dict | list):
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            if step in ISTIO_DURATIONS and isinstance(item, str) and not re.match(DURATION, item):
                yield f"{_path((*steps, step))}: {item!r} is no duration"
            yield from _durations(item, (*steps, step))


@cache
def _hand_written(api: str, kind: str) -> Callable[[str], Iterator[str]] | None:
    if (api, kind) not in HAND_WRITTEN:
        return None
    path = Path(__file__).parent / "hand_written" / f"{HAND_WRITTEN[api, kind]}.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return _by(Draft202012Validator(schema))


def _by(validator: Draft202012Validator) -> Callable[[str], Iterator[str]]:
    def judge(text: str) -> Iterator[str]:
        for error in validator.iter_errors(json.loads(text)):
            yield from _told(error)

    return judge


def _told(error: ValidationError) -> Iterator[str]:
    """An error of alternatives is told by the one that fits best: its keys first, then what lies below them."""
    if error.validator in ("oneOf", "anyOf") and error.context:
        alternatives: dict[Any, list[ValidationError]] = {}
        for each in error.context:
            alternatives.setdefault(each.relative_schema_path[0], []).append(each)
        here = len(error.absolute_path)
        best = min(alternatives.values(), key=lambda some: (sum(len(e.absolute_path) == here for e in some), len(some)))
        for each in best:
            yield from _told(each)
        return
    yield f"{_path(tuple(error.absolute_path))}: {error.message[:300]}"


def _path(steps: tuple[str | int, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".") or "(the object)"
