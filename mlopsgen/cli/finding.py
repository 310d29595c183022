"""Finds specs below a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from mlopsgen.cli.workspace import SHARED, SPEC, Workspace, shared_bytes
from mlopsgen.diagnostics import Diagnostic, Failed, diagnose
from mlopsgen.output.repository import repository_root

SKIPPED = frozenset({"node_modules", "__pycache__", "venv", "site-packages"})
"""Folders that are not searched, beside hidden ones."""

MARKS = frozenset({".git", "pyvenv.cfg", "CACHEDIR.TAG"})
"""What marks a folder that is not searched: another repository, a virtual environment, a cache."""


def wanted(specs: Sequence[str], every: bool) -> tuple[list[str], list[Diagnostic]]:
    """Specs that a command line means, each once, and warnings. Raises Failed, and UsageError for `--all` of two."""
    if every:
        if len(specs) > 1:
            raise click.UsageError("`--all` takes one folder")
        return found(specs[0] if specs else None)
    first: dict[str, str] = {}
    for spec in specs or (SPEC,):
        first.setdefault(os.path.realpath(Workspace(spec).spec), spec)
    return list(first.values()), []


def found(folder: str | None) -> tuple[list[str], list[Diagnostic]]:
    """Specs of the workspace below a folder, or below the repository's root, as paths from here, in order.

    Returns:
        The paths, and W360 for each pattern of the workspace file that means none of them.

    Raises:
        Failed: E360, and what is wrong with the workspace file.
    """
    start = os.path.abspath(folder) if folder is not None else repository_root(os.getcwd())
    root = repository_root(start)
    places = below(start) if os.path.isdir(start) else []
    if not places:
        shown = folder if folder is not None else _shown(start)
        what = f"there is no {SPEC} below {shown}" if os.path.isdir(start) else f"there is no folder {shown}"
        raise Failed([diagnose("E360", what, help="run `mlopsgen init` to write one, or name another folder")])
    return _members(places, root, whole=os.path.realpath(start) == root)


def below(folder: str) -> list[str]:
    """Absolute paths of the specs below a folder; links to folders are not followed."""
    specs, left = [], [folder]
    while left:
        here = left.pop()
        spec, marked, inner = False, False, []
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    name = entry.name
                    if name in MARKS:
                        marked = here != folder
                    elif name == SPEC:
                        spec = not entry.is_dir()
                    elif entry.is_dir(follow_symlinks=False) and not name.startswith(".") and name not in SKIPPED:
                        inner.append(entry.path)
        except OSError:  # gone meanwhile, or not for us
            continue
        if not marked:
            left += inner
            specs += [os.path.join(here, SPEC)] if spec else []
    return sorted(specs)


def _members(places: list[str], root: str, whole: bool) -> tuple[list[str], list[Diagnostic]]:
    path = os.path.join(root, SHARED)
    try:
        content = shared_bytes(path)
    except OSError:
        content = b""  # each spec tells it
    if not content:
        return [_shown(place) for place in places], []
    from mlopsgen.spec import shared

    workspace = shared.parse(content, _shown(path))
    folders = {place: os.path.relpath(os.path.dirname(os.path.realpath(place)), root) for place in places}
    inside = {place: folder.replace(os.sep, "/").removeprefix(".") for place, folder in folders.items()}
    notes = [
        diagnose("W360", f"`{pattern}` is the folder of no spec", path=f"projects[{index}]", span=span, help="drop it")
        for index, (pattern, span) in enumerate(workspace.projects or ())
        if whole and not any(shared.matches(pattern, folder) for folder in inside.values())
    ]
    return [_shown(place) for place in places if workspace.has(inside[place])], notes


def _shown(path: str) -> str:
    """The path from here, where there is one."""
    try:
        return os.path.relpath(path)
    except ValueError:
        return path
