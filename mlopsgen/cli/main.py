"""The `mlopsgen` command. Each verb is a module that is imported when it runs."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from mlopsgen.version import VERSION

COMMANDS = {
    "absorb": "Take edits of generated files over into mlops.yaml.",
    "build": "Compile the spec into files.",
    "comment": "Put a plan on the pull request.",
    "completion": "Print the shell completion script.",
    "diff": "Say what differs in the output, object by object.",
    "down": "End what `mlopsgen up` runs.",
    "explain": "Explain a field of mlops.yaml or a diagnostic code.",
    "graph": "Draw pipeline, environments and monitoring as Mermaid.",
    "import": "Write a first mlops.yaml from what a repository has.",
    "init": "Write a first mlops.yaml.",
    "migrate": "Bring mlops.yaml to the newest version of the language.",
    "plan": "Say what a change of the spec does, worst first.",
    "report": "Write one page with everything that the spec makes.",
    "schema": "Print the JSON Schema of mlops.yaml.",
    "show": "Print the resolved spec, with where each value came from.",
    "status": "Tell how what `mlopsgen up` runs is.",
    "up": "Run everything on this machine.",
    "uses": "Say where a field of the spec goes, line by line.",
    "validate": "Check the spec without writing anything.",
    "verify": "Run whichever judges are installed on what a build makes.",
    "why": "Say where a line of a generated file comes from.",
}

MODULES = {"import": "importing"}
"""Modules of commands whose name is a word of Python's."""


class _Lazy(click.Group):
    """A group whose commands are modules of this package."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"mlopsgen.cli.{MODULES.get(name, name)}").command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(context, args)
        except click.UsageError as error:
            from mlopsgen.diagnostics.hints import closest

            hint = closest(args[0], list(COMMANDS))
            raise click.UsageError(
                f"{error.message} Did you mean `{hint}`?" if hint else error.message, context
            ) from None


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="mlopsgen", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="On a fault of mlopsgen, show the whole trace.")
def cli(debug: bool) -> None:
    """Compile one mlops.yaml into everything around a machine-learning service.

    \b
    Example:
      mlopsgen init && mlopsgen build
    """


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; returns its exit code.

    0: fine. 1: something differs, or a gate failed. 2: the input is wrong. 3: a fault of mlopsgen.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        result = cli.main(arguments, prog_name="mlopsgen", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        if "--debug" in arguments:
            raise
        click.echo(fault(error), err=True)
        return 3


def fault(error: Exception) -> str:
    """What is told of a fault of ours."""
    import platform
    import traceback

    at = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{at.filename.rpartition('mlopsgen')[2].lstrip('/')}:{at.lineno} in {at.name}"
    return (
        f"mlopsgen has a fault: {type(error).__name__}: {error}\n"
        f"  at {place}\n"
        f"  mlopsgen {VERSION}, Python {platform.python_version()}, {platform.system()}\n"
        "Nothing was half written. Please report this with the spec that shows it; "
        "`mlopsgen --debug …` prints the trace."
    )
