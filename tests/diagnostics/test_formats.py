"""Diagnostics as text, JSON, GitHub annotations and SARIF."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from mlopsgen.diagnostics import Diagnostic, Severity, Span, diagnose, report
from mlopsgen.diagnostics.model import in_order

SPEC = (
    """\
version: 1
project: {name: My_Project}
data: {raw: data/raw}
model: {base: acme/tiny}
x-日本語: {説明: [寿司, 天ぷら], kind: 1}
x-tab:	{a:	1}
x-emoji: [🎉🎉, "café", cafe\u0301, x]
x-long: """
    + "["
    + ", ".join(f"entry{n:03}" for n in range(60))
    + "]\n"
)

FILE = "mlops.yaml"


def span(line: int, text: str, *, part: str | None = None) -> Span:
    """Place of `text` in a line of the spec."""
    column = SPEC.split("\n")[line - 1].index(text) + 1
    return Span(FILE, line, column, line, column + len(part or text))


def shown(*diagnostics: Diagnostic) -> str:
    return report.text(diagnostics, {FILE: SPEC})


def test_text_shows_the_line_and_a_caret(snapshot: SnapshotAssertion) -> None:
    found = diagnose("E110", '"My_Project" is not a DNS label', span=span(2, "My_Project"), help="lower-case letters")
    assert shown(found) == snapshot


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (5, "寿司"),
        (5, "kind"),
        (6, "{a:"),
        (6, "1"),
        (7, "🎉🎉"),
        (7, '"café"'),
        (7, "x]"),
        (8, "entry000"),
        (8, "entry030"),
        (8, "entry059"),
    ],
)
def test_a_caret_stands_below_what_it_means(line: int, text: str, snapshot: SnapshotAssertion) -> None:
    told = shown(diagnose("W221", "here", span=span(line, text)))
    row, marks = told.split("\n")[1:3]
    row, marks = row.expandtabs(1), marks.expandtabs(1)
    before = row[: row.index(text.replace("\t", " "))]
    assert marks.index("^") == report.cells(before)
    assert marks.count("^") == report.cells(text)
    assert told == snapshot


def test_no_line_is_wider_than_a_screen_is_long() -> None:
    told = shown(diagnose("W221", "here", span=span(8, "entry030")))
    assert max(len(row) for row in told.split("\n")) < 180


def test_text_shows_both_places(snapshot: SnapshotAssertion) -> None:
    found = diagnose(
        "E120",
        "both are given",
        span=span(4, "base"),
        related=(("the other", span(3, "raw")), ("and", span(5, "kind"))),
    )
    assert shown(found) == snapshot


def test_text_of_several_at_once_is_sorted_by_place(snapshot: SnapshotAssertion) -> None:
    found = [
        diagnose("W221", "second in its line", span=span(3, "data/raw")),
        diagnose("E101", "first in its line", span=span(3, "raw")),
        diagnose("E110", "first of all", span=span(2, "My_Project")),
        diagnose("E309", "nowhere in a file"),
        diagnose("E101", "first in its line", span=span(3, "raw")),
    ]
    assert [d.message for d in in_order(found)] == [
        "nowhere in a file",
        "first of all",
        "first in its line",
        "second in its line",
    ]
    assert shown(*in_order(found)) == snapshot


def test_a_span_over_lines_is_marked_to_the_end_of_its_first() -> None:
    told = shown(diagnose("E101", "here", span=Span(FILE, 2, 10, 4, 3)))
    assert told.split("\n")[2] == "    |          " + "^" * len("{name: My_Project}")


@pytest.mark.parametrize("where", [Span("gone.yaml", 1, 1, 1, 2), Span(FILE, 99, 1, 99, 2), Span(FILE, 1, 99, 1, 100)])
def test_a_place_that_is_not_in_the_text_is_named_all_the_same(where: Span) -> None:
    told = shown(diagnose("E101", "here", span=where))
    assert told.startswith(f"{where.file}:{where.line}:{where.column}: error E101: here\n")


def test_looks_are_put_around_what_they_mean() -> None:
    found = diagnose("E101", "here", span=span(2, "name"), help="that")
    told = report.text([found], {FILE: SPEC}, lambda text, style: f"<{style}>{text}</{style}>")
    assert "<bold>mlops.yaml:2:11: </bold><error>error E101</error>: here" in told
    assert "<error>^^^^</error>" in told
    assert "<help>help:</help> that" in told


def test_json_has_the_agreed_keys() -> None:
    whole = diagnose(
        "E120", "both", path="model.base", span=span(4, "base"), help="drop one", related=(("a", span(3, "raw")),)
    )
    bare = diagnose("W301", "stays", path="dvc.yaml")
    assert report.as_json([whole, bare]) == [
        {
            "code": "E120",
            "severity": "error",
            "message": "both",
            "path": "model.base",
            "file": "mlops.yaml",
            "line": 4,
            "column": 9,
            "help": "drop one",
            "related": [{"label": "a", "file": "mlops.yaml", "line": 3, "column": 8}],
        },
        {
            "code": "W301",
            "severity": "warning",
            "message": "stays",
            "path": "dvc.yaml",
            "file": None,
            "line": None,
            "column": None,
            "help": "",
        },
    ]
    assert list(report.as_json([bare])[0]) == ["code", "severity", "message", "path", "file", "line", "column", "help"]


def test_github_annotations_escape_what_would_end_them() -> None:
    place = Span("100%:a,b.yaml", 3, 5, 3, 9)
    found = Diagnostic("E101", Severity.ERROR, "50% of\r\nthis: a, b", span=place, help="do: that")
    assert report.github([found]) == (
        "::error file=100%25%3Aa%2Cb.yaml,line=3,col=5,endLine=3,endColumn=9,title=E101::"
        "50%25 of%0D%0Athis: a, b%0Ado: that\n"
    )


def test_github_annotations_without_a_place_or_of_several_lines() -> None:
    assert report.github([]) == ""
    assert report.github([diagnose("W301", "stays")]) == "::warning title=W301::stays\n"
    told = report.github([diagnose("E101", "here", span=Span(FILE, 2, 10, 4, 3))])
    assert told == "::error file=mlops.yaml,line=2,col=10,endLine=4,title=E101::here\n"


@given(st.text(), st.text())
def test_an_annotation_is_one_line_and_is_read_back_as_it_was_meant(name: str, message: str) -> None:
    found = Diagnostic("E101", Severity.ERROR, message, span=Span(name, 1, 1, 1, 2))
    told = report.github([found])
    assert told.count("\n") == 1
    assert "\r" not in told
    head, _, body = told[:-1].removeprefix("::error ").partition("::")
    properties = dict(item.split("=", 1) for item in head.split(","))
    assert _unescaped(properties["file"]) == name.encode("utf-8", "backslashreplace").decode()
    assert _unescaped(body) == message


def _unescaped(text: str) -> str:
    for code, character in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(code, character)
    return text


def sarif(*diagnostics: Diagnostic) -> dict[str, Any]:
    return json.loads(report.sarif(diagnostics, "1.2.3"))


def judge_sarif(log: dict[str, Any]) -> None:
    """What the schema of SARIF 2.1.0 requires of the parts that we write."""
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    for run in log["runs"]:
        driver = run["tool"]["driver"]
        assert driver["name"]
        assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
        ids = [rule["id"] for rule in driver["rules"]]
        assert len(set(ids)) == len(ids)
        for rule in driver["rules"]:
            assert set(rule) == {"id", "name", "shortDescription", "help"}
            assert isinstance(rule["shortDescription"]["text"], str)
            assert re.fullmatch(r"\w+", rule["name"])
        for result in run["results"]:
            assert set(result) <= {"ruleId", "ruleIndex", "level", "message", "locations", "relatedLocations"}
            assert ids[result["ruleIndex"]] == result["ruleId"]
            assert result["level"] in ("none", "note", "warning", "error")
            assert result["message"]["text"]
            for location in result["locations"] + result["relatedLocations"]:
                _judge_location(location["physicalLocation"])


def _judge_location(physical: dict[str, Any]) -> None:
    uri = physical["artifactLocation"]["uri"]
    assert re.fullmatch(r"[!-~]*", uri)
    assert not urlsplit(uri).scheme
    assert not urlsplit(uri).fragment
    region = physical["region"]
    assert set(region) == {"startLine", "startColumn", "endLine", "endColumn"}
    assert all(isinstance(number, int) and number >= 1 for number in region.values())
    assert (region["startLine"], region["startColumn"]) <= (region["endLine"], region["endColumn"])


def test_sarif_is_shaped_as_its_standard_asks(snapshot: SnapshotAssertion) -> None:
    log = sarif(
        diagnose("E120", "both", span=span(4, "base"), help="drop one", related=(("the other", span(3, "raw")),)),
        diagnose("W301", "stays"),
        diagnose("E120", "again", span=span(4, "acme")),
    )
    judge_sarif(log)
    assert log == snapshot


def test_sarif_of_nothing() -> None:
    log = sarif()
    judge_sarif(log)
    assert log["runs"][0]["results"] == []


@pytest.mark.parametrize("name", ["a b.yaml", "50%#1?.yaml", "ümlaut/日本.yaml", "c:d.yaml", "\udcff.yaml"])
def test_sarif_names_files_by_uri(name: str) -> None:
    log = sarif(diagnose("E101", "here", span=Span(name, 1, 1, 1, 2)))
    judge_sarif(log)
    uri = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert unquote(uri, errors="surrogateescape") == name


@given(st.text(st.characters(), max_size=50))
def test_a_message_is_one_printable_line_whatever_it_quotes(text: str) -> None:
    found = diagnose("E101", text, help=text)
    assert found.message.isprintable()
    assert found.help.isprintable()
    assert found.message.isascii() == text.isascii() or not text.isprintable()
    if text.isprintable():
        assert found.message == text
