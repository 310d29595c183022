"""The group of all commands, and how the program ends."""

from __future__ import annotations

import os
import sys

import click

from mlops_runtime.cli import experiment, pipeline, registry, rollout, serving
from mlopsgen.contract.commands import PROGRAM
from mlopsgen.version import VERSION

COMMANDS: tuple[click.Command, ...] = (
    pipeline.collect,
    pipeline.prepare,
    pipeline.validate,
    pipeline.drift,
    pipeline.train,
    pipeline.search,
    pipeline.evaluate,
    pipeline.benchmark,
    pipeline.safety,
    pipeline.bias,
    pipeline.gate,
    registry.register,
    registry.promote,
    registry.rollback,
    registry.history,
    registry.release,
    registry.runs,
    registry.compare,
    serving.serve,
    serving.smoke,
    serving.bench,
    serving.quality,
    experiment.experiment,
    rollout.rollout,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name=PROGRAM, message="%(prog)s %(version)s")
def cli() -> None:
    """The commands that generated pipelines, workflows and images call.

    They run in the folder of mlops.yaml and read params.yaml there, which `mlopsgen build` writes.

    Exit codes: 0 fine; 1 a check, gate, test or training failed; 2 the input is wrong, and the message says what to do;
    3 a fault of the program or of the project's own code, with a traceback; 130 stopped by Ctrl-C; 143 a training was
    stopped by SIGTERM and has saved its state.

    \b
    Example:
      mlopsgen build && dvc repro
    """


for _command in COMMANDS:
    cli.add_command(_command)


def main() -> None:
    """Run the command line and end the process, with the exit codes that `cli` names."""
    sys.exit(_code())


def _code() -> int:
    from mlops_runtime.errors import Mistaken

    # Threads that spin while they wait make torch many times slower as soon as cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        result = cli.main(prog_name=PROGRAM, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except Mistaken as error:
        click.echo(f"{PROGRAM}: {error}", err=True)
        return 2
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    except Exception as error:
        import traceback

        traceback.print_exception(error)
        click.echo(f"{PROGRAM} {VERSION}: a fault of its own, or of the project's code that it called", err=True)
        return 3
