"""Every combination of engines: what comes out is what the API server takes, fits together, and is safe."""

from __future__ import annotations

import pytest

from tests.manifests import graph, security
from tests.manifests.schemas import OLDEST, problems, versions
from tests.manifests.specs import CASES, environments


@pytest.mark.parametrize("case", CASES)
def test_shapes(case: str) -> None:
    for built in environments(case):
        for obj in (*built.every, *built.kustomizations.values()):
            for version in (OLDEST, versions()[-1]):
                assert problems(obj, version) == []


@pytest.mark.parametrize("case", CASES)
def test_everything_that_is_named_is_there(case: str) -> None:
    for built in environments(case):
        assert graph.problems(built.objects, built.expected, built.namespace, built.later) == []
        assert built.moved == []


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("training-")])
def test_the_readme_tells_of_files_that_a_person_applies(case: str) -> None:
    for built in environments(case):
        assert built.unsaid == []


@pytest.mark.parametrize("case", CASES)
def test_pods_and_roles_are_safe(case: str) -> None:
    for built in environments(case):
        assert built.objects
        assert built.training
        assert security.problems(built.every, built.may_call) == []


def test_only_a_rollout_that_we_drive_talks_to_the_api_server() -> None:
    for case in ("docstrings-gateway-api", "docstrings-argo-rollouts"):
        built = environments(case)[-1]
        told = security.problems(built.every)
        assert all(each.startswith("Deployment/docstrings-rollout: ") for each in told)
        assert bool(told) == (case == "docstrings-gateway-api")
