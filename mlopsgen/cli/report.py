"""`mlopsgen report`."""

from __future__ import annotations

import os
import tempfile

import click

from mlopsgen.cli import words
from mlopsgen.cli.workspace import SPEC, Workspace
from mlopsgen.diagnostics import Failed, diagnose


@click.command()
@click.argument("spec", default=SPEC, type=click.Path())
@click.option(
    "-o", "--output", default="report.html", show_default=True, metavar="FILE", help="Where to; `-` is standard output."
)
@words.formats("text", "json")
def command(spec: str, output: str, form: str) -> int:
    """Write one page with everything that SPEC makes: for who would rather look at it than read files.

    It shows the pipeline, the rollout over time, environments, cost, alerts with their limits and the layout of the
    dashboards. The page needs no network and no script.

    \b
    Examples:
      mlopsgen report
      mlopsgen report services/chat --output chat.html
    """
    from mlopsgen.cli import sides
    from mlopsgen.cli.lastrun import last_run
    from mlopsgen.overview.page import MARK, page

    if output == "-" and form == "json":
        raise click.UsageError("`--format json` tells where the page is: name a file with `--output`")
    workspace = Workspace(spec)
    try:
        side = sides.Compiler()(sides.present(workspace))
        content = page(side.project, side.files, side.source.digest, last_run(workspace)).encode()
        if output != "-":
            _write(output, content, MARK.encode())
    except Failed as failure:
        words.tell(failure.diagnostics, form)
        return 2
    if form == "json":
        facts = {"output": output, "bytes": len(content), "spec_digest": side.source.digest}
        words.tell(side.warnings, "json", report=facts)
        return 0
    words.tell(side.warnings, "text")
    if output == "-":
        click.echo(content, nl=False)
    else:
        click.echo(f"{output}: {len(content) / 1024:.0f} KiB, nothing else is needed to read it")
    return 0


def _write(path: str, content: bytes, mark: bytes) -> None:
    """Put the page there at once or not at all. Raises Failed with E350."""
    folder = os.path.dirname(os.path.abspath(path))
    try:
        if os.path.lexists(path) and not _ours(path, mark):
            message, help = f"{path} exists and is no report", "name another file with `--output`, or remove that one"
            raise Failed([diagnose("E350", message, path=path, help=help)])
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".report-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}"
        raise Failed([diagnose("E350", message, path=path, help="name another file with `--output`")]) from None


def _ours(path: str, mark: bytes) -> bool:
    if not os.path.isfile(path) or os.path.islink(path):
        return False
    with open(path, "rb") as stream:
        return stream.read(len(mark)) == mark
