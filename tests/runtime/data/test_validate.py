"""`mlops-runtime validate`: each planted fault is found and its rows are named."""

from __future__ import annotations

import json
import random
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from mlops_runtime.data import validate as module
from mlops_runtime.data.validate import validate

from tests.runtime.data.conftest import Folder


def column(kind: str = "text", role: str = "other", **more: Any) -> dict[str, Any]:
    return {"type": kind, "role": role, "required": True, "blank": True} | more


CONTRACT = {
    "rows": {"min": 50, "max": 70},
    "columns": {
        "prompt": column(role="prompt", length={"min": 10, "max": 100}),
        "response": column(role="response", blank=False),
        "category": column("category", "label", required=False, max_imbalance=10),
        "score": column("number", required=False, range={"min": 0, "max": 1}),
        "chat": column("messages", required=False, length={"max": 50}),
    },
    "duplicates": {"columns": ["prompt"], "max": 0.05},
}

FILE = "data/raw/records.jsonl"


def good(count: int = 60) -> list[dict[str, Any]]:
    generator = random.Random(3)
    return [
        {
            "prompt": f"Question {i}: {generator.random()}",
            "response": f"Answer {generator.random()}",
            "category": "ab"[i % 2],
            "score": i / 100,
            "chat": [{"role": "user", "content": "hi"}],
            "more": "is ignored",
        }
        for i in range(count)
    ]


def rows_of(report: Any, check: str) -> list[str]:
    return next(each["rows"] for each in report["results"] if each["check"] == check)


def failed(report: Any) -> set[str]:
    return {each["check"] for each in report["results"] if not each["passed"]}


def plant(index: int, **values: Any) -> Any:
    def change(records: list[dict[str, Any]]) -> None:
        records[index].update(values)

    return change


def without(name: str, index: int) -> Any:
    def change(records: list[dict[str, Any]]) -> None:
        del records[index][name]

    return change


def renamed(records: list[dict[str, Any]]) -> None:
    for record in records:
        record["answer_text"] = record.pop("response")


def repeated(records: list[dict[str, Any]]) -> None:
    for index in (10, 20, 30, 40):
        records[index]["prompt"] = records[5]["prompt"]


def uneven(records: list[dict[str, Any]]) -> None:
    for index, record in enumerate(records):
        record["category"] = "rare" if index == 30 else "a"


def few(records: list[dict[str, Any]]) -> None:
    del records[40:]


def many(records: list[dict[str, Any]]) -> None:
    records += [{**each, "prompt": each["prompt"] + " again"} for each in records[:20]]


FAULTS: list[tuple[str, Any, str, list[str] | None]] = [
    ("null", plant(7, prompt=None), "prompt.null", [f"{FILE}:8"]),
    ("absent", without("prompt", 7), "prompt.null", [f"{FILE}:8"]),
    ("type", plant(8, prompt=12), "prompt.type", [f"{FILE}:9"]),
    ("number", plant(8, score="0.5"), "score.type", [f"{FILE}:9"]),
    ("messages", plant(8, chat=[{"role": "user"}]), "chat.type", [f"{FILE}:9"]),
    ("chat", plant(8, chat=[{"role": "user", "content": "x" * 51}]), "chat.length", [f"{FILE}:9"]),
    ("blank", plant(9, response=" \u00a0\n"), "response.blank", [f"{FILE}:10"]),
    ("short", plant(11, prompt="too short"), "prompt.length", [f"{FILE}:12"]),
    ("long", plant(11, prompt="x" * 101), "prompt.length", [f"{FILE}:12"]),
    ("range", plant(12, score=1.5), "score.range", [f"{FILE}:13"]),
    ("few rows", few, "rows", []),
    ("many rows", many, "rows", []),
    ("duplicates", repeated, "duplicates", [f"{FILE}:{n} repeats {FILE}:6" for n in (11, 21, 31, 41)]),
    ("imbalance", uneven, "category.imbalance", [f"{FILE}:31"]),
    ("wrong column", renamed, "response.column", []),
]


@pytest.mark.parametrize(("change", "check", "rows"), [fault[1:] for fault in FAULTS], ids=[f[0] for f in FAULTS])
def test_each_planted_fault_is_found(
    change: Any, check: str, rows: list[str], folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    records = good()
    change(records)
    folder.parameters(**CONTRACT)
    folder.raw(records)
    assert validate() == 1
    report = folder.report("validation")
    assert failed(report) == {check}
    assert rows_of(report, check) == rows
    assert (report["passed"], report["failed"], report[f"failed.{check}"]) == (0, 1, 1)
    out = capsys.readouterr().out
    assert f"FAILED  {check}" in out
    assert all(row in out for row in rows)


def test_lines_that_are_no_record(folder: Folder) -> None:
    folder.parameters(**CONTRACT)
    lines = [json.dumps(each) for each in good()]
    lines[17:17] = ["{not json}", "[1]"]
    folder.raw("\n".join(lines))
    assert validate() == 1
    report = folder.report("validation")
    assert failed(report) == {"unreadable"}
    first, second = rows_of(report, "unreadable")
    assert first.startswith(f"{FILE}:18: this is no JSON")
    assert second.startswith(f"{FILE}:19: this is a list")


def test_good_data_passes_and_the_numbers_are_flat(folder: Folder) -> None:
    folder.parameters(**CONTRACT)
    folder.raw(good())
    done = folder.run("validate")
    assert (done.returncode, done.stderr) == (0, "")
    assert "60 rows, 17 checks, 0 failed" in done.stdout
    assert "the prepared parts are not there" in done.stdout
    report = folder.report("validation")
    results = report.pop("results")
    assert all(isinstance(value, int) for value in report.values())
    assert {each["expectation"] for each in results} >= {
        "ExpectColumnValuesToNotBeNull",
        "ExpectColumnValueLengthsToBeBetween",
        "ExpectColumnToExist",
        "ExpectColumnValuesToBeBetween",
    }


def test_counts_of_chunks_add_up_and_the_first_rows_are_named(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    records = good()
    for index in range(0, 60, 4):
        records[index]["prompt"] = None
    folder.parameters(**CONTRACT)
    folder.raw(records)
    validate()
    whole = folder.report("validation")
    monkeypatch.setattr(module, "CHUNK_ROWS", 7)
    validate()
    assert folder.report("validation") == whole
    assert whole["failed.prompt.null"] == 15
    assert rows_of(whole, "prompt.null") == [f"{FILE}:{n}" for n in range(1, 38, 4)]


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_other_formats(format: str, folder: Folder) -> None:
    columns = {name: CONTRACT["columns"][name] for name in ("prompt", "response", "score")}  # type: ignore[index]
    folder.parameters(format=format, columns=columns)
    records = [{name: each[name] for name in columns} for each in good(20)]
    records[4]["prompt"] = None
    records[6]["score"] = 7.0
    folder.write("data/raw/.keep", "")
    if format == "csv":
        lines = [",".join("" if v is None else str(v) for v in each.values()) for each in records]
        lines[9] = lines[9].rsplit(",", 1)[0] + ",much"
        folder.raw("\n".join(["prompt,response,score", *lines]), "data/raw/records.csv")
        expected = {"prompt.null": [":6"], "score.range": [":8"], "score.type": [":11"]}
    else:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), folder.path / "data/raw/records.parquet")
        expected = {"prompt.null": [", row 5"], "score.range": [", row 7"]}
    assert validate() == 1
    report = folder.report("validation")
    assert {check: rows_of(report, check) for check in failed(report)} == {
        check: [f"data/raw/records.{format}{where}" for where in places] for check, places in expected.items()
    }


def test_leakage_across_the_parts_is_found(folder: Folder) -> None:
    records = [{"prompt": each["prompt"], "response": each["response"]} for each in good()]
    folder.parameters()
    folder.raw(records)
    folder.raw(records[:50], "data/processed/train.jsonl")
    folder.raw(
        [*records[50:], {**records[8], "response": "Another answer altogether."}], "data/processed/validation.jsonl"
    )
    assert validate() == 1
    report = folder.report("validation")
    assert failed(report) == {"overlap.prompt", "overlap.group"}
    place = "data/processed/validation.jsonl:11 and data/processed/train.jsonl:9"
    assert rows_of(report, "overlap.prompt") == [place]


def test_no_data_at_all(folder: Folder) -> None:
    folder.parameters(**CONTRACT)
    assert "there is no data/raw" in folder.run("validate").stderr
    folder.raw("")
    assert validate() == 1
    assert failed(folder.report("validation")) == {"rows", "prompt.column", "response.column"}


class Page(HTMLParser):
    """Tags, and whatever would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "data", "action")]


def test_the_page_stands_alone_and_shows_what_failed(folder: Folder) -> None:
    records = good()
    records[7]["prompt"] = None
    records[9]["response"] = "<script>alert(1)</script>"
    folder.parameters(**CONTRACT)
    folder.raw(records)
    validate()
    text = Path("reports/data/validation.html").read_text("utf-8")
    page = Page()
    page.feed(text)
    assert page.fetched == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert page.tags.count("svg") == 4
    assert page.tags.count("table") == 2
    assert "1 of 17 checks failed." in text
    assert f"{FILE}:8" in text
    assert "url(" not in text
    assert "@import" not in text
