"""`mlopsgen build`."""

from __future__ import annotations

from typing import Any

import click

from mlopsgen.cli import words
from mlopsgen.cli.fast import IN_STEP, ready
from mlopsgen.cli.workspace import SPEC, Workspace
from mlopsgen.diagnostics import Diagnostic, Failed
from mlopsgen.version import VERSION

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
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if something would change.")
@click.option("--force", is_flag=True, help="Overwrite files that were edited by hand or are not ours.")
@click.option("--list", "only_list", is_flag=True, help="List the files that would come out, and nothing else.")
@words.output_format
@words.quiet
@words.verbose
def command(
    specs: tuple[str, ...], check: bool, force: bool, only_list: bool, form: str, quiet: bool, verbose: bool
) -> int:
    """Compile each SPEC, a file or a folder, into files beside it; workflows go to the repository's root.

    \b
    Examples:
      mlopsgen build
      mlopsgen build --check --format github
      mlopsgen build services/*/mlops.yaml
    """
    found: list[Diagnostic] = []
    rows: list[dict[str, Any]] = []
    failed = differs = False
    arguments = specs or (SPEC,)
    step = words.progress(len(arguments))
    for number, argument in enumerate(arguments, start=1):
        try:
            row, warnings = _one(Workspace(argument), check, force, only_list)
        except Failed as failure:
            failed = True
            found += failure.diagnostics
            continue
        finally:
            step(number, argument)
        found += warnings
        rows.append(row)
        differs = differs or row["differs"]
        if form == "text":
            _tell(row, check, quiet, verbose, only_list)
    if any(row["files"] for row in rows):
        from mlopsgen.spec.language import remember

        remember()
    words.tell(found, form, specs=rows)
    return 2 if failed else 1 if check and differs else 0


def _one(
    workspace: Workspace, check: bool, force: bool, only_list: bool
) -> tuple[dict[str, Any], tuple[Diagnostic, ...]]:
    count = None if force or only_list else ready(workspace.spec, workspace.folder, workspace.repository)
    if count is not None:
        return {"spec": workspace.spec, "files": [], "pins": [], "count": count, "differs": False}, ()
    from mlopsgen.cli.compile import compile
    from mlopsgen.cli.pins import effective
    from mlopsgen.output.write import build

    pins, bumps = effective(workspace)
    compiled = compile(workspace, pins)
    if only_list:
        files = [{"path": file.key, "change": "", "target": file.target} for file in compiled.files]
        return {
            "spec": workspace.spec,
            "files": files,
            "pins": [],
            "count": len(files),
            "differs": False,
        }, compiled.warnings
    result = build(
        workspace.folder,
        workspace.repository,
        compiled.files,
        generator_version=VERSION,
        input_digest=compiled.digest,
        pins=bumps,
        unmanaged=_keys(compiled),
        check=check,
        force=force,
    )
    files = [{"path": change.key, "change": change.kind, "target": change.target} for change in result.changes]
    adopted = [f"{name} {version}" for name, (version, _) in sorted(bumps.items())]
    row = {"spec": workspace.spec, "files": files, "pins": adopted, "count": len(files), "differs": result.differs}
    return row, (*compiled.warnings, *result.diagnostics)


def _keys(compiled: Any) -> list[str]:
    """Keys of the unmanaged files: a path means the file in the project, or the one at the repository's root."""
    known = {file.key for file in compiled.files}
    return [f"//{path}" if path not in known and f"//{path}" in known else path for path in compiled.project.unmanaged]


def _tell(row: dict[str, Any], check: bool, quiet: bool, verbose: bool, only_list: bool) -> None:
    if only_list:
        for file in row["files"]:
            click.echo(_shown(file["path"]))
        return
    changed = [file for file in row["files"] if file["change"] in ("create", "update", "remove", "adopt", "left")]
    if not quiet:
        for file in row["files"] if verbose else changed:
            look = {"create": "good", "update": "warning", "remove": "error", "left": "warning"}.get(
                file["change"], "dim"
            )
            click.echo(words.styled(f"{SIGN[file['change']]} {_shown(file['path'])}", look))
        if check and row["differs"] and row["pins"]:
            click.echo(f"pins in force that are not mlopsgen's own: {', '.join(row['pins'])}")
    if not quiet or (check and row["differs"]):
        click.echo(_summary(row, changed, check))


def _shown(key: str) -> str:
    """The path without the mark of what lies at the repository's root."""
    return key.removeprefix("//")


def _summary(row: dict[str, Any], changed: list[Any], check: bool) -> str:
    if not row["differs"]:
        return IN_STEP.format(spec=row["spec"], count=row["count"])
    if not changed:
        return f"{row['spec']}: the lock {'would be' if check else 'was'} brought in step"
    verb = "would change: run `mlopsgen build`" if check else "changed"
    return f"{row['spec']}: {len(changed)} of {row['count']} files {verb}"
