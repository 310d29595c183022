"""Commands of A/B tests: plan, assign, analyze."""

from __future__ import annotations

import sys

import click

from mlops_runtime.cli import words
from mlopsgen.contract.commands import COMMANDS


@click.group(
    "experiment",
    short_help=COMMANDS["experiment"],
    help=f"""{COMMANDS["experiment"]}

    Settings are `experiment` of those at `MLOPS_CONFIG`, or of mlops.yaml in the working directory.

    \b
    Examples:
      mlops-runtime experiment plan --users-per-day 2000
      mlops-runtime experiment assign --salt answers-v3 anna bert
      mlops-runtime experiment analyze logs/*.jsonl.gz
    """,
)
def experiment() -> None:
    """The group."""


@experiment.command("plan")
@click.option("--users-per-day", type=click.FloatRange(0, min_open=True), help="New users a day, of both arms.")
@words.output_format
def plan(users_per_day: float | None, form: str) -> None:
    """Say how many users it takes.

    For Welch's test at a fixed number of users, and for looking all the time; from alpha, power, min_effect and
    traffic.

    \b
    Example:
      mlops-runtime experiment plan --users-per-day 2000
    """
    from mlops_runtime.experiment import settings
    from mlops_runtime.experiment.planning import document, show

    words.printed(document(settings.read(), users_per_day), form, show)


@experiment.command("assign")
@click.argument("user", nargs=-1, required=True)
@click.option("--salt", required=True, help="A text of this experiment's own, such as its name; no `:`.")
@words.output_format
def assign(user: tuple[str, ...], salt: str, form: str) -> None:
    """Say which arm users are in: USER ids, or `-` for one a line on standard input.

    The canary has the positions from 0 up to `traffic`: nobody leaves while it grows.

    \b
    Examples:
      mlops-runtime experiment assign --salt answers-v3 anna bert
      mlops-runtime experiment assign --salt answers-v3 - < users.txt
    """
    from mlops_runtime.experiment import settings
    from mlops_runtime.experiment.assignment import arm, position

    share = settings.read().traffic
    users = sys.stdin.read().splitlines() if user == ("-",) else list(user)
    found = [{"user": one, "arm": arm(salt, one, share), "position": position(salt, one)} for one in users]
    words.printed(found, form, lambda _: click.echo("\n".join(f"{one['user']}\t{one['arm']}" for one in found)))


@experiment.command("analyze")
@click.argument("file", nargs=-1, required=True)
@click.option("--stages", metavar="FILE", help='JSON: [{"at": time, "share": 0.1}, …]; `traffic` throughout if absent.')
@click.option("--since", metavar="TIME", help="Outcomes before this ISO time do not count.")
@click.option("--until", metavar="TIME", help="Outcomes from this ISO time on do not count.")
@click.option(
    "--method",
    type=click.Choice(["sequence", "welch"]),
    default="sequence",
    show_default=True,
    help="What decides: the confidence sequence at any look, or Welch's test once at the planned users.",
)
@click.option("--folder", default="reports", show_default=True, help="Of experiment.json and experiment.html.")
@words.output_format
def analyze(
    file: tuple[str, ...],
    stages: str | None,
    since: str | None,
    until: str | None,
    method: str,
    folder: str,
    form: str,
) -> None:
    """Compare the arms and decide: ship, keep, or wait for N more users.

    Reads the servers' logs from each FILE (JSON lines, `.gz` for compressed ones, `-` for standard input). Exit code 1
    says that the champion is to be kept.

    \b
    Examples:
      mlops-runtime experiment analyze champion.jsonl canary.jsonl
      kubectl logs -l app.kubernetes.io/name=assistant --tail=-1 | grep '"event":"outcome"' \\
        | mlops-runtime experiment analyze - --stages stages.json
    """
    from mlops_runtime.experiment.analyze import analyze as run
    from mlops_runtime.experiment.page import show

    found = run(file, stages, since, until, method, folder)
    words.printed(found, form, show)
    sys.exit(1 if found["decision"]["verdict"] == "keep" else 0)
