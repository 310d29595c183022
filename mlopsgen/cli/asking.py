"""What `mlopsgen why` and `mlopsgen uses` share: which spec, which file of its output, how origins are told."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlopsgen.cli import words
from mlopsgen.cli.workspace import SPEC, Workspace
from mlopsgen.diagnostics import Failed, diagnose
from mlopsgen.diagnostics.hints import closest

if TYPE_CHECKING:
    from mlopsgen.cli.sides import Source
    from mlopsgen.review.inputs import Input
    from mlopsgen.review.origins import Made, Origins


def opened(argument: str | None, file: str = "") -> tuple[Workspace, Source, Origins]:
    """The spec that is meant, compiled: without an argument the one here, or the first above a file. Raises Failed."""
    from mlopsgen.cli import sides, tracing

    workspace = Workspace(argument or _nearest(file))
    source = sides.present(workspace)
    return workspace, source, tracing.origins(source)


def _nearest(file: str) -> str:
    if os.path.isfile(SPEC) or not file:
        return SPEC
    folder = os.path.dirname(os.path.abspath(file))
    while True:
        spec = os.path.join(folder, SPEC)
        if os.path.isfile(spec):
            return os.path.relpath(spec)
        above = os.path.dirname(folder)
        if above == folder:
            return SPEC
        folder = above


def found(file: str, workspace: Workspace, origins: Origins) -> Made:
    """The generated file that a path means, from here or from the spec's folder. Raises Failed with E325."""
    keys = []
    absolute = os.path.realpath(file)
    for root, mark in ((workspace.folder, ""), (workspace.repository, "//")):
        keys += [mark + os.path.relpath(absolute, root).replace(os.sep, "/"), mark + os.path.normpath(file)]
    for key in keys:
        if key in origins.files:
            return origins.files[key]
    known = {key.removeprefix("//"): key for key in origins.files}
    hint = closest(keys[0], list(known)) or closest(file, list(known))
    help = f"did you mean `{hint}`?" if hint else "see `mlopsgen build --list` for the files there are"
    raise Failed([diagnose("E325", f"no target writes {file}", path=file, help=help)])


def told(given: Input) -> str:
    """An input with its place."""
    from mlopsgen.review import words as shown

    if given.kind == "pin":
        return f"{words.styled('pin ' + given.field, 'bold')}: {given.value}"
    value = shown.value(given.value)
    said = f"the name `{given.value}`" if given.kind == "name" else value
    return f"{words.styled(given.field, 'bold')}: {said}  {place(given)}"


def place(given: Input) -> str:
    """Where an input is written, in words."""
    if given.kind == "pin":
        return "mlops.lock or mlopsgen itself"
    if given.span is None:
        return "not written: default"
    overlay = f" (only in {given.environment})" if given.environment else ""
    return f"{given.span.file}:{given.span.line}{overlay}"


def row(given: Input) -> dict[str, Any]:
    """An input for machines."""
    span = given.span
    return {
        "path": given.field,
        "kind": given.kind,
        "value": given.value,
        "default": span is None and given.kind != "pin",
        "file": span.file if span else None,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "environment": given.environment or None,
    }


def progress(what: str) -> Callable[[int, int], None]:
    """A counter on the status line."""

    def step(done: int, total: int) -> None:
        words.status(f"{what} {done}/{total}" if done < total else "")

    return step
