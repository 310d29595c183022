"""Two projects that would write the same files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence

from mlopsgen.cli.finding import below
from mlopsgen.cli.workspace import Workspace
from mlopsgen.diagnostics import Diagnostic, Failed, Span, diagnose

_NAME = re.compile(
    rb"^project:[ \t]*(?:\{[^}\n]*?\bname:[ \t]*|(?:#[^\n]*)?\n(?:[ \t]+[^\n]*\n|[ \t]*\n)*?[ \t]+name:[ \t]*)"
    rb"[\"']?([A-Za-z0-9-]+)",
    re.MULTILINE,
)
"""The project's name, as it is mostly written."""


def collided(places: Mapping[str, Workspace]) -> dict[str, Diagnostic]:
    """Specs that would write files of another of them, each with its E363."""
    seen: dict[tuple[str, ...], list[str]] = {}
    for spec, workspace in places.items():
        relative = workspace.relative
        seen.setdefault(("folder", workspace.folder), []).append(spec)
        name = _quick(workspace.spec) if relative else ""
        seen.setdefault(("workflows", workspace.repository, name), []).append(spec)
    found: dict[str, Diagnostic] = {}
    for (kind, *_), meant in seen.items():
        if len(meant) < 2:
            continue
        groups = [meant] if kind == "folder" else _confirmed(meant)
        for group in groups:
            first, *others = group
            for spec in others:
                told = _told(Workspace(spec), Workspace(first), kind == "folder")
                found.setdefault(spec, told)
                found.setdefault(first, told)
    return found


def explained(diagnostics: Iterable[Diagnostic], workspace: Workspace) -> tuple[Diagnostic, ...]:
    """The findings of a build, with E363 in place of files at the root that another project wrote."""
    owners: dict[str, Workspace] | None = None
    result: list[Diagnostic] = []
    for each in diagnostics:
        told = each
        if each.code in ("E301", "E302") and each.path.startswith("//"):
            owners = _owners(workspace) if owners is None else owners
            if each.path in owners:
                told = _told(workspace, owners[each.path], False)
        if told not in result:
            result.append(told)
    return tuple(result)


def _owners(workspace: Workspace) -> dict[str, Workspace]:
    """Files at the root that other projects' locks own."""
    from mlopsgen.output import lock

    found: dict[str, Workspace] = {}
    for spec in below(workspace.repository):
        folder = os.path.dirname(os.path.realpath(spec))
        if folder == workspace.folder:
            continue
        try:
            files = lock.read(folder).files
        except OSError:
            continue
        other = Workspace(os.path.relpath(spec))
        found.update({key: other for key in files if key.startswith("//")})
    return found


def _quick(spec: str) -> str:
    """The project's name, or something that no other spec has where it cannot be told at a glance."""
    try:
        with open(spec, "rb") as stream:
            match = _NAME.search(stream.read(1024 * 1024))
    except OSError:
        match = None
    if match:
        return match[1].decode()
    name, _ = _named(Workspace(spec))
    return name or f"\0{spec}"


def _confirmed(specs: Sequence[str]) -> list[list[str]]:
    """Groups of those that really have one name and write workflows."""
    groups: dict[str, list[str]] = {}
    for spec in specs:
        workspace = Workspace(spec)
        name, _ = _named(workspace)
        if name is not None:
            groups.setdefault(name if workspace.relative else "", []).append(spec)
    return [group for group in groups.values() if len(group) > 1]


def _named(workspace: Workspace) -> tuple[str | None, Span | None]:
    """The project's name and its place; None when it cannot be read, or the project writes no workflows."""
    from mlopsgen.cli.reading import read

    try:
        tree = read(workspace).tree
    except Failed:
        return None, None
    name, github = tree.find(("project", "name")), tree.find(("targets", "github"))
    if name is None or (github is not None and github.value is False):
        return None, None
    return str(name.value), name.span


def _told(workspace: Workspace, other: Workspace, folder: bool) -> Diagnostic:
    name, span = _named(workspace)
    _, there = _named(other)
    related = (("the other", there),) if there else ()
    if folder:
        message = f"{workspace.spec} and {other.spec} lie in one folder, so they would overwrite each other's files"
        return diagnose("E363", message, path="project.name", span=span, related=related, help="give each a folder")
    what = f"are both named `{name}`" if workspace.relative else "lie at the root of one repository"
    message = f"{workspace.spec} and {other.spec} {what}, so they would write the same workflows"
    help = "give one of them another `project.name`, or switch off `targets.github` in one"
    return diagnose("E363", message, path="project.name", span=span, related=related, help=help)
