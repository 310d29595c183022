"""`mlopsgen init`."""

from __future__ import annotations

import os
import re
import sys

import click

from mlopsgen.cli.workspace import SPEC
from mlopsgen.version import VERSION

SPEC_TEXT = """\
# yaml-language-server: $schema=./schemas/mlops.v1.schema.json
# Every field: mlopsgen explain FIELD. What holds after defaults: mlopsgen show.
version: 1

project:
  name: {name}{owner}{repository}

data:
  raw: {raw}                    # file or folder of raw records
  # remote: s3://bucket/prefix       # where DVC keeps data; default: the folder .dvc/store
  # columns:                         # default: the usual ones of the task
  #   prompt: {{type: text, length: {{min: 10, max: 2000}}}}
  #   response: {{type: text, blank: false}}

model:
{model}
  # task: instruction-tuning         # instruction-tuning, causal-lm, text-classification

# training: {{epochs: 3, learning_rate: 2e-5, resources: {{gpu: 1}}}}
# evaluation: {{gates: {{val_loss: {{max: 2.0}}}}}}
# serving: {{engine: vllm, resources: {{gpu: 1}}}}
# ci: {{schedule: "0 3 * * 0"}}       # weekly retrain
"""

BASE = "  base: {base}"
SCRATCH = "  architecture: {type: llama, hidden_size: 128, layers: 2, heads: 4, vocab_size: 4096}"
IGNORED = ("/.venv/", "/.mlops/", "/mlflow.db", "/mlruns/", "/mlartifacts/", "/checkpoints/", "__pycache__/")


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False))
@click.option("--name", help="Name of the project: lower-case letters, digits and `-`.")
@click.option("--raw", help="File or folder of the raw data.")
@click.option("--base", help="Pre-trained model; `scratch` trains a small one from nothing.")
@click.option("--owner", help="Team that answers for it.")
@click.option("--repository", help="GitHub repository, `owner/name`.")
@click.option("--yes", is_flag=True, help="Ask nothing; take flags and defaults.")
def command(
    folder: str,
    name: str | None,
    raw: str | None,
    base: str | None,
    owner: str | None,
    repository: str | None,
    yes: bool,
) -> int:
    """Write a first, commented mlops.yaml into FOLDER, and beside it the schema for editors, requirements.txt and
    .gitignore; asks for what no flag gives. Overwrites nothing.

    \b
    Examples:
      mlopsgen init
      mlopsgen init services/answers --name answers --base meta-llama/Llama-2-7b-hf --yes
    """
    path = os.path.join(folder, SPEC)
    if os.path.lexists(path):
        raise click.ClickException(f"{path} is there already: edit it, or delete it first")
    ask = not yes and sys.stdin.isatty()
    usual = re.sub(r"[^a-z0-9]+", "-", os.path.basename(os.path.abspath(folder)).lower()).strip("-")[:40] or "project"
    name = name or _ask(ask, "Name of the project", usual if usual[0].isalpha() else f"p-{usual}"[:40])
    raw = raw or _ask(ask, "Raw data, a file or folder", "data/raw")
    base = base or _ask(ask, "Pre-trained model (hub id or folder), or `scratch`", "scratch")
    text = SPEC_TEXT.format(
        name=name,
        raw=raw,
        owner=f"\n  owner: {owner}" if owner else "",
        repository=f"\n  repository: {repository}" if repository else "",
        model=SCRATCH if base == "scratch" else BASE.format(base=base),
    )
    _check(text, path)
    os.makedirs(folder, exist_ok=True)
    _write(path, text)
    from mlopsgen.spec import schema

    for extra, content in (
        (os.path.join("schemas", "mlops.v1.schema.json"), schema.text()),
        ("requirements.txt", f"mlopsgen[runtime]=={VERSION}\n"),
        (".gitignore", "\n".join(IGNORED) + "\n"),
    ):
        target = os.path.join(folder, extra)
        if not os.path.lexists(target):
            os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
            _write(target, content)
            click.echo(f"wrote {target}")
    click.echo(f"wrote {path}\nnext: mlopsgen build{'' if folder == '.' else f' {folder}'}")
    return 0


def _ask(ask: bool, question: str, default: str) -> str:
    return str(click.prompt(question, default=default)) if ask else default


def _check(text: str, path: str) -> None:
    """Refuse answers that make no valid spec, before anything is written."""
    from mlopsgen.diagnostics import Failed
    from mlopsgen.project.resolve import examine
    from mlopsgen.spec.load import parse

    try:
        examine(parse(text, path))
    except Failed as failure:
        told = "\n".join(f"  {d.path}: {d.message}. {d.help}" for d in failure.diagnostics)
        raise click.ClickException(f"these answers make no valid spec:\n{told}") from None


def _write(path: str, text: str) -> None:
    try:
        with open(path, "x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from None
