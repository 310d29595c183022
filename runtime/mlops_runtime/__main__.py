"""Entry point of `mlops-runtime`: one command per name in `mlopsgen.contract.commands`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from mlopsgen.contract.commands import COMMANDS, PROGRAM
from mlopsgen.contract.release import FACTS
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


@cli.command(help=COMMANDS["prepare"])
def prepare() -> None:
    """Write the training and the validation part."""
    from mlops_runtime.data.prepare import prepare as run

    sys.exit(run())


@cli.command(help=COMMANDS["validate"])
def validate() -> None:
    """Hold the data to its contract."""
    from mlops_runtime.data.validate import validate as run

    sys.exit(run())


@cli.command(help=COMMANDS["drift"])
def drift() -> None:
    """Compare the training part with its reference."""
    from mlops_runtime.data.drift import drift as run

    sys.exit(run())


@cli.command(help=COMMANDS["train"])
def train() -> None:
    """Train the model of the project in this folder."""
    from mlops_runtime.training.run import run

    sys.exit(run())


@cli.command(help=COMMANDS["search"])
def search() -> None:
    """Run what is left of the search, and print its best parameters as YAML."""
    from mlops_runtime.search import pasted
    from mlops_runtime.search import search as run

    best = run()
    failed = f", {best.failed} failed" if best.failed else ""
    click.echo(f"# {best.metric} {best.value:.6g}: trial {best.number}, the best of {best.trials}{failed}")
    click.echo(pasted(best), nl=False)


@cli.command(help=COMMANDS["evaluate"])
def evaluate() -> None:
    """Score the model."""
    from mlops_runtime.evaluation.evaluate import evaluate as run
    from mlops_runtime.evaluation.evaluate import summary

    click.echo(summary(run()))


@cli.command(help=COMMANDS["benchmark"])
def benchmark() -> None:
    """Measure how fast the model answers."""
    from mlops_runtime.evaluation.benchmark import benchmark as run
    from mlops_runtime.evaluation.benchmark import summary

    click.echo(summary(run()))


@cli.command(help=COMMANDS["safety"])
@click.option("--answers", is_flag=True, help="Write prompts and answers beside the outcomes.")
def safety(answers: bool) -> None:
    """Judge what the model says to harmful and harmless prompts."""
    from mlops_runtime.evaluation.safety import safety as run
    from mlops_runtime.evaluation.safety import summary

    click.echo(summary(run(answers)))


@cli.command(help=COMMANDS["bias"])
def bias() -> None:
    """Compare what the model makes of groups."""
    from mlops_runtime.evaluation.bias import bias as run
    from mlops_runtime.evaluation.bias import summary

    click.echo(summary(run()))


@cli.command(help=COMMANDS["gate"])
def gate() -> None:
    """Judge the reports."""
    from mlops_runtime.evaluation.gate import gate as run
    from mlops_runtime.evaluation.gate import show

    sys.exit(show(run()))


@cli.command(help=COMMANDS["register"])
def register() -> None:
    """Register the model."""
    from mlops_runtime.registry.register import register as run

    made = run()
    semantic = f" ({made['semantic_version']})" if made["semantic_version"] else ""
    known = "" if made["new"] else ", as before"
    click.echo(f"version {made['version']}{semantic} of {made['name']}{known}")


_VERSION = click.option("--model-version", "version", metavar="NUMBER", help="Version in the registry.")
_FORMAT = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)


@cli.command(help=COMMANDS["promote"])
@click.option("--model-version", "version", metavar="NUMBER", required=True, help="Version in the registry.")
def promote(version: str) -> None:
    """Make a version the champion; exit code 1 when another promotion at the same time won."""
    from mlops_runtime.registry.promotion import promote as run

    outcome = run(version)
    click.echo(outcome.text)
    sys.exit(0 if outcome.reached else 1)


@cli.command(help=COMMANDS["rollback"])
@_VERSION
def rollback(version: str | None) -> None:
    """Return to an earlier champion, the one before when no version is named."""
    from mlops_runtime.registry.promotion import rollback as run

    outcome = run(version)
    click.echo(outcome.text)
    sys.exit(0 if outcome.reached else 1)


@cli.command(help=COMMANDS["history"])
@_FORMAT
def history(form: str) -> None:
    """Print the ledger, the latest first."""
    from mlops_runtime.registry.history import history as run
    from mlops_runtime.registry.history import show

    _printed(run(), form, show)


@cli.command(help=COMMANDS["release"])
@click.option("--environment", required=True, help="Environment, as in mlops.yaml.")
@click.option("--variant", required=True, type=click.Choice(list(FACTS)), help="Which of its parts.")
@click.option("--image", required=True, help="Image with its digest: REPOSITORY@sha256:…")
@_VERSION
def release(environment: str, variant: str, image: str, version: str | None) -> None:
    """Write the release file of an environment."""
    from mlops_runtime.registry.release import release as run

    click.echo(run(environment, variant, image, version))


@cli.command(help=COMMANDS["runs"])
@click.option("--filter", "query", help="""As MLflow has it: "metrics.val_loss < 2.0".""")
@click.option("--sort", help="A metric, or as MLflow has it: 'start_time DESC'.  [default: val_loss]")
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="Runs shown.")
@_FORMAT
def runs(query: str | None, sort: str | None, limit: int, form: str) -> None:
    """Search the runs."""
    from mlops_runtime.tracking.queries import runs as run
    from mlops_runtime.tracking.queries import show_runs

    _printed(run(query, sort, limit), form, show_runs)


@cli.command(help=COMMANDS["compare"])
@click.argument("run", nargs=2)
@_FORMAT
def compare(run: tuple[str, str], form: str) -> None:
    """Compare two runs, by id or its beginning, name, models:/NAME/VERSION or models:/NAME@ALIAS."""
    from mlops_runtime.tracking.queries import compare as compared
    from mlops_runtime.tracking.queries import show_comparison

    _printed(compared(run), form, show_comparison)


@cli.command(help=COMMANDS["serve"])
def serve() -> None:
    """Serve the model until SIGTERM."""
    from mlops_runtime.serving.serve import serve as run

    sys.exit(run())


def _headers(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """`NAME:VALUE` as headers."""
    pairs = [one.partition(":") for one in given]
    if any(not colon or not name.strip() for name, colon, _ in pairs):
        raise click.BadParameter("expected NAME:VALUE")
    return {name.strip(): value.strip() for name, _, value in pairs}


_HEADERS = click.option(
    "--header", "headers", multiple=True, metavar="NAME:VALUE", callback=_headers, help="Sent with every request."
)


@cli.command(help=COMMANDS["smoke"])
@click.option("--url", required=True, help="Address of the server, or of the gateway in front of it.")
@_HEADERS
def smoke(url: str, headers: dict[str, str]) -> None:
    """Ask a deployed model; exit code 1 when it does not answer as it should."""
    from mlops_runtime.smoke import smoke as run

    sys.exit(run(url, headers))


@cli.command(help=COMMANDS["bench"])
@click.argument("url")
@click.option("--clients", type=click.IntRange(1, 10_000), help="Closed loop: callers who wait.  [default: 8]")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Open loop: requests a second on average.")
@click.option("--requests", type=click.IntRange(min=1), help="Requests to send.")
@click.option("--duration", type=click.FloatRange(0, min_open=True), help="Seconds to send for.  [default: 30]")
@click.option("--prompts", metavar="FILE", help="Prompts, one a line or JSON lines; built-in ones of mixed lengths.")
@click.option("--max-tokens", default="16-128", show_default=True, help="Longest answer, or a range to draw it from.")
@click.option("--seed", default=0, show_default=True, help="Of prompts, lengths and arrivals.")
@click.option("--report", metavar="FILE", help="Page (.html) or picture (.png) of latencies.")
@_HEADERS
@_FORMAT
def bench(url: str, form: str, **load: Any) -> None:
    """Measure a served model under load."""
    from mlops_runtime.load.bench import Load, show
    from mlops_runtime.load.bench import bench as run

    _printed(run(url, Load(**load)), form, show)


@cli.command(help=COMMANDS["quality"])
def quality() -> None:
    """Measure on a schedule until SIGTERM."""
    from mlops_runtime.quality.run import quality as run

    sys.exit(run())


def _printed(found: Any, form: str, show: Callable[[Any], None]) -> None:
    """As JSON for programs or as a table for people."""
    from mlops_runtime.terminal import json_text

    if form == "json":
        click.echo(json_text(found))
    else:
        show(found)


def main() -> None:
    """Run the command line; a mistake of the user ends with exit code 2 and no traceback."""
    from mlops_runtime.errors import Mistaken

    # Threads that spin while they wait make torch many times slower as soon as cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        cli(prog_name=PROGRAM)
    except Mistaken as error:
        click.echo(f"{PROGRAM}: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
