"""`mlopsgen import`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from mlopsgen.cli import words
from mlopsgen.cli.workspace import SPEC
from mlopsgen.diagnostics import Diagnostic, Failed, diagnose

if TYPE_CHECKING:
    from mlopsgen.adoption.draft import Draft, Left

MANY = 5
"""Things of one file that are told together; JSON has them all."""
ROUNDS = 40
"""Values that the language may refuse before no more are given back."""


@click.command("import")
@click.argument("folder", default=".", type=click.Path())
@click.option("--output", type=click.Path(), help="Where the spec goes. Left out: mlops.yaml in FOLDER.")
@click.option("--dry-run", is_flag=True, help="Print the spec and write nothing.")
@click.option("--name", help="Name of the project, where nothing says it, or another one.")
@click.option("--raw", help="File or folder of the raw data.")
@click.option("--base", help="Pre-trained model: hub id or folder.")
@click.option("--server", default="", metavar="NAME", help="Name of the Deployment that serves the model.")
@words.formats("text", "json")
def command(
    folder: str,
    output: str | None,
    dry_run: bool,
    name: str | None,
    raw: str | None,
    base: str | None,
    server: str,
    form: str,
) -> int:
    """Write a first mlops.yaml from what a repository in FOLDER has: dvc.yaml, params.yaml, manifests, alerts.

    Each value says where it was taken from, and everything that was not taken is listed. Nothing is overwritten.

    \b
    Examples:
      mlopsgen import --dry-run
      mlopsgen import services/answers --base meta-llama/Llama-2-7b-hf
    """
    path = output or os.path.join(folder, SPEC)
    try:
        _free(folder, path, dry_run)
        draft = _draft(folder, server, {"project.name": name, "data.raw": raw, "model.base": base})
    except Failed as failure:
        words.tell(failure.diagnostics, form)
        return 2
    text, found = _checked(draft, path)
    if not dry_run:
        try:
            _write(path, text)
        except Failed as failure:
            words.tell(failure.diagnostics, form)
            return 2
    _tell(draft, text, found, path, dry_run, form)
    return int(any(one.severity == "error" or one.code == "W346" for one in found))


def _free(folder: str, path: str, dry_run: bool) -> None:
    """Raises Failed with E345 or E346."""
    if not os.path.isdir(folder):
        help = "name the folder of a repository"
        raise Failed([diagnose("E346", f"{folder} is no folder", path=folder, help=help)])
    if not dry_run and os.path.lexists(path):
        help = "edit it, or name another file with `--output`; `--dry-run` only prints"
        raise Failed([diagnose("E345", f"{path} is there already", path=path, help=help)])


def _draft(folder: str, server: str, given: dict[str, str | None]) -> Draft:
    """Raises Failed with E346."""
    from mlopsgen.adoption.collect import collect
    from mlopsgen.adoption.draft import Draft
    from mlopsgen.diagnostics import Span

    draft = Draft()
    for field, value in given.items():
        if value is not None:
            draft.take(tuple(field.split(".")), value, Span("the command line", 1, 1, 1, 1))
    before = len(draft.taken)
    files = collect(folder, draft, server)
    if server and not any(path[-2:] == ("serving", "port") or "serving" in path for path in draft.taken):
        names = sorted({one.name for one in files.documents if one.kind == "Deployment"})
        help = f"there are {', '.join(names)}" if names else "there is none at all"
        raise Failed([diagnose("E346", f"no Deployment is called {server}", path=folder, help=help)])
    if len(draft.taken) == before:
        message = (
            f"{folder} has nothing that can be taken: {len(files.paths)} files, {len(files.documents)} of them YAML"
        )
        help = "`mlopsgen init` writes a spec without any"
        raise Failed([diagnose("E346", message, path=folder, help=help)])
    return draft


def _checked(draft: Draft, path: str) -> tuple[str, list[Diagnostic]]:
    """The text, and what is still to be said of it. What the language refuses goes back."""
    from mlopsgen.adoption import writing
    from mlopsgen.project.present import parse as steps
    from mlopsgen.project.resolve import examine
    from mlopsgen.spec.load import parse

    found: list[Diagnostic] = []
    for _ in range(ROUNDS):
        text = writing.text(draft)
        try:
            found = list(examine(parse(text, path)))
            break
        except Failed as failure:
            found = list(failure.diagnostics)
            bad = [one for one in found if _refused(draft, steps(one.path) if one.path else (), one.message)]
            if not bad:
                break
    gaps = [
        diagnose(
            "W346", f"nothing says {'.'.join(map(str, one))}", path=".".join(map(str, one)), help=f"fill it in: {path}"
        )
        for one in draft.missing
    ]
    hinted = [] if ("serving",) not in draft.hints else [_undecided(draft)]
    missing = {".".join(map(str, one)) for one in draft.missing} | {"model"}
    return text, [*gaps, *hinted, *(one for one in found if not gaps or one.path not in missing)]


def _refused(draft: Draft, path: tuple[str | int, ...], message: str) -> bool:
    while path:
        if draft.refuse(path, message):
            return True
        path = path[:-1] if len(path) > 2 else ()
    return False


def _undecided(draft: Draft) -> Diagnostic:
    choices = ", ".join(dict.fromkeys(draft.hints["serving",]))
    message = f"several workloads could serve the model: {choices}"
    return diagnose("W346", message, path="serving", help="name one with `--server`")


def _write(path: str, text: str) -> None:
    """Raises Failed with E345."""
    try:
        with open(path, "x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise Failed([diagnose("E345", message, path=path, help="name another file with `--output`")]) from None


def _tell(draft: Draft, text: str, found: list[Diagnostic], path: str, dry_run: bool, form: str) -> None:
    from mlopsgen.review.words import count, some
    from mlopsgen.spec.tree import dotted

    if form == "json":
        taken = [
            {"path": dotted(one.path), "value": one.value, "file": one.file, "line": one.line, "note": one.note or None}
            for one in draft.taken.values()
        ]
        missing = [dotted(one) for one in draft.missing]
        words.tell(
            found,
            form,
            spec=path,
            written=not dry_run,
            text=text,
            taken=taken,
            left=[_row(one) for one in draft.left],
            skipped=[_row(one) for one in draft.skipped],
            unused=draft.unused,
            missing=missing,
        )
        return
    if dry_run:
        click.echo(text, nl=False)
    else:
        click.echo(f"wrote {path}")
    click.echo(f"{count(len(draft.taken), 'value')} taken", err=dry_run)
    for head, noun, rows in (("not taken", "thing", draft.left), ("not read", "file", draft.skipped)):
        if rows:
            click.echo(words.styled(f"{count(len(rows), noun)} {head}:", "bold"), err=dry_run)
        for row in _grouped(rows):
            click.echo(f"  {row}", err=dry_run)
    if draft.unused:
        files = count(len(draft.unused), "file says", "files say")
        click.echo(f"{files} nothing that the language knows: {some(draft.unused, MANY)}", err=dry_run)
    words.tell([one._replace(span=None) for one in found] if dry_run else found, form)


def _grouped(rows: list[Left]) -> Iterator[str]:
    """A line for each; many of one file, for one reason, share it."""
    from mlopsgen.review.words import some

    groups: dict[tuple[str, str], list[Left]] = {}
    for one in rows:
        groups.setdefault((one.file, one.why), []).append(one)
    for (file, why), found in groups.items():
        for one in found if len(found) < MANY else ():
            place = f"{file}:{one.line}" if one.line else file
            yield (
                f"{words.styled(place, 'bold')}  {one.what}: {why}"
                if one.what
                else f"{words.styled(place, 'bold')}  {why}"
            )
        if len(found) >= MANY:
            lines = ",".join(str(one.line) for one in found[:MANY]) + ("…" if len(found) > MANY else "")
            yield f"{words.styled(f'{file}:{lines}', 'bold')}  {some(one.what for one in found)}: {why}"


def _row(left: Left) -> dict[str, Any]:
    return {"file": left.file, "line": left.line or None, "what": left.what or None, "why": left.why}
