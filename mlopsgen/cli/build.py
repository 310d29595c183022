"""`mlopsgen build`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from mlopsgen.cli import words
from mlopsgen.cli.fast import IN_STEP
from mlopsgen.cli.finding import wanted
from mlopsgen.cli.several import Options, Outcome
from mlopsgen.cli.workspace import Workspace
from mlopsgen.diagnostics import Diagnostic, Failed

FEW = 8
"""Specs of `--all` of which the files that change are named."""

SIGN = {
    "create": "+",
    "update": "~",
    "remove": "-",
    "adopt": "=",
    "left": "!",
    "keep": " ",
    "unchanged": " ",
    "unmanaged": " ",
}


@click.command()
@words.specs
@words.every
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Processes at once. Default: the cores, for enough specs."
)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if something would change.")
@click.option("--force", is_flag=True, help="Overwrite files that were edited by hand or are not ours.")
@click.option("--list", "only_list", is_flag=True, help="List the files that would come out, and nothing else.")
@click.option("--watch", is_flag=True, help="Build again whenever something changes, until Ctrl-C.")
@words.output_format
@words.quiet
@words.verbose
def command(
    specs: tuple[str, ...],
    every: bool,
    jobs: int | None,
    check: bool,
    force: bool,
    only_list: bool,
    watch: bool,
    form: str,
    quiet: bool,
    verbose: bool,
) -> int:
    """Compile each SPEC, a file or a folder, into files beside it; workflows go to the repository's root.

    \b
    Examples:
      mlopsgen build
      mlopsgen build --check --format github
      mlopsgen build services/*/mlops.yaml
      mlopsgen build --all --jobs 4
      mlopsgen build --watch
    """
    if watch:
        if check or force or only_list or form != "text":
            raise click.UsageError("`--watch` goes with `--all`, `--jobs` and `--quiet` only")
        from mlopsgen.cli.watch import watch as run

        return run(specs, every, jobs, quiet)
    options = Options(check, force, only_list, whole=form == "json" or verbose)
    found: list[Diagnostic] = []
    try:
        meant, notes = wanted(specs, every)
    except Failed as failure:
        words.tell(failure.diagnostics, form, specs=[])
        return 2
    found += notes
    tally = Tally()
    rows: list[dict[str, Any]] = []
    step = words.Progress(len(meant))
    for number, outcome in enumerate(outcomes(meant, options, jobs), start=1):
        step(number, outcome.spec)
        found += outcome.diagnostics
        tally.add(outcome)
        if outcome.row is None:
            continue
        if form == "text":
            step.clear()
            _tell(outcome.row, check, quiet, verbose, only_list, every, brief=every and len(meant) > FEW)
        elif form == "json":
            rows.append(outcome.row)
    step.clear()
    if tally.compiled:
        from mlopsgen.spec.language import remember

        remember()
    if every and form == "text" and not only_list and not quiet:
        click.echo(tally.told(check))
    words.tell(found, form, specs=rows)
    return 2 if tally.failed else 1 if check and tally.changed else 0


def outcomes(specs: Sequence[str], options: Options, jobs: int | None) -> Iterator[Outcome]:
    """Build specs, but for those that would write each other's files. In their order."""
    from mlopsgen.cli import several

    places = {spec: Workspace(spec) for spec in specs}
    collided: dict[str, Diagnostic] = {}
    if len(specs) > 1:
        from mlopsgen.cli import collisions

        collided = collisions.collided(places)
    made = several.build({spec: place for spec, place in places.items() if spec not in collided}, options, jobs)
    for spec in specs:
        yield Outcome(spec, None, (collided[spec],)) if spec in collided else next(made)


class Tally:
    """Counts what became of specs."""

    def __init__(self) -> None:
        self.failed = self.changed = self.fine = self.files = 0
        self.compiled = False

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        row = outcome.row
        if row is None:
            self.failed += 1
            return
        self.compiled = self.compiled or bool(row["files"])
        self.changed += row["differs"]
        self.fine += not row["differs"]
        self.files += len(_changed(row))

    def told(self, check: bool) -> str:
        """One line about all of them."""
        count = self.failed + self.changed + self.fine
        verb = "would change" if check else "changed"
        parts = [f"{self.changed} {verb} ({self.files} files)"] if self.changed else []
        parts += [f"{self.fine} up to date"] if self.fine else []
        parts += [f"{self.failed} failed"] if self.failed else []
        return words.styled(f"{count} {'spec' if count == 1 else 'specs'}: {', '.join(parts)}", "bold")


def _changed(row: dict[str, Any]) -> list[dict[str, str]]:
    return [file for file in row["files"] if file["change"] in ("create", "update", "remove", "adopt", "left")]


def _tell(
    row: dict[str, Any], check: bool, quiet: bool, verbose: bool, only_list: bool, every: bool, brief: bool
) -> None:
    if only_list:
        for file in row["files"]:
            click.echo(_shown(file["path"]))
        return
    changed = _changed(row)
    if not quiet and (verbose or not brief):
        for file in row["files"] if verbose else changed:
            look = {"create": "good", "update": "warning", "remove": "error", "left": "warning"}.get(
                file["change"], "dim"
            )
            click.echo(words.styled(f"{SIGN[file['change']]} {_shown(file['path'])}", look))
        if check and row["differs"] and row["pins"]:
            click.echo(f"pins in force that are not mlopsgen's own: {', '.join(row['pins'])}")
    if (not quiet and (row["differs"] or verbose or not every)) or (check and row["differs"]):
        click.echo(summary(row, check))


def _shown(key: str) -> str:
    """The path without the mark of what lies at the repository's root."""
    return key.removeprefix("//")


def summary(row: dict[str, Any], check: bool = False) -> str:
    """One line about a spec."""
    changed = _changed(row)
    if not row["differs"]:
        return IN_STEP.format(spec=row["spec"], count=row["count"])
    if not changed:
        return f"{row['spec']}: the lock {'would be' if check else 'was'} brought in step"
    verb = "would change: run `mlopsgen build`" if check else "changed"
    return f"{row['spec']}: {len(changed)} of {row['count']} files {verb}"
