"""`mlopsgen validate`."""

from __future__ import annotations

import click

from mlopsgen.cli import words
from mlopsgen.cli.finding import wanted
from mlopsgen.cli.workspace import Workspace
from mlopsgen.diagnostics import Failed


@click.command()
@words.specs
@words.every
@words.output_format
@words.quiet
@click.option("--strict", is_flag=True, help="Warnings are errors.")
def command(specs: tuple[str, ...], every: bool, form: str, quiet: bool, strict: bool) -> int:
    """Check each SPEC, a file or a folder, as `build` does: shape, units, what must hold across sections, patches and
    templates. Writes nothing.

    \b
    Examples:
      mlopsgen validate
      mlopsgen validate --all --quiet
      mlopsgen validate --format sarif > mlopsgen.sarif
    """
    from mlopsgen.cli.compile import compile
    from mlopsgen.cli.pins import effective
    from mlopsgen.spec import language

    failed = False
    try:
        meant, found = wanted(specs, every)
    except Failed as failure:
        words.tell(failure.diagnostics, form)
        return 2
    step = words.Progress(len(meant) if quiet else 0)  # otherwise its lines tell how far it is
    for number, spec in enumerate(meant, start=1):
        step(number, spec)
        workspace = Workspace(spec)
        try:
            found += compile(workspace, effective(workspace)[0]).warnings
        except Failed as failure:
            failed = True
            found += failure.diagnostics
        else:
            if form == "text" and not quiet:
                click.echo(f"{workspace.spec}: valid")
    step.clear()
    language.remember()
    words.tell(found, form)
    return 2 if failed or (strict and found) else 0
