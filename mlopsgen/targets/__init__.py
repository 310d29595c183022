"""Targets: each a package with one pure function `files(project) -> Iterable[File]`.

To add one: copy a folder here and its folder in `templates/`, and name it in `BUILT_IN`. A target of another package
is an entry point of the group `mlopsgen.targets` that names such a module; the spec switches it on under
`targets.others`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from mlopsgen.project.model import Project
from mlopsgen.render.files import File

BUILT_IN = (
    "dvc",
    "github",
    "docker",
    "kubernetes",
    "istio",
    "gateway",
    "argo_rollouts",
    "nginx",
    "prometheus",
    "alertmanager",
    "grafana",
    "local",
    "docs",
)

ROUTING = {
    "istio": ("istio",),
    "gateway-api": ("gateway",),
    "argo-rollouts": ("istio", "argo_rollouts"),
    "nginx": ("nginx",),
}
"""Targets that write the routing of each `rollout.engine`."""

GROUP = "mlopsgen.targets"

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class Target(Protocol):
    """A target is a module, or any object, with this function."""

    def files(self, project: Project) -> Iterable[File]:
        """What the target wants on disk for a project."""


def built_in(project: Project) -> Iterator[tuple[str, Target]]:
    """Our targets that the spec has switched on, with their names."""
    routing = {name for each in project.environments for name in ROUTING[each.rollout.engine]}
    every = {name for names in ROUTING.values() for name in names}
    for name in BUILT_IN:
        wanted = project.targets.routing and name in routing if name in every else getattr(project.targets, name)
        if wanted:
            yield name, import_module(f"mlopsgen.targets.{name}")


def others(names: Iterable[str]) -> dict[str, EntryPoint | None]:
    """Entry points of installed packages' targets by name, not loaded yet; None for one that is not installed."""
    from importlib.metadata import entry_points

    found = {point.name: point for point in entry_points(group=GROUP)}
    return {name: found.get(name) for name in names}
