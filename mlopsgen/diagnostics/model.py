"""The types every stage reports with."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from mlopsgen.diagnostics.secrets import redacted


class Severity(StrEnum):
    """How bad a diagnostic is. Only errors stop a build."""

    ERROR = "error"
    WARNING = "warning"


class Span(NamedTuple):
    """A range in a text file. Lines and columns count from 1, the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


class Diagnostic(NamedTuple):
    """One finding.

    Attributes:
        code: a key of `mlopsgen.diagnostics.catalogue.CODES`, such as `E103`.
        severity: taken from the code.
        message: what is wrong, one line, no trailing full stop.
        path: the dotted path in mlops.yaml, or the path of a generated file; may be empty.
        span: where; None when there is no text to point at (a missing file).
        help: what to do; may be empty.
        related: other places that take part, each with a label.
    """

    code: str
    severity: Severity
    message: str
    path: str = ""
    span: Span | None = None
    help: str = ""
    related: tuple[tuple[str, Span], ...] = ()


class Failed(Exception):
    """The user's input is wrong: carries at least one error diagnostic. Exit code 2."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("; ".join(f"{d.code} {d.message}" for d in self.diagnostics))


def diagnose(
    code: str,
    message: str,
    *,
    path: str = "",
    span: Span | None = None,
    help: str = "",
    related: tuple[tuple[str, Span], ...] = (),
) -> Diagnostic:
    """Make a diagnostic; its severity follows from the code's first letter (`E` or `W`).

    Message and help may quote the user's text: line ends and control characters in them are escaped.
    """
    severity = Severity.WARNING if code.startswith("W") else Severity.ERROR
    return Diagnostic(code, severity, one_line(redacted(message)), path, span, one_line(redacted(help)), related)


def one_line(text: str) -> str:
    """The text with everything that is not printable escaped, as in `\\n` and `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sort by file and position and drop repeats; findings without a place come first."""

    def key(d: Diagnostic) -> tuple[str, int, int, str, str]:
        span = d.span
        return (span.file if span else "", span.line if span else 0, span.column if span else 0, d.code, d.message)

    seen: set[tuple[str, Span | None, str]] = set()
    result = []
    for item in sorted(diagnostics, key=key):
        identity = (item.code, item.span, item.message)
        if identity not in seen:
            seen.add(identity)
            result.append(item)
    return result
