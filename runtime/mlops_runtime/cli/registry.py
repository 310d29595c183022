"""Commands of the model registry and of the tracked runs."""

from __future__ import annotations

import sys

import click

from mlops_runtime.cli import words
from mlopsgen.contract.release import FACTS


@words.command("register")
def register() -> None:
    """Reads models/model and the reports; writes reports/registration.json. The same files are the same version. A
    model that a gate refused is not registered.

    \b
    Example:
      mlops-runtime register
    """
    from mlops_runtime.registry.register import register as run

    made = run()
    semantic = f" ({made['semantic_version']})" if made["semantic_version"] else ""
    known = "" if made["new"] else ", as before"
    click.echo(f"version {made['version']}{semantic} of {made['name']}{known}")


@words.command("promote")
@words.needed_version
def promote(version: str) -> None:
    """Adds an entry to the ledger of the model in `params.yaml` and moves the alias `champion`; the champion before is
    archived. Exit code 1 when another promotion at the same time won.

    \b
    Example:
      mlops-runtime promote --model-version 3
    """
    from mlops_runtime.registry.promotion import promote as run

    outcome = run(version)
    click.echo(outcome.text)
    sys.exit(0 if outcome.reached else 1)


@words.command("rollback")
@words.version
def rollback(version: str | None) -> None:
    """To the champion before this one, or to the version that is named, which must have been in production. Exit code 1
    when a promotion at the same time won.

    \b
    Examples:
      mlops-runtime rollback
      mlops-runtime rollback --model-version 2
    """
    from mlops_runtime.registry.promotion import rollback as run

    outcome = run(version)
    click.echo(outcome.text)
    sys.exit(0 if outcome.reached else 1)


@words.command("history")
@words.output_format
def history(form: str) -> None:
    """Reads the ledger of the model in `params.yaml` and changes nothing; the latest time in production comes first.

    \b
    Examples:
      mlops-runtime history
      mlops-runtime history --format json
    """
    from mlops_runtime.registry.history import history as run
    from mlops_runtime.registry.history import show

    words.printed(run(), form, show)


@words.command("release")
@click.option("--environment", required=True, help="Environment, as in mlops.yaml.")
@click.option("--variant", required=True, type=click.Choice(list(FACTS)), help="Which of its parts.")
@click.option("--image", required=True, help="Image with its digest: REPOSITORY@sha256:…")
@words.version
def release(environment: str, variant: str, image: str, version: str | None) -> None:
    """Changes these facts in deploy/ENVIRONMENT/release.yaml and nothing else there. `training` takes no version: it
    makes versions.

    \b
    Example:
      mlops-runtime release --environment production --variant canary \\
        --image "ghcr.io/acme/assistant@$DIGEST" --model-version 3
    """
    from mlops_runtime.registry.release import release as run

    click.echo(run(environment, variant, image, version))


@words.command("runs")
@click.option("--filter", "query", help="""As MLflow has it: "metrics.val_loss < 2.0".""")
@click.option("--sort", help="A metric, or as MLflow has it: 'start_time DESC'.  [default: val_loss]")
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="Runs shown.")
@words.output_format
def runs(query: str | None, sort: str | None, limit: int, form: str) -> None:
    """Reads the project's experiment at the tracking server, or in mlflow.db. Runs without the metric come last.

    \b
    Examples:
      mlops-runtime runs
      mlops-runtime runs --filter "params.\\"train.seed\\" = '42'" --sort val_accuracy
      mlops-runtime runs --limit 100 --format json
    """
    from mlops_runtime.tracking.queries import runs as run
    from mlops_runtime.tracking.queries import show_runs

    words.printed(run(query, sort, limit), form, show_runs)


@words.command("compare")
@click.argument("run", nargs=2)
@words.output_format
def compare(run: tuple[str, str], form: str) -> None:
    """Each RUN is an id or its beginning, a name, models:/NAME/VERSION or models:/NAME@ALIAS. Only what differs is
    shown.

    \b
    Examples:
      mlops-runtime compare 8fd12ee0 31c0a5d9
      mlops-runtime compare models:/assistant@champion models:/assistant@challenger
    """
    from mlops_runtime.tracking.queries import compare as compared
    from mlops_runtime.tracking.queries import show_comparison

    words.printed(compared(run), form, show_comparison)
