"""Diagnostics as text, JSON, GitHub annotations or SARIF 2.1.0."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mlopsgen.diagnostics.model import Diagnostic, Severity, Span
from mlopsgen.diagnostics.secrets import redacted

FORMATS = ("text", "json", "github", "sarif")
WIDEST = 160

Style = Callable[[str, str], str]


def plain(text: str, style: str) -> str:
    """No colour."""
    return text


def text(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str], style: Style = plain) -> str:
    """For people: place, message, the source line with a caret, help, the other places.

    Args:
        diagnostics: in the order in which they are shown.
        sources: text of the files that spans point into, by name.
        style: gives a piece of text a look, one of `error`, `warning`, `bold`, `dim`, `help`.
    """
    lines = _Lines(sources)
    return "\n".join(_block(d, lines, style) for d in diagnostics)


class _Lines:
    """Lines of the sources as they can be shown; each is made once, however many findings it has."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._split: dict[str, list[str]] = {}
        self._shown: dict[tuple[str, int], str] = {}

    def line(self, file: str, number: int) -> str | None:
        """The line, printable and without credentials; None when there is none."""
        if file not in self._split:
            text = self._sources.get(file, "")
            self._split[file] = text.split("\n") if text else []
        if number > len(self._split[file]):
            return None
        if (file, number) not in self._shown:
            row = redacted(self._split[file][number - 1])
            self._shown[file, number] = "".join(c if c.isprintable() else " " for c in row)
        return self._shown[file, number]


def _block(d: Diagnostic, sources: _Lines, style: Style) -> str:
    place = f"{utf8(d.span.file)}:{d.span.line}:{d.span.column}: " if d.span else ""
    head = style(place, "bold") + style(f"{d.severity.value} {d.code}", d.severity.value) + f": {d.message}"
    lines = [head]
    if d.span is not None:
        lines += _excerpt(d.span, sources, style, "^", d.severity.value)
    if d.help:
        lines.append("  " + style("help:", "help") + f" {d.help}")
    for label, span in d.related:
        lines.append("  " + style(f"{label}:", "help") + f" {utf8(span.file)}:{span.line}:{span.column}")
        lines += _excerpt(span, sources, style, "-", "dim")
    return "\n".join(lines) + "\n"


def _excerpt(span: Span, sources: _Lines, style: Style, mark: str, look: str) -> list[str]:
    row = sources.line(span.file, span.line)
    if row is None:
        return []
    start = span.column - 1
    end = span.end_column - 1 if span.end_line == span.line else len(row.rstrip())
    cut = max(0, start - WIDEST // 2) if len(row) > WIDEST else 0
    shown = ("…" if cut else "") + row[cut : cut + WIDEST] + ("…" if len(row) > cut + WIDEST else "")
    column = start - cut + (1 if cut else 0)
    number = str(span.line)
    gutter = " " * len(number)
    blank = " " * cells(shown[:column])
    marks = mark * max(1, cells(shown[column : column + max(1, end - start)]))
    return [f"  {style(number + ' |', 'dim')} {shown}", f"  {style(gutter + ' |', 'dim')} {blank}{style(marks, look)}"]


def cells(text: str) -> int:
    """How many columns of a terminal the text takes: two for a wide character, none for one that combines."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(0 if category(c) in ("Mn", "Me") else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def as_json(diagnostics: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """For machines: code, severity, message, path, file, line, column, help; and `related` where there is any."""
    rows = []
    for d in diagnostics:
        row: dict[str, Any] = {
            "code": d.code,
            "severity": d.severity.value,
            "message": d.message,
            "path": utf8(d.path),
            "file": utf8(d.span.file) if d.span else None,
            "line": d.span.line if d.span else None,
            "column": d.span.column if d.span else None,
            "help": d.help,
        }
        if d.related:
            row["related"] = [
                {"label": label, "file": utf8(span.file), "line": span.line, "column": span.column}
                for label, span in d.related
            ]
        rows.append(row)
    return rows


def utf8(name: str) -> str:
    """A file name as it can be printed: bytes of it that are not UTF-8 are escaped."""
    return name.encode("utf-8", "backslashreplace").decode()


def github(diagnostics: Iterable[Diagnostic]) -> str:
    """Workflow commands that GitHub shows as annotations on the lines of the spec."""
    rows = []
    for d in diagnostics:
        place = ""
        if d.span is not None:
            span = d.span
            place = f"file={_property(utf8(span.file))},line={span.line},col={span.column},endLine={span.end_line},"
            if span.end_line == span.line:
                place += f"endColumn={span.end_column},"
        body = d.message + (f"\n{d.help}" if d.help else "")
        rows.append(f"::{d.severity.value} {place}title={_property(d.code)}::{_data(body)}")
    return "\n".join(rows) + ("\n" if rows else "")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def sarif(diagnostics: Sequence[Diagnostic], version: str) -> str:
    """A SARIF 2.1.0 log, for code scanning."""
    from mlopsgen.diagnostics.catalogue import CODES

    used = sorted({d.code for d in diagnostics})
    rules = [
        {
            "id": code,
            "name": CODES[code].title.title().replace(" ", "") if code in CODES else code,
            "shortDescription": {"text": CODES[code].title if code in CODES else code},
            "help": {"text": CODES[code].fix if code in CODES else ""},
        }
        for code in used
    ]
    results = [
        {
            "ruleId": d.code,
            "ruleIndex": used.index(d.code),
            "level": "error" if d.severity is Severity.ERROR else "warning",
            "message": {"text": d.message + (f". {d.help}" if d.help else "")},
            "locations": [_location(d.span)] if d.span else [],
            "relatedLocations": [{"message": {"text": label}, **_location(span)} for label, span in d.related],
        }
        for d in diagnostics
    ]
    driver = {"name": "mlopsgen", "version": version, "rules": rules}
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _location(span: Span) -> dict[str, Any]:
    from urllib.parse import quote

    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
    uri = quote(os.fsencode(span.file.replace(os.sep, "/")))
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
