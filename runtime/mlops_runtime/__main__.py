"""Entry point of `mlops-runtime`: one command per name in `mlopsgen.contract.commands`."""

from __future__ import annotations

import sys

import click

from mlopsgen.contract.commands import COMMANDS, PROGRAM
from mlopsgen.version import VERSION


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name=PROGRAM, message="%(prog)s %(version)s")
def cli() -> None:
    """The commands that generated pipelines, workflows and images call."""


@cli.command(help=COMMANDS["collect"])
def collect() -> None:
    """Fetch the raw records."""
    from mlops_runtime.data.collect import collect as run

    count, path = run()
    click.echo(f"{count} records in {path}")


def main() -> None:
    """Run the command line; a mistake of the user ends with exit code 2 and no traceback."""
    from mlops_runtime.errors import Mistaken

    try:
        cli(prog_name=PROGRAM)
    except Mistaken as error:
        click.echo(f"{PROGRAM}: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
