"""`mlopsgen diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from mlopsgen.cli import words
from mlopsgen.cli.workspace import Workspace
from mlopsgen.diagnostics import Diagnostic, Failed

if TYPE_CHECKING:
    from mlopsgen.cli.sides import Side
    from mlopsgen.review.blocks import Block
    from mlopsgen.review.documents import Files


class Result(NamedTuple):
    """What differs for one spec.

    Attributes:
        base: what it is compared with, in words.
        notes: warnings.
        unknown: keys of files that differ and whose old content is nowhere to be found.
        edited: keys of files that were edited by hand.
    """

    spec: str
    base: str
    blocks: list[Block]
    notes: list[Diagnostic]
    unknown: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        return bool(self.blocks or self.unknown)


@click.command()
@words.specs
@words.every
@click.option(
    "--base",
    metavar="BASE",
    help="`lock`: what was built last; a revision of git, `REV:PATH` where the spec lay elsewhere: its spec, compiled "
    "as this one is. Left out: the files on disk, so that it says what `build` would change.",
)
@click.option(
    "--committed", is_flag=True, help="With a revision: the generated files as they were committed, not compiled anew."
)
@words.formats("text", "markdown", "json")
@click.option("-q", "--quiet", is_flag=True, help="Only how much differs.")
def command(specs: tuple[str, ...], every: bool, base: str | None, committed: bool, form: str, quiet: bool) -> int:
    """Say what differs in the output of each SPEC, object by object and field by field; exit with 1 if anything does.

    \b
    Examples:
      mlopsgen diff
      mlopsgen diff --base origin/main --format markdown
      mlopsgen diff --base v1.4.0 --committed
      mlopsgen diff --all --base origin/main --quiet
    """
    if committed and base in (None, "lock"):
        raise click.UsageError("`--committed` needs a revision: `--base REV`")
    from mlopsgen.cli import affected

    try:
        meant, found, among = affected.meant(specs, every, base, unchanged=committed)
    except Failed as failure:
        affected.end(form, failure.diagnostics, None, "specs", [], _row)
        return 2
    results: list[Result] = []
    failed = False
    step = words.Progress(len(meant), few=1)
    for number, argument in enumerate(meant, start=1):
        step(number, argument)
        try:
            result = _one(Workspace(argument), base, committed)
        except Failed as failure:
            failed = True
            found += failure.diagnostics
            continue
        found += result.notes
        if every and not result.differs:
            continue
        results.append(result)
        step.clear()
        if form != "json":
            _tell(result, form, quiet)
    step.clear()
    affected.end(form, found, among, "specs", results, _row)
    differs = any(result.differs for result in results) or bool(among and (among.new or among.gone))
    return 2 if failed else 1 if differs else 0


def _one(workspace: Workspace, base: str | None, committed: bool) -> Result:
    from mlopsgen.cli import bases, sides

    compiler = sides.Compiler()
    head = compiler(sides.present(workspace))
    if base is None:
        return _disk(workspace, head)
    if base == "lock":
        return _lock(workspace, head)
    if committed:
        files, revision, notes = bases.committed(workspace, base)
        shown = f"the files committed in {revision.shown}"
        return _result(workspace, shown, files, head, list(notes))
    past = bases.past(workspace, base)
    before = bases.compiled(compiler, past)
    shown = f"the spec of {past.revision.shown}"
    return _result(workspace, shown, before.files, head, list(past.notes), before.kept)


def _result(
    workspace: Workspace,
    base: str,
    before: Files,
    head: Side,
    notes: list[Diagnostic],
    kept: frozenset[str] = frozenset(),
) -> Result:
    from mlopsgen.review.blocks import blocks
    from mlopsgen.review.documents import Files

    # What is written once is the user's afterwards: only that it comes or goes says something.
    ours = head.kept | kept
    both = ours & before.content.keys() & head.files.content.keys()
    old, new = (
        Files({key: content for key, content in files.content.items() if key not in both})
        for files in (before, head.files)
    )
    return Result(workspace.spec, base, blocks(old, new), notes)


def _disk(workspace: Workspace, head: Side) -> Result:
    """Against the files on disk, edited by hand or not."""
    from mlopsgen.cli import bases

    before, edited = bases.on_disk(workspace, head)
    result = _result(workspace, "the files on disk", before, head, [])
    return result._replace(edited=edited)


def _lock(workspace: Workspace, head: Side) -> Result:
    """Against what was built last, as far as its content is still on disk or in HEAD."""
    from mlopsgen.cli import bases

    before, unknown = bases.as_locked(workspace, head)
    known = head._replace(files=type(head.files)({k: v for k, v in head.files.content.items() if k not in unknown}))
    result = _result(workspace, "what was built last (mlops.lock)", before, known, [])
    return result._replace(unknown=unknown)


def _tell(result: Result, form: str, quiet: bool) -> None:
    from mlopsgen.review import differences

    headline = f"{result.spec} against {result.base}: {differences.headline(result.blocks)}"
    if form == "markdown":
        click.echo(f"### {headline}\n\n{differences.markdown(result.blocks)}")
    else:
        if not quiet and result.blocks:
            click.echo(differences.text(result.blocks, words.styled))
        click.echo(headline)
    for key in result.unknown:
        click.echo(f"{key.removeprefix('//')} differs; what it said then is neither on disk nor in HEAD")
    for key in result.edited:
        click.echo(f"{key.removeprefix('//')} was edited by hand: `mlopsgen build` refuses to overwrite it")


def _row(result: Result) -> dict[str, Any]:
    from mlopsgen.review import differences

    return {
        "spec": result.spec,
        "base": result.base,
        "differs": result.differs,
        "counts": differences.counts(result.blocks),
        "blocks": differences.as_json(result.blocks),
        "unknown": [key.removeprefix("//") for key in result.unknown],
        "edited": [key.removeprefix("//") for key in result.edited],
    }
