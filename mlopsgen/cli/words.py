"""What commands share in talking to people and machines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from mlopsgen.diagnostics import Diagnostic, Severity, report
from mlopsgen.diagnostics.model import in_order
from mlopsgen.version import VERSION

LOOKS: dict[str, dict[str, Any]] = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "bold": {"bold": True},
    "dim": {"dim": True},
    "help": {"fg": "cyan"},
    "good": {"fg": "green"},
}


def formats(*names: str) -> Callable[[Any], Any]:
    """The option `--format`; the first of its values is the default."""
    return click.option(
        "--format", "form", type=click.Choice(names), default=names[0], show_default=True, help="Form of the output."
    )


specs = click.argument("specs", nargs=-1, metavar="[SPEC]...", type=click.Path())
every = click.option(
    "--all", "every", is_flag=True, help="Every spec below the repository's root, or below SPEC, a folder."
)
output_format = click.option(
    "--format",
    "form",
    type=click.Choice(report.FORMATS),
    default="text",
    show_default=True,
    help="How findings are told.",
)
quiet = click.option("-q", "--quiet", is_flag=True, help="Only findings.")
verbose = click.option("-v", "--verbose", is_flag=True, help="Also what did not change.")


def styled(text: str, look: str) -> str:
    """Text with a look; `click.echo` drops it where there is no terminal."""
    return click.style(text, **LOOKS[look])


def tell(diagnostics: Iterable[Diagnostic], form: str, **extra: Any) -> None:
    """Print findings: text on stderr, everything else on stdout.

    Args:
        diagnostics: in any order.
        form: one of `report.FORMATS`.
        extra: further keys of the JSON document.
    """
    found = in_order(diagnostics)
    if form == "json":
        click.echo(json.dumps({"diagnostics": report.as_json(found), **extra}, indent=2, ensure_ascii=False))
    elif form == "github":
        click.echo(report.github(found), nl=False)
    elif form == "sarif":
        click.echo(report.sarif(found, VERSION), nl=False)
    elif found:
        click.echo(report.text(found, _sources(found), styled), err=True)
        click.echo(styled(_count(found), "bold"), err=True)


def _count(found: Sequence[Diagnostic]) -> str:
    errors = sum(d.severity is Severity.ERROR for d in found)
    warnings = len(found) - errors
    parts = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
    return ", ".join(parts)


def _sources(found: Iterable[Diagnostic]) -> dict[str, str]:
    """Text of the files that findings point into, as far as they can be read."""
    from mlopsgen.spec.read import MAX_BYTES

    names = {span.file for d in found for span in (d.span, *(s for _, s in d.related)) if span}
    texts = {}
    for name in names:
        if os.path.isfile(name):
            with open(name, "rb") as stream:
                texts[name] = stream.read(MAX_BYTES).decode(errors="replace").replace("\r\n", "\n").lstrip("\ufeff")
    return texts


def status(text: str) -> None:
    """Put a text on the last line of a terminal, in place of the one before; an empty one makes room."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{text}"[:100], nl=False, err=True)


class Progress:
    """A counter in the status line, for more than a few items."""

    def __init__(self, total: int, few: int = 20) -> None:
        self._total = total
        self._shows = total > few

    def __call__(self, done: int, name: str) -> None:
        """Say which item it is."""
        if self._shows:
            status(f"{done}/{self._total} {name}")

    def clear(self) -> None:
        """Make room for other output."""
        if self._shows:
            status("")
