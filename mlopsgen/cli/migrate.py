"""`mlopsgen migrate`."""

from __future__ import annotations

from typing import Any, NamedTuple

import click

from mlopsgen.cli import words
from mlopsgen.cli.workspace import SPEC, Workspace
from mlopsgen.diagnostics import Diagnostic, Failed


class Result(NamedTuple):
    """What becomes of one spec.

    Attributes:
        found: version before.
        changes: in words.
        diff: of its text; empty when it is of the newest version already.
    """

    spec: str
    found: int
    changes: tuple[str, ...]
    diff: str


@click.command()
@words.specs
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a spec is of an older version.")
@click.option("--dry-run", is_flag=True, help="Show what would change, write nothing.")
@words.formats("text", "json")
def command(specs: tuple[str, ...], check: bool, dry_run: bool, form: str) -> int:
    """Bring each SPEC, a file or a folder, to the newest version of the language; comments and layout are kept.

    \b
    Examples:
      mlopsgen migrate
      mlopsgen migrate --dry-run services/*/mlops.yaml
    """
    found: list[Diagnostic] = []
    results: list[Result] = []
    failed = False
    for argument in specs or (SPEC,):
        try:
            result, mistakes = _one(Workspace(argument), write=not (check or dry_run))
        except Failed as failure:
            failed = True
            found += failure.diagnostics
            continue
        results.append(result)
        found += mistakes
        failed = failed or bool(mistakes)
        if form == "text":
            _tell(result, check, dry_run)
    rows: list[dict[str, Any]] = [{**result._asdict(), "changes": list(result.changes)} for result in results]
    words.tell(found, form, **({"specs": rows} if form == "json" else {}))
    return 2 if failed else 1 if check and any(result.diff for result in results) else 0


def _one(workspace: Workspace, *, write: bool) -> tuple[Result, tuple[Diagnostic, ...]]:
    """Migrate one spec; what is still wrong with it by today's rules is told, once it is written."""
    from mlopsgen.cli.rewriting import difference, rewrite
    from mlopsgen.review.writing.migrate import migrate
    from mlopsgen.spec.read import read

    text = read(workspace.spec)
    done = migrate(text, workspace.spec)
    result = Result(workspace.spec, done.found, done.changes, difference(workspace, text, done.text))
    if not write or not result.diff:
        return result, ()
    rewrite(workspace, text, done.text)
    return result, _mistakes(workspace)


def _mistakes(workspace: Workspace) -> tuple[Diagnostic, ...]:
    from mlopsgen.cli.sides import present, resolution

    try:
        resolution(present(workspace))
    except Failed as failed:
        return failed.diagnostics
    return ()


def _tell(result: Result, check: bool, dry_run: bool) -> None:
    from mlopsgen.review.words import count
    from mlopsgen.spec.version import NEWEST

    if not result.diff:
        click.echo(f"{result.spec} is of version {NEWEST}, the newest")
        return
    verb = "can be brought" if check or dry_run else "was brought"
    changes = count(len(result.changes), "change")
    click.echo(f"{result.spec} {verb} from version {result.found} to {NEWEST}: {changes}")
    if dry_run:
        click.echo(f"\n{result.diff}", nl=False)
    elif not check:
        for change in result.changes:
            click.echo(f"  {change}")
