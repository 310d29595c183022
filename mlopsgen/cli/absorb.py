"""`mlopsgen absorb`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mlopsgen.cli import asking, words
from mlopsgen.diagnostics import Failed

if TYPE_CHECKING:
    from mlopsgen.cli.absorbing import Account
    from mlopsgen.cli.workspace import Workspace
    from mlopsgen.review.absorb.hunks import Hunk
    from mlopsgen.review.absorb.search import Near, Taken


MOST = 6
"""Lines that one field stands for and that are shown as text; JSON has them all."""


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path())
@click.option("--spec", type=click.Path(), help="The spec, or its folder. Left out: here, or the nearest above FILE.")
@click.option("--dry-run", is_flag=True, help="Show the change of mlops.yaml, write nothing.")
@click.option("--patch", "only_patch", is_flag=True, help="Put every change under `patches:`, change no field.")
@words.formats("text", "json")
def command(files: tuple[str, ...], spec: str | None, dry_run: bool, only_patch: bool, form: str) -> int:
    """Take edits of generated files over into mlops.yaml; without FILE, those of every file that was edited by hand.

    A changed value becomes a change of the field that it comes from, or a patch. The files themselves stay as they
    are: the next build finds them right. Exits with 1 when something cannot be absorbed.

    \b
    Examples:
      mlopsgen absorb params.yaml
      mlopsgen absorb --dry-run deploy/production/scaling.yaml
    """
    from mlopsgen.cli.absorbing import absorb
    from mlopsgen.cli.rewriting import difference, rewrite

    try:
        workspace, source, origins = asking.opened(spec, files[0] if files else "")
        step = asking.progress("lines compared")
        account = absorb(workspace, source, origins, files, only_patch=only_patch, step=step)
        changes = account.text != source.text
        if changes and not dry_run:
            rewrite(workspace, source.text, account.text)
    except Failed as failure:
        words.tell(failure.diagnostics, form)
        return 2
    shown = difference(workspace, source.text, account.text)
    if form == "json":
        words.tell(account.notes, form, **_row(account, workspace, dry_run, shown))
    else:
        said = _text(account, workspace, dry_run)
        if said:
            click.echo(said)
        if dry_run and shown:
            click.echo(f"\n{shown}", nl=False)
        words.tell(account.notes, form)
    return 1 if account.incomplete else 0


def _text(account: Account, workspace: Workspace, dry_run: bool) -> str:
    lines = [line for taken in account.taken for line in _field(taken)]
    lines += [line for entry in account.patched for line in _patch(entry, account)]
    for name in account.pins:
        lines.append(f"{words.styled(f'pin {name}', 'bold')}: the next build takes it over into mlops.lock")
    if not lines and not account.notes:
        count = len(account.files)
        lines.append(
            f"{workspace.spec}: nothing to absorb" + (f", {count} files say what a build writes" if count > 1 else "")
        )
    elif account.taken or account.patched:
        verb = "would take" if dry_run else "took"
        lines.append(f"{workspace.spec} {verb} it over{_then(account, dry_run)}")
    return "\n".join(lines)


def _then(account: Account, dry_run: bool) -> str:
    if account.incomplete:
        return ", but not all of it: `mlopsgen build` still refuses the file"
    return "" if dry_run else "; run `mlopsgen build`: the edited files stay as they are"


def _field(taken: Taken) -> list[str]:
    lines = [f"{words.styled(taken.edit.field, 'bold')}: {_change(taken)}"]
    lines += [f"  {_said(hunk)}" for hunk in taken.hunks[:MOST]]
    lines += [f"  and {len(taken.hunks) - MOST} more lines"] if len(taken.hunks) > MOST else []
    if taken.others:
        from mlopsgen.review.words import some

        files = some(sorted(key.removeprefix("//") for key in taken.others))
        lines.append(f"  also changes {files}; `--patch` keeps them as they are")
    return lines


def _change(taken: Taken) -> str:
    from mlopsgen.review import words as said
    from mlopsgen.review.absorb.candidates import DROPPED

    edit = taken.edit
    if edit.value is DROPPED:
        return f"{said.value(edit.old)} → dropped"
    if edit.old is None:
        return f"{said.value(edit.value)} (new)"
    return " → ".join(said.change(edit.old, edit.value))


def _said(hunk: Hunk) -> str:
    from mlopsgen.review.words import value

    shown = hunk.key.removeprefix("//")
    if hunk.new:
        return f"{shown}:{hunk.at}  {value(hunk.new[0].strip())}"
    return f"{shown}:{hunk.at}  without {value(hunk.old[0].strip())}"


def _patch(entry: dict[str, Any], account: Account) -> list[str]:
    from mlopsgen.review.words import value

    where = " ".join(filter(None, [entry["file"], entry.get("object")]))
    lines = [f"{words.styled('patch', 'bold')} of {where}"]
    moved = [operation for operation in entry["ops"] if operation["op"] == "move"]
    for operation in (operation for operation in entry["ops"] if operation["op"] != "move"):
        told = f": {value(operation['value'])}" if "value" in operation else ""
        lines.append(f"  {operation['op']} {operation['path'] or 'the whole'}{told}")
    if moved:
        lines.append(f"  and moves that keep {len(moved) // 2} keys behind what came")
    texts = [operation["path"] for operation in entry["ops"] if "\n" in str(operation.get("value", ""))]
    lines += [f"  {path} is held as a whole: no field changes a part of it from now on" for path in texts]
    here = [near for near in account.near if near.hunk.key.removeprefix("//") == entry["file"]]
    return lines + list(dict.fromkeys(line for near in here for line in _near(near)))


def _near(near: Near) -> list[str]:
    from mlopsgen.review.words import value

    file, line = near.also
    also = f"{file.removeprefix('//')} `{value(line.strip(), 60)}`"
    return [f"  not {near.edit.field}: {value(near.edit.value)}, which also changes {also}"]


def _row(account: Account, workspace: Workspace, dry_run: bool, shown: str) -> dict[str, Any]:
    from mlopsgen.review.absorb.candidates import DROPPED

    return {
        "spec": workspace.spec,
        "written": bool(shown) and not dry_run,
        "files": [key.removeprefix("//") for key in account.files],
        "fields": [
            {
                "path": taken.edit.field,
                "dropped": taken.edit.value is DROPPED,
                "old": taken.edit.old,
                "new": None if taken.edit.value is DROPPED else taken.edit.value,
                "lines": [{"file": hunk.key.removeprefix("//"), "line": hunk.at} for hunk in taken.hunks],
                "also": sorted(key.removeprefix("//") for key in taken.others),
            }
            for taken in account.taken
        ],
        "patches": list(account.patched),
        "pins": list(account.pins),
        "complete": not account.incomplete,
        "diff": shown,
    }
