"""`mlopsgen down`."""

from __future__ import annotations

import click

from mlopsgen.cli.workspace import SPEC, Workspace


@click.command()
@click.argument("spec", default=SPEC, type=click.Path())
def command(spec: str) -> int:
    """End what `mlopsgen up` runs for SPEC, and what a run that was killed may have left behind.

    \b
    Example:
      mlopsgen down
    """
    from mlopsgen.cli.up import say
    from mlopsgen.processes import errors, run

    try:
        run.supported()
        ran = run.down(Workspace(spec).folder, say)
    except errors.Refused as refused:
        raise click.ClickException(str(refused)) from None
    click.echo("everything has ended" if ran else "nothing runs here")
    return 0
