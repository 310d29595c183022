"""Commands of a rollout."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from mlops_runtime.cli import words
from mlopsgen.contract.commands import COMMANDS

if TYPE_CHECKING:
    from mlops_runtime.rollout.places.base import Place
    from mlops_runtime.rollout.settings import Settings

environment = click.option(
    "--environment",
    metavar="NAME",
    help="Of mlops.yaml, or `local`.  [default: that of the settings at MLOPS_CONFIG]",
)


_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _seconds(context: click.Context, parameter: click.Parameter, given: str) -> float:
    """`90s`, `10m`, `6h` as seconds."""
    number, unit = given[:-1], given[-1:]
    if unit not in _UNITS or not number.isdecimal():
        raise click.BadParameter("expected a time such as 90s, 10m or 6h")
    return int(number) * _UNITS[unit]


@click.group("rollout", short_help=COMMANDS["rollout"], help=COMMANDS["rollout"])
def rollout() -> None:
    """The group."""


rollout.help = f"""{COMMANDS["rollout"]}

One controller (`run`) drives the rollouts of an environment; the other commands change or show what it remembers, which
lies in the router's object in the cluster, or in .mlops/rollout on one machine.

\b
Examples:
  mlops-runtime rollout start --environment production
  mlops-runtime rollout status --environment local
"""


@rollout.command("run")
@environment
def run(environment: str | None) -> None:
    """Drive canaries until SIGTERM: look at Prometheus, move the weights, promote or roll back.

    \b
    Example:
      MLOPS_CONFIG=/etc/mlops/settings.yaml mlops-runtime rollout run
    """
    from mlops_runtime.rollout.run import run as started

    sys.exit(started(environment))


@rollout.command("start")
@environment
@words.version
def start(environment: str | None, version: str | None) -> None:
    """Begin a rollout of what the canary serves; on one machine, of the registry's challenger.

    \b
    Examples:
      mlops-runtime rollout start --environment production
      mlops-runtime rollout start --environment local --model-version 4
    """
    from mlops_runtime.rollout import actions

    given, place = _opened(environment)
    actions.progress(actions.start(place, version, given.steps))


@rollout.command("watch")
@environment
@click.option(
    "--timeout", default="7h", show_default=True, callback=_seconds, help="It must have ended by then: 90s, 10m, 6h."
)
def watch(environment: str | None, timeout: float) -> None:
    """Show a rollout until it has ended. Exit code 1 when it was rolled back.

    \b
    Example:
      mlops-runtime rollout watch --environment production --timeout 7h
    """
    from mlops_runtime.rollout import actions

    _, place = _opened(environment)
    phase = ""
    for state in actions.watch(place, timeout):
        actions.progress(state)
        phase = state.phase
    sys.exit(0 if phase == "promoted" else 1)


@rollout.command("status")
@environment
@words.output_format
def status(environment: str | None, form: str) -> None:
    """Show the last rollout: where it is, what was decided and why.

    \b
    Examples:
      mlops-runtime rollout status --environment local
      mlops-runtime rollout status --environment production --format json
    """
    from mlops_runtime.rollout import actions
    from mlops_runtime.rollout.status import show

    words.printed(actions.look(*_opened(environment)), form, show)


@rollout.command("pause")
@environment
def pause(environment: str | None) -> None:
    """Stay at the present weight. What speaks against the canary still takes it back.

    \b
    Example:
      mlops-runtime rollout pause --environment production
    """
    _changed("pause", environment)


@rollout.command("resume")
@environment
def resume(environment: str | None) -> None:
    """Go on after a pause.

    \b
    Example:
      mlops-runtime rollout resume --environment production
    """
    _changed("resume", environment)


@rollout.command("promote")
@environment
def promote(environment: str | None) -> None:
    """Make the canary the champion now, whatever is known about it.

    \b
    Example:
      mlops-runtime rollout promote --environment production
    """
    _changed("promote", environment)


@rollout.command("abort")
@environment
def abort(environment: str | None) -> None:
    """Send everybody back to the champion at once, also while no controller runs.

    \b
    Example:
      mlops-runtime rollout abort --environment production
    """
    _changed("abort", environment)


def _opened(environment: str | None) -> tuple[Settings, Place]:
    from mlops_runtime.rollout import assembly, settings

    given = settings.read(environment)
    return given, assembly.place(given)


def _changed(name: str, environment: str | None) -> None:
    from mlops_runtime.rollout import actions

    changes: dict[str, Any] = {
        "pause": actions.pause,
        "resume": actions.resume,
        "promote": actions.promote,
        "abort": actions.abort,
    }
    state = changes[name](_opened(environment)[1])
    if state is None:
        click.echo("there is no rollout", err=True)
    else:
        actions.progress(state)
