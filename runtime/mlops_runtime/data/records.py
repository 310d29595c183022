"""Records of JSON lines, CSV and Parquet, one after the other: memory holds one line or one small batch at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, NamedTuple

from mlops_runtime.data.atomic import written
from mlops_runtime.errors import Mistaken

SUFFIXES = {"jsonl": (".jsonl", ".ndjson"), "csv": (".csv",), "parquet": (".parquet", ".pq")}
"""Endings of file names by format."""

MAX_LINE = 16 * 1024 * 1024
"""Longest line of a text file, in bytes; a longer one is no record."""

BATCH_ROWS = 256
"""Rows of Parquet held at a time."""

_DATA = {suffix for known in SUFFIXES.values() for suffix in known} | {".json", ".tsv", ".gz", ".zst", ".zip", ".arrow"}


class Place(NamedTuple):
    """Where a record stands.

    Attributes:
        file: path as it was opened.
        number: line of a text file on which the record begins, or row of a Parquet file; from 1.
        unit: `line` or `row`.
    """

    file: str
    number: int
    unit: str = "line"

    def __str__(self) -> str:
        return f"{self.file}:{self.number}" if self.unit == "line" else f"{self.file}, {self.unit} {self.number}"


class Record(NamedTuple):
    """One record: its values by column, and its place. CSV has texts only; an empty field is None."""

    values: dict[str, Any]
    place: Place


class Unreadable(NamedTuple):
    """Something that stands where a record should: what is wrong with it, and its place."""

    reason: str
    place: Place


def read(path: str, format: str) -> Iterator[Record]:
    """Records of a file, or of a folder's files in the order of their names.

    Args:
        path: file or folder. In a folder, files whose names begin with `.` or `_` do not count.
        format: `jsonl`, `csv` or `parquet`.

    Raises:
        Mistaken: nothing there, another format, or something that is no record, with file and line.
    """
    for found in scan(path, format):
        if isinstance(found, Unreadable):
            raise Mistaken(f"{found.place}: {found.reason}")
        yield found


def scan(path: str, format: str) -> Iterator[Record | Unreadable]:
    """Like `read`, but what is no record is handed out as `Unreadable` and reading goes on behind it.

    Raises:
        Mistaken: nothing there, a file that cannot be read at all, a folder with no file of the format.
    """
    reader = {"jsonl": _jsonl, "csv": _csv, "parquet": _parquet}[format]
    for file in files(path, format):
        try:
            yield from reader(file)
        except OSError as error:
            raise Mistaken(f"{file} cannot be read: {error.strerror or error}") from None


def files(path: str, format: str) -> list[str]:
    """Files that `path` stands for, in the order in which they are read.

    Raises:
        Mistaken: nothing there, no file of the format, or data of another format among them.
    """
    if os.path.isfile(path):
        return [path]
    if not os.path.isdir(path):
        raise Mistaken(f"there is no {path}: fetch it with `dvc pull`, or name the data in `data.raw`")
    wanted, others = [], []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for name in names:
            if name.startswith((".", "_")):
                continue
            suffix = os.path.splitext(name)[1].lower()
            if suffix in SUFFIXES[format]:
                wanted.append(os.path.join(folder, name))
            elif suffix in _DATA:
                others.append(os.path.join(folder, name))
    endings = " or ".join(SUFFIXES[format])
    if others:
        raise Mistaken(f"{min(others)} is no {format} file ({endings}): convert it, move it away, or set `data.format`")
    if not wanted:
        raise Mistaken(f"{path} holds no {format} file ({endings}): put data there, or set `data.format`")
    return sorted(wanted, key=lambda file: os.path.relpath(file, path).replace(os.sep, "/"))


def write_jsonl(path: str, records: Iterable[Mapping[str, Any]]) -> int:
    """Write records as JSON lines, UTF-8, LF; the file appears when it is complete.

    Returns:
        Number of records.

    Raises:
        TypeError: a value that JSON does not have.
    """
    count = 0
    with written(path) as stream:
        for record in records:
            stream.write(line(record))
            count += 1
    return count


def line(record: Mapping[str, Any]) -> bytes:
    """One record as a JSON line."""
    import orjson

    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def _jsonl(path: str) -> Iterator[Record | Unreadable]:
    import orjson

    with open(path, "rb", buffering=1 << 20) as stream:
        number = 0
        while raw := stream.readline(MAX_LINE + 1):
            number += 1
            if number == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            place = Place(path, number)
            if len(raw) > MAX_LINE and not raw.endswith(b"\n"):
                _skip_line(stream)
                yield Unreadable(f"the line is longer than {MAX_LINE >> 20} MiB: is this a file of JSON lines?", place)
                continue
            if not raw.strip():
                continue
            try:
                # With its end, a line that was cut off would seem to hold a control character.
                values = orjson.loads(raw.rstrip(b"\r\n"))
            except orjson.JSONDecodeError as error:
                yield Unreadable(f"this is no JSON: {json_fault(error)}; expected one object on each line", place)
                continue
            if not isinstance(values, dict):
                yield Unreadable(f"this is a {_kind(values)}, no object; expected one object on each line", place)
                continue
            yield Record(values, place)


def _skip_line(stream: IO[bytes]) -> None:
    while (rest := stream.readline(1 << 20)) and not rest.endswith(b"\n"):
        pass


def _csv(path: str) -> Iterator[Record | Unreadable]:
    import csv

    csv.field_size_limit(MAX_LINE)
    with open(path, encoding="utf-8-sig", newline="", errors="surrogateescape") as stream:
        rows = csv.reader(_bounded(stream, path), strict=True)
        header: list[str] = []
        while True:
            place = Place(path, rows.line_num + 1)
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield Unreadable(f"this is no CSV: {_one_line(error)}", place)
                continue
            if row is None:
                break
            if not header:
                header = _header(row, place)
            elif row:
                yield _row(header, row, place)
        if not header:
            raise Mistaken(f"{path} is empty: the first line of a CSV file names the columns")


def _bounded(stream: IO[str], path: str) -> Iterator[str]:
    number = 0
    while text := stream.readline(MAX_LINE + 1):
        number += 1
        if len(text) > MAX_LINE:
            raise Mistaken(f"{Place(path, number)}: the line is longer than {MAX_LINE >> 20} MiB: is this a CSV file?")
        yield text


def _header(row: list[str], place: Place) -> list[str]:
    twice = sorted({name for name in row if row.count(name) > 1})
    if twice:
        raise Mistaken(f"{place}: the column `{twice[0]}` is there twice: name each column once")
    return row


def _row(header: list[str], row: list[str], place: Place) -> Record | Unreadable:
    if len(row) != len(header):
        return Unreadable(
            f"{len(row)} fields, and the header names {len(header)}: quote fields that hold commas", place
        )
    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        return Unreadable("a byte here is not UTF-8: save the file as UTF-8", place)
    return Record({name: value or None for name, value in zip(header, row, strict=True)}, place)


def _parquet(path: str) -> Iterator[Record | Unreadable]:
    import pyarrow as arrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path, memory_map=False, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                for values in batch.to_pylist():
                    number += 1
                    yield Record(values, Place(path, number, "row"))
    except arrow.ArrowException as error:
        raise Mistaken(f"{path}, row {number + 1}: this is no Parquet: {_one_line(error)}") from None


def _kind(value: Any) -> str:
    names = {list: "list", str: "text", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def json_fault(error: Exception) -> str:
    """What orjson says of one line, with the column alone: it counts lines from the beginning of its input."""
    return re.sub(r": line 1 column (\d+) \(char \d+\)$", r" at column \1", _one_line(error))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
