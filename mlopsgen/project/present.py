"""The resolved project as people read it: every value with where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlopsgen.project.model import Environment, Project
from mlopsgen.spec import fields, written
from mlopsgen.spec.base import Section
from mlopsgen.spec.traced import origins
from mlopsgen.spec.tree import Node, Path, dotted

SECTIONS = ("data", "model", "training", "tracking", "evaluation", "registry", "serving", "rollout", "experiment")
AFTER = ("monitoring", "ci", "targets")
ENVIRONMENT = ("serving", "rollout", "experiment", "monitoring")


def document(project: Project) -> dict[str, Any]:
    """The whole spec with defaults and derived values, as plain data."""
    result: dict[str, Any] = {"version": 1}
    result["project"] = {name: getattr(project, name) for name in ("name", "owner", "repository", "description")}
    for name in SECTIONS:
        result[name] = _section(getattr(project, name))
    result["environments"] = {e.name: _place(e) for e in project.environments}
    for name in AFTER:
        result[name] = _section(getattr(project, name))
    return result


def environment(project: Project, name: str) -> dict[str, Any] | None:
    """What holds in one environment, as plain data; None when there is no such environment."""
    found = next((e for e in project.environments if e.name == name), None)
    if found is None:
        return None
    return {**_place(found), **{section: _section(getattr(found, section)) for section in ENVIRONMENT}}


def _place(found: Environment) -> dict[str, Any]:
    own = {name: getattr(found, name) for name in ("branch", "namespace", "url", "approval")}
    return {**own, "kubeconfig": _section(found.kubeconfig), "secret_store": _section(found.secret_store)}


def _section(value: Section | None) -> dict[str, Any] | None:
    return written.section(value) if value is not None else None


def origin(value: Any, path: Path, tree: Node, overlay: str = "") -> str:
    """Where a value came from, in words: a place in the file, `default`, or what it was derived from.

    Args:
        value: a scalar of the resolved project.
        path: where it stands there.
        tree: the document as it was written.
        overlay: name of the environment whose section this is.
    """
    sources = [parse(text) for text in origins(value)]
    if not sources and overlay:
        sources = [("environments", overlay, *path), path]
    for source in sources or [path]:
        node = tree.find(source)
        if node is not None:
            place = f"{node.span.file}:{node.span.line}:{node.span.column}"
            return place if source in (path, ("environments", overlay, *path)) else f"{place} ({dotted(source)})"
    place_ = fields.find(path)
    extra = place_.field.json_schema_extra if place_ and place_.field else None
    if isinstance(extra, Mapping) and "x-derived" in extra:
        return f"derived from {extra['x-derived']}" if value is not None else f"default: {extra['x-derived']}"
    return "default"


def parse(text: str) -> Path:
    """The path that `dotted` wrote: `a.b[0]` is `("a", "b", 0)`."""
    parts: list[str | int] = []
    for word in text.split("."):
        name, *indexes = word.split("[")
        if name:
            parts.append(name)
        parts += [int(index.rstrip("]")) for index in indexes]
    return tuple(parts)
