"""Shares in and out of each router's document, as `mlopsgen build` writes them."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlops_runtime.errors import Mistaken
from mlops_runtime.rollout.routers import weights
from mlops_runtime.rollout.routers.base import Router
from mlops_runtime.rollout.routers.envoy import Envoy
from mlops_runtime.rollout.routers.gateway import Gateway
from mlops_runtime.rollout.routers.istio import Istio
from mlops_runtime.rollout.routers.nginx import Nginx
from ruamel.yaml import YAML

from mlopsgen.contract.split import split
from tests.conftest import ROOT
from tests.runtime.rollout.world import manifest

EXAMPLES = "examples/{}/{}"


def gateway_with_testers() -> dict[str, Any]:
    """An HTTPRoute with a rule for testers before the split."""
    found = json.loads(manifest(EXAMPLES.format("docstrings", "deploy/production/routing.yaml"), "HTTPRoute"))
    found["spec"]["rules"].insert(0, copy.deepcopy(found["spec"]["rules"][0]))
    return dict(found)


def envoy() -> dict[str, Any]:
    """Routes of one machine, with testers."""
    path = ROOT / EXAMPLES.format("support-assistant", "local/routes.yaml")
    return dict(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))


def istio() -> dict[str, Any]:
    """A VirtualService with testers."""
    return dict(
        json.loads(manifest(EXAMPLES.format("support-assistant", "deploy/production/routing.yaml"), "VirtualService"))
    )


def documents(whole: int = 100) -> dict[str, tuple[Router, dict[str, Any]]]:
    """Every router with its document at rest."""
    return {
        "istio": (Istio("support-assistant.ml-production", "testers", whole), istio()),
        "gateway": (Gateway("docstrings-canary", "docstrings-champion", whole), gateway_with_testers()),
        "nginx": (Nginx(), {"data": {"split.conf": split(0.0), "other": "kept"}}),
        "envoy": (Envoy(whole), envoy()),
    }


ENGINES = tuple(documents())


def who_testers_see(engine: str, document: dict[str, Any]) -> str:
    """Who testers see."""
    if engine == "nginx":
        return "canary" if "default canary" in document["data"]["split.conf"] else "champion"
    if engine == "istio":
        pair = [each["weight"] for each in document["spec"]["http"][0]["route"]]
    elif engine == "gateway":
        pair = [each["weight"] for each in document["spec"]["rules"][0]["backendRefs"]]
    else:
        routes = document["resources"][0]["virtual_hosts"][0]["routes"]
        route = next(each for each in routes if each["name"] == "testers")
        pair = [each["weight"] for each in route["route"]["weighted_clusters"]["clusters"]]
    return {(0, 100): "champion", (100, 0): "canary"}[tuple(pair)]


@pytest.mark.parametrize("engine", ENGINES)
def test_at_rest_everybody_is_on_the_champion_and_resting_changes_nothing(engine: str) -> None:
    router, document = documents()[engine]
    assert router.share(document) == 0
    assert router.split(document, 0.0) == document


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("share", [0.01, 0.05, 0.25, 0.5, 1.0])
def test_a_share_comes_back_and_testers_see_the_canary_while_there_is_one(engine: str, share: float) -> None:
    router, document = documents()[engine]
    before = copy.deepcopy(document)
    found = router.split(document, share)
    assert document == before
    assert router.share(found) == pytest.approx(share)
    assert who_testers_see(engine, found) == "canary"
    assert who_testers_see(engine, router.split(found, 0.0)) == "champion"
    assert router.split(found, 0.0) == before
    assert router.split(found, share) == found


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_but_weights_changes(engine: str) -> None:
    router, document = documents()[engine]

    def without_weights(found: Any) -> Any:
        if isinstance(found, dict):
            return {key: without_weights(value) for key, value in found.items() if key not in ("weight", "split.conf")}
        return [without_weights(each) for each in found] if isinstance(found, list) else found

    assert without_weights(router.split(document, 0.37)) == without_weights(document)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_document_that_is_not_ours_is_refused_with_what_to_do(engine: str) -> None:
    router, _ = documents()[engine]
    for document in ({}, {"spec": {"http": [], "rules": []}}, {"data": {"split.conf": "x"}}, {"resources": [{}]}):
        with pytest.raises(Mistaken, match=r"mlopsgen build|copy local/routes\.yaml"):
            router.share(document)
        with pytest.raises(Mistaken):
            router.split(document, 0.5)


@pytest.mark.parametrize("weight", [-1, "5", None, 0.5])
def test_weights_that_are_none_are_refused(weight: Any) -> None:
    with pytest.raises(Mistaken, match="no weights"):
        weights.share(weight, 100, "here")


@given(st.lists(st.floats(0.0001, 1.0), min_size=1, max_size=6))
def test_the_sum_of_weights_suits_every_step_of_a_hundredth_of_a_percent(steps: list[float]) -> None:
    rounded = [round(step, 4) or 0.0001 for step in steps]
    whole = weights.total(rounded)
    for step in rounded:
        canary, champion = weights.pair(step, whole)
        assert canary + champion == whole
        assert canary / whole == pytest.approx(step, abs=1e-6)


@given(st.floats(0, 1, exclude_min=True, exclude_max=True), st.sampled_from([100, 1000, 10_000]))
def test_a_share_between_is_never_nothing_and_never_everything(share: float, whole: int) -> None:
    canary, champion = weights.pair(share, whole)
    assert canary >= 1
    assert champion >= 1


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_no_share_no_weights(share: float) -> None:
    with pytest.raises(ValueError, match="no share"):
        weights.pair(share, 100)
