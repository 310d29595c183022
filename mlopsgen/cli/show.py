"""`mlopsgen show`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import click

from mlopsgen.cli import words
from mlopsgen.cli.workspace import SPEC, Workspace
from mlopsgen.diagnostics import Failed
from mlopsgen.diagnostics.hints import closest


@click.command()
@click.argument("spec", default=SPEC, type=click.Path())
@click.option("-e", "--environment", metavar="NAME", help="What holds in one environment.")
@words.formats("yaml", "json")
@click.option("--origins/--no-origins", default=True, help="Say where each value came from.")
def command(spec: str, environment: str | None, form: str, origins: bool) -> int:
    """Print the resolved SPEC: defaults, derived values and overlays filled in, each with where it came from.

    \b
    Examples:
      mlopsgen show
      mlopsgen show --environment production
      mlopsgen show --format json --no-origins
    """
    from mlopsgen.cli.reading import read
    from mlopsgen.project import present
    from mlopsgen.project.resolve import resolve

    workspace = Workspace(spec)
    try:
        tree = read(workspace).tree
        project = resolve(tree, folder=workspace.relative, spec_file=os.path.basename(workspace.spec)).project
    except Failed as failure:
        words.tell(failure.diagnostics, "json" if form == "json" else "text")
        return 2
    data: Any = present.document(project)
    if environment is not None:
        data = present.environment(project, environment)
        if data is None:
            known = [e.name for e in project.environments]
            hint = closest(environment, known)
            raise click.UsageError(
                f"there is no environment {environment!r}; "
                + (f"did you mean `{hint}`?" if hint else f"environments: {', '.join(known)}")
            )
    where = (lambda value, path: _origin(value, path, tree, environment, workspace)) if origins else None
    click.echo(_json(data, where) if form == "json" else _yaml(data, where), nl=False)
    return 0


def _origin(value: Any, path: Any, tree: Any, environment: str | None, workspace: Workspace) -> str:
    from mlopsgen.project import present

    origin = present.origin(value, path, tree, environment or "")
    return f"{origin}, default of the workspace" if origin.startswith(f"{workspace.shared}:") else origin


def _json(data: Any, where: Any) -> str:
    shown = (
        _marked(data, (), lambda value, path: {"value": value, "origin": where(value, path)})
        if where
        else _marked(data, (), lambda v, p: v)
    )
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


def _yaml(data: Any, where: Any) -> str:
    from mlopsgen.render.files import Commented
    from mlopsgen.render.sheet import Sheet

    sheet = Sheet()
    sheet.document(_marked(data, (), lambda value, path: Commented(value, where(value, path)) if where else value))
    return sheet.text()


def _marked(value: Any, path: tuple[Any, ...], mark: Any) -> Any:
    if isinstance(value, Mapping) and value:
        return {key: _marked(item, (*path, key), mark) for key, item in value.items()}
    if isinstance(value, list | tuple) and value:
        return [_marked(item, (*path, index), mark) for index, item in enumerate(value)]
    return mark(value, path)
