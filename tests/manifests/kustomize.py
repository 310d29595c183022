"""What `kubectl kustomize` makes of folders of manifests."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mlopsgen.project import deploy
from mlopsgen.project.model import Project
from mlopsgen.project.names import named
from mlopsgen.render.engine import render
from mlopsgen.targets import built_in
from tests.conftest import tool
from tests.manifests.expected import Expected, expected
from tests.manifests.objects import Object, key

TRAINING = "training"
"""Folder in an environment's that a run of the training is started from."""


@dataclass(frozen=True)
class Built:
    """An environment as `kubectl apply --kustomize` would send it.

    Attributes:
        objects: of the environment's folder.
        training: of the folder `training` in it.
        written: objects as the files of the folder have them, those that say their namespace.
        once: objects of files that no kustomization names, by path: a person applies them.
        readme: the README's text.
        kustomizations: the files of that name, parsed, by path.
        may_call: `Kind/name` of the workloads that may talk to the API server.
    """

    environment: str
    namespace: str
    objects: list[Object]
    training: list[Object]
    written: list[Object]
    once: dict[str, list[Object]]
    readme: str
    kustomizations: dict[str, Object]
    may_call: frozenset[str]

    @property
    def expected(self) -> list[Expected]:
        """The table of the README."""
        return expected(self.readme)

    @property
    def later(self) -> list[Object]:
        """Objects that are applied after the environment's own."""
        return [*self.training, *(obj for objects in self.once.values() for obj in objects)]

    @property
    def every(self) -> list[Object]:
        """All objects."""
        return [*self.objects, *self.later]

    @property
    def moved(self) -> list[str]:
        """Objects that `namespace:` of a kustomization takes out of the namespace that their own file says."""
        lies = {(obj["kind"], obj["metadata"]["name"]): obj["metadata"].get("namespace") for obj in self.every}
        return [
            f"{key(obj)}: is moved from {obj['metadata']['namespace']} to {lies[obj['kind'], obj['metadata']['name']]}"
            for obj in self.written
            if obj["metadata"].get("namespace") != lies.get((obj["kind"], obj["metadata"]["name"]))
        ]

    @property
    def unsaid(self) -> list[str]:
        """Files that a person must apply, and the README does not tell of."""
        return [path for path in self.once if path not in self.readme]


def rendered(project: Project) -> dict[str, bytes]:
    """Files below `deploy/` of every target that the project has switched on."""
    return {
        file.path: render(file).content
        for _, target in built_in(project)
        for file in target.files(project)
        if file.path.startswith("deploy/")
    }


def built(project: Project, files: Mapping[str, bytes]) -> Iterator[Built]:
    """Every environment of a project, built from files below `deploy/`."""
    for environment in project.environments:
        folder = deploy.folder(environment) + "/"
        own = {path.removeprefix(folder): text for path, text in files.items() if path.startswith(folder)}
        folders = sorted({path.rpartition("/")[0] for path in own if path.endswith("kustomization.yaml")})
        kustomizations = {path: _one(text) for path, text in own.items() if path.endswith("kustomization.yaml")}
        kustomized = build(own, [each for each in folders if each in ("", TRAINING)])
        yield Built(
            environment=str(environment.name),
            namespace=str(environment.namespace),
            objects=kustomized.get("", []),
            training=kustomized.get(TRAINING, []),
            written=[obj for path, text in own.items() if path.endswith(".yaml") for obj in _namespaced(text)],
            once=_once(own, kustomizations),
            readme=own.get("README.md", b"").decode(),
            kustomizations=kustomizations,
            may_call=frozenset({f"Deployment/{named(project, 'rollout')}"}),
        )


def _once(files: Mapping[str, bytes], kustomizations: Mapping[str, Object]) -> dict[str, list[Object]]:
    named = {
        os.path.normpath(os.path.join(os.path.dirname(path), resource))
        for path, kustomization in kustomizations.items()
        for resource in kustomization.get("resources") or ()
    }
    return {
        path: list(yaml.load_all(text, Loader=yaml.CSafeLoader))
        for path, text in files.items()
        if path.endswith(".yaml") and path not in {*named, *kustomizations}
    }


def build(files: Mapping[str, bytes], folders: Sequence[str]) -> dict[str, list[Object]]:
    """Objects that `kubectl kustomize` makes of folders among the files.

    Raises:
        AssertionError: it refuses one; with its words.
    """
    with ThreadPoolExecutor(max_workers=4) as pool:
        below = [_below(files, folder) for folder in folders]
        return dict(zip(folders, (list(each) for each in pool.map(_kustomized, below)), strict=True))


def _below(files: Mapping[str, bytes], folder: str) -> tuple[tuple[str, bytes], ...]:
    start = f"{folder}/" if folder else ""
    return tuple(sorted((path.removeprefix(start), text) for path, text in files.items() if path.startswith(start)))


@cache
def _kustomized(files: tuple[tuple[str, bytes], ...]) -> tuple[Object, ...]:
    """Many specs differ in one folder only: the same files are built once."""
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files:
            (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / path).write_bytes(text)
        command = [tool("kubectl"), "kustomize", folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, f"kubectl kustomize warns: {done.stderr}"
    return tuple(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))


def _namespaced(text: bytes) -> Iterator[Object]:
    for obj in yaml.load_all(text, Loader=yaml.CSafeLoader):
        if obj and "namespace" in obj.get("metadata", {}):
            yield obj


def _one(text: bytes) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)
