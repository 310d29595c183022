"""`mlopsgen validate`."""

from __future__ import annotations

import click

from mlopsgen.cli import words
from mlopsgen.cli.workspace import SPEC, Workspace
from mlopsgen.diagnostics import Diagnostic, Failed


@click.command()
@words.specs
@words.output_format
@words.quiet
@click.option("--strict", is_flag=True, help="Warnings are errors.")
def command(specs: tuple[str, ...], form: str, quiet: bool, strict: bool) -> int:
    """Check each SPEC, a file or a folder, as `build` does: shape, units, what must hold across sections, patches and
    templates. Writes nothing.

    \b
    Examples:
      mlopsgen validate
      mlopsgen validate --format sarif > mlopsgen.sarif
    """
    from mlopsgen.cli.compile import compile
    from mlopsgen.cli.pins import effective
    from mlopsgen.spec import language

    found: list[Diagnostic] = []
    failed = False
    for argument in specs or (SPEC,):
        workspace = Workspace(argument)
        try:
            found += compile(workspace, effective(workspace)[0]).warnings
        except Failed as failure:
            failed = True
            found += failure.diagnostics
        else:
            if form == "text" and not quiet:
                click.echo(f"{workspace.spec}: valid")
    language.remember()
    words.tell(found, form)
    return 2 if failed or (strict and found) else 0
