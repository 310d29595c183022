"""The two sides of a comparison: the spec as it stands, and what it is compared with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from mlopsgen.cli import compile as compiler
from mlopsgen.cli import reading
from mlopsgen.cli.pins import effective
from mlopsgen.cli.workspace import Workspace
from mlopsgen.contract.pins import Pin
from mlopsgen.diagnostics import Diagnostic
from mlopsgen.output.digest import digest
from mlopsgen.project.model import Project
from mlopsgen.project.resolve import Resolution, resolve
from mlopsgen.render.files import File, Rendered
from mlopsgen.review.documents import Files
from mlopsgen.spec.base import Section
from mlopsgen.spec.read import decode, read_bytes
from mlopsgen.spec.tree import Node


class Source(NamedTuple):
    """Everything that is compiled.

    Attributes:
        name: of the spec, for diagnostics; of a revision `HEAD:mlops.yaml`.
        file: name of the spec in its folder.
        relative: the folder below the repository's root.
        digest: of the spec's text, and of what the workspace shares.
        workspace: as in `Project`; so is `others`.
    """

    name: str
    file: str
    relative: str
    text: str
    digest: str
    tree: Node
    pins: Mapping[str, Pin]
    overrides: Mapping[str, str]
    workspace: str = ""
    others: tuple[str, ...] = ()


class Side(NamedTuple):
    """A compiled source; `files` are those that a build would write or leave as they are, without unmanaged ones.

    Attributes:
        kept: keys of files that are written once and then the user's.
        unmanaged: keys of files that are neither written nor removed.
    """

    source: Source
    project: Project
    files: Files
    kept: frozenset[str]
    rendered: tuple[Rendered, ...]
    unmanaged: frozenset[str]
    warnings: tuple[Diagnostic, ...]


class Compiler:
    """Compiles sources that resemble each other: what a target wants again is not rendered again."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], list[tuple[File, Mapping[str, str], Rendered]]] = {}
        self._patched: dict[Any, tuple[dict[str, Rendered], tuple[Diagnostic, ...]]] = {}

    def __call__(self, source: Source) -> Side:
        """Compile a source. Raises Failed."""
        project, warnings = resolution(source)
        files = [self._render(target, file, source.overrides) for target, file in compiler.wanted_files(project)]
        files += compiler.files_of_others(project, source.tree, source.overrides, set())
        files, notes = self._patch(project, source.tree, files)
        keys = {file.key for file in files}
        at_root = {path for path in project.unmanaged if path not in keys and f"//{path}" in keys}
        unmanaged = frozenset(f"//{path}" if path in at_root else path for path in project.unmanaged)
        kept = frozenset(file.key for file in files if file.keep)
        content = {file.key: file.content for file in files if file.key not in unmanaged}
        return Side(source, project, Files(content), kept, tuple(files), unmanaged, (*warnings, *notes))

    def _patch(
        self, project: Project, tree: Node, files: list[Rendered]
    ) -> tuple[list[Rendered], tuple[Diagnostic, ...]]:
        named = {key for patch in project.patches for key in (str(patch.file), f"//{patch.file}")}
        before = tuple((file.key, file.content) for file in files if file.key in named)
        asked = (repr(project.patches), before)
        if asked not in self._patched:
            done, notes = compiler.apply_patches(project, tree, files)
            self._patched[asked] = {file.key: file for file in done if file.key in named}, tuple(notes)
        patched, found = self._patched[asked]
        return [patched.get(file.key, file) for file in files], found

    def _render(self, target: str, file: File, overrides: Mapping[str, str]) -> Rendered:
        known = self._known.setdefault((target, file.path), [])
        for before, own, rendered in known:
            if own == overrides and alike(before, file):
                return rendered
        rendered = compiler.render_file(target, file, overrides, set())
        # The first is the base's, which most others resemble; of the others the last will do.
        del known[1:]
        known.append((file, overrides, rendered))
        return rendered


def alike(one: Any, other: Any) -> bool:
    """Whether two values are written alike: unlike `==`, not 1 and 1.0 or true, nor mappings of other order."""
    if one is other:
        return True
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return list(one) == list(other) and all(alike(item, other[key]) for key, item in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, Section) and isinstance(other, Section):
        return type(one) is type(other) and alike(one.__dict__, other.__dict__)
    if is_dataclass(one) and is_dataclass(other):
        names = [field.name for field in fields(one)]
        return type(one) is type(other) and all(alike(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, bool) or isinstance(other, bool):
        return False
    return bool(one == other) and isinstance(one, float) == isinstance(other, float)


def resolution(source: Source) -> Resolution:
    """The project of a source, and warnings. Raises Failed."""
    return resolve(
        source.tree,
        folder=source.relative,
        spec_file=source.file,
        pins=dict(source.pins),
        workspace=source.workspace,
        others=source.others,
    )


def present(workspace: Workspace) -> Source:
    """The spec on disk. Raises Failed."""
    return read(workspace, read_bytes(workspace.spec), workspace.spec)


def read(place: Any, data: bytes, name: str) -> Source:
    """A spec, the templates beside it and the pins in force there.

    Args:
        place: a `Workspace`, or what resembles one.
        data: content of the spec.
        name: of the spec, for diagnostics.

    Raises:
        Failed: it cannot be read.
    """
    found = reading.read(place, data, name)
    overrides = compiler.read_overrides(found.tree, place)
    pins, _ = effective(place)
    return Source(
        name=name,
        file=os.path.basename(place.spec),
        relative=place.relative,
        text=decode(data, name),
        digest=digest(data + found.shared),
        tree=found.tree,
        pins=pins,
        overrides=overrides,
        workspace=found.workspace,
        others=found.others,
    )
