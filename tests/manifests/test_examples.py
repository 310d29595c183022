"""The committed manifests of the examples, for every version of Kubernetes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from mlopsgen.project.resolve import resolve
from mlopsgen.spec.load import parse
from tests.manifests import graph, lengths, security
from tests.manifests.kustomize import Built, built, rendered
from tests.manifests.schemas import problems, versions
from tests.manifests.specs import EXAMPLES


@cache
def environments(name: str) -> tuple[Built, ...]:
    """Environments of an example, from its folder `deploy` as it is committed."""
    spec = EXAMPLES[name]
    project = resolve(parse(spec.read_text(encoding="utf-8"), str(spec))).project
    folder: Path = spec.parent
    paths = sorted(path for path in (folder / "deploy").rglob("*") if path.is_file())
    committed = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return tuple(built(project, committed or rendered(project)))


@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("name", EXAMPLES)
def test_shapes(name: str, version: str) -> None:
    for environment in environments(name):
        assert environment.objects
        for obj in (*environment.every, *environment.kustomizations.values()):
            assert problems(obj, version) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_everything_fits(name: str) -> None:
    for each in environments(name):
        assert graph.problems(each.objects, each.expected, each.namespace, each.later) == []
        assert each.moved == []
        assert security.problems(each.every, each.may_call) == []
        assert lengths.problems(each.every) == []
        assert each.unsaid == []
