"""The longest project name: every name, also those that controllers make of ours, stays within its bounds."""

from __future__ import annotations

from typing import Any

import pytest

from mlopsgen.diagnostics import Failed
from mlopsgen.project.model import Project
from tests.manifests import lengths
from tests.manifests.kustomize import built, rendered
from tests.manifests.objects import Object, name
from tests.manifests.specs import CASES, ENGINES, LIVE, STORE, environments, project

LONG = "a-project-whose-name-is-forty-chars-long"
"""The longest name that the language takes."""

TOO_LONG = "E241"
"""A training engine makes longer names than Kubernetes allows."""


def longest(changes: dict[str, Any]) -> Project:
    """The project with the longest name that is accepted."""
    for length in range(len(LONG), 0, -1):
        try:
            return project("docstrings", {**changes, "project": {"name": LONG[:length].rstrip("-")}})
        except Failed as failed:
            assert {each.code for each in failed.diagnostics} == {TOO_LONG}
    raise AssertionError("no name is accepted")


def test_the_longest_name_has_forty_characters() -> None:
    assert len(LONG) == 40
    with pytest.raises(Failed):
        project("docstrings", {"project": {"name": f"{LONG}s"}})


@pytest.mark.parametrize("scaler", ["keda", "hpa"])
@pytest.mark.parametrize("engine", ENGINES)
def test_names_and_labels_of_what_serves(engine: str, scaler: str) -> None:
    changes = {
        "rollout": {"engine": engine},
        "serving": {
            "replicas": {"min": 2, "max": 4, "autoscaler": scaler},
            "auth": {"secret": "token", "key": "token"},
        },
        "environments": {"live": {**LIVE["live"], **STORE}},
    }
    found = longest(changes)
    assert found.name == LONG
    [environment] = built(found, rendered(found))
    assert any(name(obj).startswith(LONG) for obj in environment.objects)
    assert lengths.problems(environment.objects) == []


@pytest.mark.parametrize("nodes", [1, 2, 1024])
@pytest.mark.parametrize("engine", ["job", "jobset", "trainjob"])
def test_names_and_labels_of_what_trains(engine: str, nodes: int) -> None:
    training = {"engine": engine, "resources": {"nodes": nodes}, "checkpoint": {"store": "s3://acme/checkpoints"}}
    found = longest({"training": training, "environments": LIVE})
    [environment] = built(found, rendered(found))
    assert environment.later
    assert lengths.problems(environment.later) == []


@pytest.mark.parametrize("case", CASES)
def test_names_and_labels_are_well_formed(case: str) -> None:
    for environment in environments(case):
        assert lengths.problems(environment.every) == []


@pytest.mark.parametrize(
    ("kind", "name", "spec", "made"),
    [
        ("ScaledObject", "s" * 55, {}, "keda-hpa-"),
        ("Deployment", "d" * 53, {}, "-x"),
        ("Job", "j" * 57, {"completions": 2, "template": {}}, "-1xxxxxx"),
        ("CronJob", "c" * 53, {"jobTemplate": {"spec": {}}}, "-0000000000"),
        ("JobSet", "j" * 50, {"replicatedJobs": [{"name": "node", "template": {"spec": {}}}]}, "-node-0-0xxxxxx"),
        ("TrainJob", "t" * 49, {"trainer": {"numNodes": 1}}, "-node-0-0xxxxxx"),
    ],
)
def test_names_that_controllers_make_longer_are_found(kind: str, name: str, spec: Object, made: str) -> None:
    [*told] = lengths.problems([{"kind": kind, "metadata": {"name": name}, "spec": spec}])
    assert any(f"makes the name {name}{made}" in each or f"makes the name {made}{name}" in each for each in told)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"owner": "x" * 64}, "is no value of a label"),
        ({"owner": "NLP research"}, "is no value of a label"),
        ({"acme.dev/" + "x" * 64: "y"}, "is no name of a label"),
    ],
)
def test_malformed_labels_are_found(labels: dict[str, str], told: str) -> None:
    obj: Object = {"kind": "ConfigMap", "metadata": {"name": "x", "labels": labels}}
    assert [each for each in lengths.problems([obj]) if told in each]


def test_a_service_must_begin_with_a_letter() -> None:
    assert lengths.problems([{"kind": "Service", "metadata": {"name": "1st"}}])
