"""Commands of the pipeline's stages, in the order in which `dvc repro` runs them, and the search over them."""

from __future__ import annotations

import sys

import click

from mlops_runtime.cli import words


@words.command("collect")
def collect() -> None:
    """Calls the project's own function, which takes nothing and yields mappings, and writes them as JSON lines to
    `data.raw`. The file appears when it is complete.

    \b
    Example:
      mlops-runtime collect
    """
    from mlops_runtime.data.collect import collect as run

    count, path = run()
    click.echo(f"{count} records in {path}")


@words.command("prepare")
def prepare() -> None:
    """Reads `data.raw`; writes data/processed/train.jsonl, validation.jsonl and reports/data/preparation.json. Exit
    code 1, and no part is written, when the parts overlap all the same.

    \b
    Example:
      mlops-runtime prepare
    """
    from mlops_runtime.data.prepare import prepare as run

    sys.exit(run())


@words.command("validate")
def validate() -> None:
    """Reads `data.raw` and, for overlap, the prepared parts; writes reports/data/validation.json and .html. Exit code 1
    when a check fails.

    \b
    Example:
      mlops-runtime validate
    """
    from mlops_runtime.data.validate import validate as run

    sys.exit(run())


@words.command("drift")
def drift() -> None:
    """Reads the training part and the reference of `data.drift`, which is the champion's data or a path; writes
    reports/data/drift.json and .html. Exit code 1 for a drift under `action: fail`.

    \b
    Example:
      mlops-runtime drift
    """
    from mlops_runtime.data.drift import drift as run

    sys.exit(run())


@words.command("train")
def train() -> None:
    """Reads the prepared parts; writes models/model, the checkpoints, reports/training.json and the loss curve. A run
    of the same parameters and data goes on from its newest checkpoint. Exit code 143 after SIGTERM, with the state
    saved; 1 when the loss is not finite or a checkpoint cannot be written.

    \b
    Examples:
      mlops-runtime train
      torchrun --standalone --nproc-per-node 2 --module mlops_runtime train
    """
    from mlops_runtime.training.run import run

    sys.exit(run())


@words.command("search")
def search() -> None:
    """Runs what is left of `training.search`, each trial a training of its own in .search/, with an evaluation where
    its metric comes from there. Prints the best parameters as YAML for mlops.yaml; writes reports/sweep.yaml for W&B.

    \b
    Examples:
      mlops-runtime search
      mlops-runtime search > best.yaml
    """
    from mlops_runtime.search import pasted
    from mlops_runtime.search import search as run

    best = run()
    failed = f", {best.failed} failed" if best.failed else ""
    click.echo(f"# {best.metric} {best.value:.6g}: trial {best.number}, the best of {best.trials}{failed}")
    click.echo(pasted(best), nl=False)


@words.command("evaluate")
def evaluate() -> None:
    """Reads models/model and the validation part; writes reports/evaluation.json, and evaluation.npz with the losses by
    record.

    \b
    Example:
      mlops-runtime evaluate
    """
    from mlops_runtime.evaluation.evaluate import evaluate as run
    from mlops_runtime.evaluation.evaluate import summary

    click.echo(summary(run()))


@words.command("benchmark")
def benchmark() -> None:
    """Sends prompts of the validation part to models/model through the engine that serves it; writes
    reports/benchmark.json and .png.

    \b
    Example:
      mlops-runtime benchmark
    """
    from mlops_runtime.evaluation.benchmark import benchmark as run
    from mlops_runtime.evaluation.benchmark import summary

    click.echo(summary(run()))


@words.command("safety")
@click.option("--answers", is_flag=True, help="Write prompts and answers beside the outcomes.")
def safety(answers: bool) -> None:
    """Puts the prompts of `evaluation.safety.prompts` to models/model; writes reports/safety.json with the rates, and
    safety.jsonl with the outcome of each prompt.

    \b
    Examples:
      mlops-runtime safety
      mlops-runtime safety --answers
    """
    from mlops_runtime.evaluation.safety import safety as run
    from mlops_runtime.evaluation.safety import summary

    click.echo(summary(run(answers)))


@words.command("bias")
def bias() -> None:
    """Puts the sets of `evaluation.bias.pairs` to models/model and compares the groups; writes reports/bias.json.

    \b
    Example:
      mlops-runtime bias
    """
    from mlops_runtime.evaluation.bias import bias as run
    from mlops_runtime.evaluation.bias import summary

    click.echo(summary(run()))


@words.command("gate")
def gate() -> None:
    """Reads the reports of the evaluation and, for `against_champion`, those of the champion; writes
    reports/gates.json. What is missing or not finite fails.

    \b
    Example:
      mlops-runtime gate
    """
    from mlops_runtime.evaluation.gate import gate as run
    from mlops_runtime.evaluation.gate import show

    sys.exit(show(run()))
