"""`mlopsgen schema`."""

from __future__ import annotations

import click


@click.command()
def command() -> None:
    """Print the JSON Schema of mlops.yaml, for editors.

    \b
    Example:
      mlopsgen schema > mlops.v1.schema.json
    """
    from mlopsgen.spec.schema import text

    click.echo(text(), nl=False)
