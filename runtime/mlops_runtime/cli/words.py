"""What commands share in talking to people and programs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import click

from mlopsgen.contract.commands import COMMANDS

output_format = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people or programs.",
)
version = click.option("--model-version", "version", metavar="NUMBER", help="Version in the registry.")
needed_version = click.option(
    "--model-version", "version", metavar="NUMBER", required=True, help="Version in the registry."
)


def _headers(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """`NAME:VALUE` as headers."""
    pairs = [one.partition(":") for one in given]
    if any(not colon or not name.strip() for name, colon, _ in pairs):
        raise click.BadParameter("expected NAME:VALUE")
    return {name.strip(): value.strip() for name, _, value in pairs}


headers = click.option(
    "--header", "headers", multiple=True, metavar="NAME:VALUE", callback=_headers, help="Sent with every request."
)


def command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command of a function: the contract's line is the first of its help, the docstring the rest."""

    def made(function: Callable[..., Any]) -> click.Command:
        line = COMMANDS[name]
        return click.command(name, short_help=line, help=f"{line}\n\n{inspect.getdoc(function)}")(function)

    return made


def printed(found: Any, form: str, show: Callable[[Any], None]) -> None:
    """Print as JSON for programs or as a table for people."""
    from mlops_runtime.terminal import json_text

    if form == "json":
        click.echo(json_text(found))
    else:
        show(found)
