"""Readers: every format gives back what was written, and says where something is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlops_runtime.data import records
from mlops_runtime.data.records import Place, Unreadable, read, scan, write_jsonl
from mlops_runtime.errors import Mistaken

NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
RECORDS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=8)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def values(path: Path, format: str = "jsonl") -> list[Any]:
    return [record.values for record in read(str(path), format)]


@MANY
@given(RECORDS)
def test_json_lines_come_back(tmp_path: Path, given: list[dict[str, Any]]) -> None:
    path = tmp_path / "a.jsonl"
    assert write_jsonl(str(path), given) == len(given)
    assert values(path) == given
    assert path.read_bytes().count(b"\n") == len(given)


@MANY
@given(RECORDS, st.booleans(), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_whatever_wrote_the_json_lines(
    tmp_path: Path, given: list[dict[str, Any]], mark: bool, end: str, escaped: bool
) -> None:
    text = end.join(json.dumps(each, ensure_ascii=escaped) for each in given)
    path = tmp_path / "a.jsonl"
    path.write_bytes((b"\xef\xbb\xbf" if mark else b"") + text.encode())
    assert values(path) == given


CELLS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=20)


@MANY
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_csv_comes_back(tmp_path: Path, rows: list[tuple[str, str]], mark: bool, end: str) -> None:
    import csv

    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8-sig" if mark else "utf-8", newline="") as stream:
        csv.writer(stream, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([("prompt", "response"), *rows])
    assert [tuple(each.values()) for each in values(path, "csv")] == rows


@MANY
@given(st.lists(st.dictionaries(st.sampled_from(["a", "b"]), st.none() | CELLS, min_size=2), min_size=1, max_size=600))
def test_parquet_comes_back(tmp_path: Path, given: list[dict[str, Any]]) -> None:
    import pyarrow as arrow
    import pyarrow.parquet

    schema = arrow.schema([("a", arrow.string()), ("b", arrow.string())])
    pyarrow.parquet.write_table(arrow.Table.from_pylist(given, schema=schema), tmp_path / "a.parquet")
    found = list(read(str(tmp_path / "a.parquet"), "parquet"))
    assert [record.values for record in found] == given
    assert [record.place.number for record in found] == list(range(1, len(given) + 1))
    assert str(found[0].place).endswith("a.parquet, row 1")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "no JSON"),
        (b'{"a": "cut', "no JSON: unexpected end of data"),
        (b'{"a": "cut\r', "no JSON: unexpected end of data"),
        (b'{"a": 1} x', "no JSON.* at column"),
        (b'{"a": NaN}', "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 5000, "no JSON"),
        (b"[1]", "a list, no object"),
        (b"null", "a null, no object"),
        (b"3", "a number, no object"),
        (b'"a"', "a text, no object"),
    ],
)
def test_a_line_that_is_no_record_is_named(line: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n\n' + line + b'\n{"a": 2}\n')
    with pytest.raises(Mistaken, match=rf"a\.jsonl:3: .*{reason}"):
        values(path)
    first, wrong, last = scan(str(path), "jsonl")
    assert isinstance(wrong, Unreadable)
    assert wrong.place == Place(str(path), 3)
    assert not isinstance(last, Unreadable)
    assert (first.place.number, last.place.number, last.values) == (1, 4, {"a": 2})


@pytest.mark.parametrize("end", [b"", b'\n{"a": 2}\n'])
def test_a_huge_line_is_refused_without_being_held(end: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tracemalloc

    monkeypatch.setattr(records, "MAX_LINE", 1 << 20)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": "' + b"x" * (40 << 20) + b'"}' + end)
    tracemalloc.start()
    with pytest.raises(Mistaken, match=r"a\.jsonl:1: the line is longer than 1 MiB"):
        values(path)
    found = list(scan(str(path), "jsonl"))
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    assert [type(each).__name__ for each in found] == ["Unreadable", *(["Record"] if end else [])]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,b\n1,2\n3\n", "a.csv:3: 1 fields, and the header names 2"),
        ("a,b\n1,2,3\n", "a.csv:2: 3 fields"),
        ('a,b\n"1"x,2\n', "a.csv:2: this is no CSV"),
        ("a,a\n1,2\n", "a.csv:1: the column `a` is there twice"),
        ("", "a.csv is empty"),
        ("a\n\udcff\n", "a.csv:2: a byte here is not UTF-8"),
    ],
)
def test_csv_that_is_none(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(Mistaken, match=reason):
        values(path, "csv")


def test_csv_lines_count_inside_of_quotes_and_empty_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a,b\n"x\ny",\nz,w\n')
    first, second = read(str(path), "csv")
    assert (first.values, first.place.number) == ({"a": "x\ny", "b": None}, 2)
    assert second.place.number == 4


def test_a_huge_csv_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_LINE", 1000)
    (tmp_path / "a.csv").write_text("a\n" + "x" * 2000 + "\n")
    with pytest.raises(Mistaken, match=r"a\.csv:2: the line is longer"):
        values(tmp_path / "a.csv", "csv")


def test_parquet_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(Mistaken, match=r"a\.parquet, row 1: this is no Parquet"):
        values(tmp_path / "a.parquet", "parquet")


def test_a_folder_is_its_files_in_order(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a/z.jsonl", "a.jsonl", "a/b.ndjson", ".c.jsonl", "_d.jsonl", ".x/e.jsonl", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps({"n": name}))
    assert [each["n"] for each in values(tmp_path)] == ["a.jsonl", "a/b.ndjson", "a/z.jsonl", "b.jsonl"]


def test_a_folder_without_such_files(tmp_path: Path) -> None:
    with pytest.raises(Mistaken, match=r"there is no .*nowhere: fetch it with `dvc pull`"):
        values(tmp_path / "nowhere")
    with pytest.raises(Mistaken, match="holds no jsonl file"):
        values(tmp_path)
    (tmp_path / "a.jsonl").write_text("{}")
    (tmp_path / "b.csv").write_text("a\n")
    with pytest.raises(Mistaken, match=r"b\.csv is no jsonl file"):
        values(tmp_path)


def test_what_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_jsonl(str(path), [{"a": 1}])

    def half() -> Any:
        yield {"a": 2}
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_jsonl(str(path), half())
    assert values(path) == [{"a": 1}]
    assert [each.name for each in tmp_path.iterdir()] == ["a.jsonl"]
