"""From a spanned tree to a Project: validation, overlays, derived values, checks across sections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from mlopsgen.contract.pins import DEFAULTS, Pin
from mlopsgen.diagnostics import Diagnostic, Failed, Severity
from mlopsgen.diagnostics.model import in_order
from mlopsgen.project import checks, derive
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.trace import trace
from mlopsgen.spec import findings, language, version
from mlopsgen.spec.base import Section
from mlopsgen.spec.core import ValidationError
from mlopsgen.spec.environments import OVERLAID
from mlopsgen.spec.tree import Node, overlay


class Resolution(NamedTuple):
    """What came of a spec: a project, and warnings that do not stop it."""

    project: Project
    warnings: tuple[Diagnostic, ...]


def resolve(
    tree: Node,
    *,
    folder: str = "",
    spec_file: str = "mlops.yaml",
    pins: Mapping[str, Pin] = DEFAULTS,
    workspace: str = "",
    others: Sequence[str] = (),
) -> Resolution:
    """Resolve a document.

    Args:
        tree: from `mlopsgen.spec.load.parse`.
        folder: folder of the spec relative to the repository's root, `""` for the root itself.
        spec_file: name of the spec in that folder.
        pins: actions and base images in force.
        workspace: as in `Project`; so is `others`.

    Raises:
        Failed: the spec has errors; warnings come along.
    """
    views, warnings = _examined(tree, trace)
    project = _project(views, folder, spec_file, pins)
    if workspace:
        project = replace(project, workspace=workspace, others=tuple(others))
    return Resolution(project, warnings)


def examine(tree: Node) -> tuple[Diagnostic, ...]:
    """Warnings about a document, where nothing more is wanted of it. Raises Failed, as `resolve` does."""
    return _examined(tree, None)[1]


def _examined(
    tree: Node, each: Callable[[Section, Node], None] | None
) -> tuple[dict[str, checks.View], tuple[Diagnostic, ...]]:
    """The document and each environment's, validated and passed to `each`, and warnings. Raises Failed."""
    found = list(checks.credentials(tree))
    tree = without_extensions(tree)
    past = version.other(tree)
    if past is not None:
        raise Failed([past])
    found += checks.expressions(tree)
    views: dict[str, checks.View] = {}
    for name, view in _views(tree):
        try:
            spec = language.validate(derive.filled(view.plain()))
        except ValidationError as error:
            found += findings.explain(error, view)
        else:
            if each is not None:
                each(spec, view)
            views[name] = checks.View(name, spec, view)
    if "" in views:
        base = views[""]
        for name in base.spec.environments:
            views.setdefault(name, base._replace(name=name))
        found += checks.across(base, [view for view in views.values() if view.tree is not base.tree])
    found = in_order(found)
    if any(d.severity is Severity.ERROR for d in found):
        raise Failed(found)
    return views, tuple(found)


def without_extensions(tree: Node) -> Node:
    """The tree without the `x-` keys of its top level."""
    value = {key: node for key, node in tree.value.items() if not key.startswith("x-")}
    return Node(value, tree.span, tree.path, tree.keys, tree.size)


def _views(tree: Node) -> Iterator[tuple[str, Node]]:
    """The document, and for each environment that changes it, what is left with its overlays merged in."""
    yield "", tree
    environments = tree.find(("environments",))
    if environments is None or not isinstance(environments.value, dict):
        return
    for name, environment in environments.value.items():
        changes = {section: environment.find((section,)) for section in OVERLAID}
        sections = {key: node for key, node in tree.value.items() if key != "environments"}
        for section, over in changes.items():
            if over is not None and over.value is not None:
                sections[section] = overlay(sections[section], over) if section in sections else over
        if any(over is not None for over in changes.values()):
            yield name, Node(sections, tree.span, tree.path, environment.keys | tree.keys, tree.size)


def _project(views: Mapping[str, checks.View], folder: str, spec_file: str, pins: Mapping[str, Pin]) -> Project:
    spec = views[""].spec
    environments = []
    for name, given in spec.environments.items():
        merged = views[name].spec
        environments.append(
            Environment(
                name=name,
                branch=given.branch,
                namespace=derive.namespace(name, given, spec.project.name),
                url=given.url,
                approval=given.approval,
                kubeconfig=given.kubeconfig,
                secret_store=given.secret_store,
                canary=derive.canary(name, spec, merged),
                serving=derive.serving(merged),
                rollout=merged.rollout,
                experiment=merged.experiment,
                monitoring=merged.monitoring,
            )
        )
    info = spec.project
    return Project(
        name=info.name,
        owner=info.owner,
        repository=info.repository,
        description=info.description,
        data=derive.data(spec),
        model=derive.model(spec),
        training=derive.training(spec),
        tracking=derive.tracking(spec),
        evaluation=spec.evaluation,
        registry=spec.registry,
        serving=derive.serving(spec),
        rollout=spec.rollout,
        experiment=spec.experiment,
        monitoring=spec.monitoring,
        environments=tuple(environments),
        ci=spec.ci,
        targets=spec.targets,
        patches=spec.patches,
        unmanaged=spec.unmanaged,
        folder=folder,
        spec_file=spec_file,
        pins=MappingProxyType(dict(pins)),
    )
