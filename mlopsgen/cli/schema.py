"""`mlopsgen schema`."""

from __future__ import annotations

import click


@click.command()
@click.option("--workspace", is_flag=True, help="Of mlops.workspace.yaml, which several projects share.")
def command(workspace: bool) -> None:
    """Print the JSON Schema of mlops.yaml, for editors.

    \b
    Examples:
      mlopsgen schema > mlops.v1.schema.json
      mlopsgen schema --workspace > mlops.workspace.v1.schema.json
    """
    if workspace:
        from mlopsgen.spec.shared_schema import text
    else:
        from mlopsgen.spec.schema import text

    click.echo(text(), nl=False)
