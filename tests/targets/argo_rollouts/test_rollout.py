"""The Rollout: its steps, what it is made of, and that everything it names is there."""

from __future__ import annotations

from typing import Any

import pytest

from mlopsgen.project import names
from mlopsgen.render.engine import render
from mlopsgen.targets import istio
from mlopsgen.targets.argo_rollouts import files
from tests.targets.argo_rollouts.specs import ALL_GATES, SPECS, found
from tests.targets.istio.specs import Object, full, objects, one, project, spec


def rollout(name: str = "all-gates") -> dict[str, Any]:
    """Spec of the Rollout."""
    result: dict[str, Any] = one(found(name), "Rollout")["spec"]
    return result


def canary(name: str = "all-gates") -> dict[str, Any]:
    """Its canary strategy."""
    result: dict[str, Any] = rollout(name)["strategy"]["canary"]
    return result


def steps(name: str) -> list[str]:
    """Its steps, in words."""
    words = {
        "setWeight": lambda value: f"weight {value}",
        "pause": lambda value: f"pause {value['duration']}",
        "analysis": lambda _: "analysis",
        "setCanaryScale": lambda _: "scale",
    }
    return [words[key](value) for step in canary(name)["steps"] for key, value in step.items()]


def analyses(name: str) -> list[dict[str, Any]]:
    """Analyses of its steps."""
    return [step["analysis"] for step in canary(name)["steps"] if "analysis" in step]


def test_every_share_is_set_held_and_judged_and_the_whole_follows() -> None:
    each = ["pause 10m", "analysis"]
    assert steps("all-gates") == ["scale", "weight 5", *each, "weight 25", *each]
    assert canary()["steps"][0] == {"setCanaryScale": {"matchTrafficWeight": True}}


def test_without_gates_there_is_still_the_hold_and_the_deadline() -> None:
    assert "analysis" not in steps("no-gates")
    assert steps("no-gates")[1:3] == ["weight 5", "pause 10m"]
    assert canary("no-gates")["analysis"] == {"templates": [{"templateName": "docstrings-deadline"}]}


@pytest.mark.parametrize(
    ("shares", "weights"),
    [
        ("[0.1%, 0.5%, 1%, 2%, 100%]", ["weight 1", "weight 2"]),
        ("[33.3%, 66.7%, 99.9%, 100%]", ["weight 33", "weight 67"]),
    ],
)
def test_weights_are_whole_percent_and_rise(shares: str, weights: list[str]) -> None:
    made = steps(spec("argo-rollouts", f"steps: {shares}"))
    assert [step for step in made if step.startswith("weight")] == weights


@pytest.mark.parametrize("name", [*SPECS, "full"])
def test_what_it_names_is_there(name: str) -> None:
    text = full("argo-rollouts") if name == "full" else SPECS[name]
    environment = "production" if name == "full" else "live"
    made = objects(files(project(text)), environment)
    routing = objects(istio.files(project(text)), environment)
    given = one(made, "Rollout")
    strategy = given["spec"]["strategy"]["canary"]
    virtual = strategy["trafficRouting"]["istio"]["virtualService"]
    service = one(routing, "VirtualService", virtual["name"])
    [rule] = [rule for rule in service["spec"]["http"] if [rule["name"]] == virtual["routes"]]
    # Argo Rollouts finds the two destinations by the first label of their hosts, and wants weights that add up to 100.
    hosts = [each["destination"]["host"].split(".")[0] for each in rule["route"]]
    assert hosts == [strategy["canaryService"], strategy["stableService"]]
    assert sum(each["weight"] for each in rule["route"]) == 100
    templates = {each["metadata"]["name"]: each["spec"] for each in made if each["kind"] == "AnalysisTemplate"}
    named = [strategy["analysis"], *(step["analysis"] for step in strategy["steps"] if "analysis" in step)]
    assert {ref["templateName"] for analysis in named for ref in analysis["templates"]} == set(templates)
    for analysis in named:
        given_args = {arg["name"] for arg in analysis.get("args", [])}
        wanted = {
            arg["name"] for ref in analysis["templates"] for arg in templates[ref["templateName"]].get("args", [])
        }
        assert wanted <= given_args


def test_both_versions_are_told_apart_by_the_hash_of_their_pods() -> None:
    for analysis in (canary()["analysis"], *analyses("all-gates")):
        hashes = {arg["name"]: arg["valueFrom"] for arg in analysis["args"] if "valueFrom" in arg}
        assert hashes == {
            "canary-hash": {"podTemplateHashValue": "Latest"},
            "champion-hash": {"podTemplateHashValue": "Stable"},
        }


def passes(analysis: dict[str, Any]) -> list[str]:
    """How many successes in a row end an analysis; 0 is never."""
    return [arg["value"] for arg in analysis["args"] if arg["name"] == "passes"]


def test_a_step_passes_by_one_success_and_the_watch_goes_on() -> None:
    assert passes(canary()["analysis"]) == ["0"]
    assert [passes(each) for each in analyses("all-gates")] == [["1"], ["1"]]
    watched = {ref["templateName"] for ref in canary()["analysis"]["templates"]}
    judged = {ref["templateName"] for each in analyses("all-gates") for ref in each["templates"]}
    assert watched - judged == {"docstrings-deadline"}


def test_the_deployment_is_the_template_of_the_pods() -> None:
    assert rollout()["workloadRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": names.named(project(SPECS["all-gates"]), "champion"),
        "scaleDown": "never",
    }
    assert not {"template", "selector"} & set(rollout())


def test_replicas_belong_to_the_autoscaler_where_there_is_one() -> None:
    assert rollout()["replicas"] == 1
    assert "replicas" not in rollout("gpu")


def test_gpus_are_not_asked_for_twice() -> None:
    assert canary("gpu")["dynamicStableScale"] is True
    # Argo Rollouts refuses both together.
    assert "scaleDownDelaySeconds" not in canary("gpu")
    assert "dynamicStableScale" not in canary()


def test_a_gate_without_a_metric_is_named_and_left_out() -> None:
    [file] = files(project(SPECS["all-gates"]))
    assert "`rating` is not judged" in render(file).content.decode()
    assert not [each for each in found("all-gates") if "rating" in each["metadata"]["name"]]
    [file] = files(project(SPECS["defaults"]))
    assert "rating" not in render(file).content.decode()


def test_only_a_canary_by_argo_rollouts_gets_a_rollout() -> None:
    assert not list(files(project(spec("istio", *ALL_GATES))))
    no_canary = "environments: {live: {namespace: ml, rollout: {steps: [100%]}}}"
    assert not list(files(project(spec("argo-rollouts", more=(no_canary,)))))
    assert [file.path for file in files(project(full("argo-rollouts")))] == ["deploy/production/rollout.yaml"]


@pytest.mark.parametrize("name", SPECS)
def test_objects_are_labelled_and_lie_in_the_namespace(name: str) -> None:
    made: list[Object] = found(name)
    assert {obj["metadata"]["namespace"] for obj in made} == {"ml"}
    assert {obj["metadata"]["labels"]["app.kubernetes.io/component"] for obj in made} == {"routing"}
    assert one(made, "Rollout")["metadata"]["name"] == "docstrings"


def test_values_remember_where_they_came_from() -> None:
    [file] = files(project(spec("argo-rollouts", *ALL_GATES, more=("monitoring: {prometheus: 'http://p.m:9090'}",))))
    paths = {path for origin in render(file).origins for path in origin.paths}
    assert {
        "rollout.steps[0]",
        "rollout.hold",
        "rollout.check_every",
        "rollout.min_requests",
        "rollout.deadline",
        "rollout.gates.error_rate.max",
        "rollout.gates.latency_p95.min",
        "rollout.against_champion.error_rate.max_ratio",
        "rollout.against_champion.latency_p95.max_ratio",
        "rollout.against_champion.alpha",
        "monitoring.prometheus",
    } <= paths
