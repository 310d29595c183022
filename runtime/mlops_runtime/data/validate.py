"""`mlops-runtime validate`: raw records and prepared parts against the contract of `data`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import click

from mlops_runtime import parameters
from mlops_runtime.data import columns as known
from mlops_runtime.data import validation_page
from mlops_runtime.data.atomic import write, write_json
from mlops_runtime.data.expectations import NAMED, Check, Engine, RowChecks, between, said
from mlops_runtime.data.overlap import KINDS, Overlap, overlap
from mlops_runtime.data.progress import progress
from mlops_runtime.data.records import Unreadable, scan
from mlops_runtime.data.tally import Tally
from mlops_runtime.terminal import table
from mlopsgen.contract import files

CHUNK_ROWS = 20_000
CHUNK_CHARACTERS = 16 * 1024 * 1024
"""A chunk ends at whichever comes first."""


def validate() -> int:
    """Judge the data of the project in the working directory; write both reports and print a table.

    Returns:
        0, or 1 when a check fails.

    Raises:
        Mistaken: no data at all.
    """
    data = parameters.read("data")["data"]
    columns = known.checked(data["columns"])
    textual = known.textual(data["format"])
    tally = Tally(columns, (data.get("duplicates") or {}).get("columns"), textual=textual)
    engine = Engine()
    rows = RowChecks(engine, columns, textual=textual)
    for chunk in _chunks(data, tally):
        rows.take(chunk)
    leaks = _overlap(data, columns)
    checks = [*_whole(engine, data, tally, leaks), *rows.results(tally.seen)]
    write_json(files.DATA_VALIDATION, _report(tally, checks))
    write(files.DATA_VALIDATION_PAGE, validation_page.page(data, tally, checks).encode())
    _say(tally, checks, leaks)
    return int(any(not check.passed for check in checks))


def _chunks(data: Mapping[str, Any], tally: Tally) -> Iterator[list[tuple[Mapping[str, Any], str]]]:
    """Records in chunks, each with its place; all of them counted."""
    chunk: list[tuple[Mapping[str, Any], str]] = []
    size = 0
    for found in progress(scan(data["raw"], data["format"]), "validate"):
        if isinstance(found, Unreadable):
            tally.skip(found)
            continue
        tally.take(found.values, found.place)
        wanted = {name: found.values[name] for name in data["columns"] if name in found.values}
        chunk.append((wanted, str(found.place)))
        size += sum(len(value) if isinstance(value, str) else 1000 for value in wanted.values())
        if len(chunk) >= CHUNK_ROWS or size >= CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _overlap(data: Mapping[str, Any], columns: known.Columns) -> Overlap | None:
    """Overlap of the prepared parts; None where they are not both there."""
    if not (os.path.exists(files.TRAIN) and os.path.exists(files.VALIDATION)):
        return None
    return overlap(files.TRAIN, files.VALIDATION, columns, data["split"].get("group_by"))


def _whole(engine: Engine, data: Mapping[str, Any], tally: Tally, leaks: Overlap | None) -> list[Check]:
    """Checks on all rows, judged on a frame of one row, and on one that has the columns seen and no row."""
    import pandas as pd  # type: ignore[import-untyped]

    asked = {"rows": {"min": 1, **(data.get("rows") or {})}, "unreadable": {"max": 0}}
    observed: dict[str, tuple[float, str, tuple[str, ...]]] = {
        "rows": (tally.rows, f"{tally.rows} rows", ()),
        "unreadable": (tally.unreadable, f"{tally.unreadable} lines are no record", tuple(tally.reasons)),
    }
    if data.get("duplicates"):
        count, places = tally.repeats()
        share = count / max(tally.rows, 1)
        asked["duplicates"] = {"max": data["duplicates"]["max"]}
        observed["duplicates"] = (share, f"{share:.2%} ({count} rows) repeat another", tuple(places))
    for name in tally.classes:
        ratio, words, first = tally.imbalance(name)
        asked[f"{name}.imbalance"] = {"max": data["columns"][name]["max_imbalance"]}
        observed[f"{name}.imbalance"] = (ratio, words, tuple(first))
    for kind, count in (leaks.counts if leaks is not None else {}).items():
        pairs = leaks.lines[kind][:NAMED] if leaks is not None else []
        places = [f"{files.VALIDATION}:{one} and {files.TRAIN}:{other}" for one, other in pairs]
        asked[f"overlap.{kind}"] = {"max": 0}
        observed[f"overlap.{kind}"] = (count, f"{count} rows of validation: {KINDS[kind]} in training", tuple(places))
    frame = pd.DataFrame({name: [float(value)] for name, (value, _, _) in observed.items()})
    type = "ExpectColumnValuesToBeBetween"
    wanted = [engine.expectation(type, name, column=name, **between(bounds)) for name, bounds in asked.items()]
    judged = engine.judge(frame, wanted)
    checks = []
    for name, (_, words, where) in observed.items():
        failed = int(not judged[name].success)
        expected = f"at most {asked[name]['max']:.2%}" if name == "duplicates" else said(asked[name])
        checks.append(Check(name, type, expected, words, failed, where if failed else ()))
    return [*checks, *_columns(engine, data["columns"], tally)]


def _columns(engine: Engine, columns: known.Columns, tally: Tally) -> Iterator[Check]:
    import pandas as pd

    required = [name for name, column in columns.items() if column["required"]]
    type = "ExpectColumnToExist"
    wanted = [engine.expectation(type, f"{name}.column", column=name) for name in required]
    judged = engine.judge(pd.DataFrame(columns=sorted(tally.seen)), wanted) if wanted else {}
    seen = ", ".join(sorted(tally.seen)) or "none"
    for name in required:
        found = judged[f"{name}.column"].success
        yield Check(
            f"{name}.column",
            type,
            "in the records",
            "there" if found else f"not there; columns: {seen}",
            int(not found),
        )


def _report(tally: Tally, checks: list[Check]) -> dict[str, Any]:
    return {
        "passed": int(all(check.passed for check in checks)),
        "rows": tally.rows,
        "unreadable": tally.unreadable,
        "checks": len(checks),
        "failed": sum(not check.passed for check in checks),
        **{f"failed.{check.name}": check.failed for check in checks},
        "results": [
            {
                "check": check.name,
                "passed": check.passed,
                "expected": check.expected,
                "observed": check.observed,
                "failed": check.failed,
                "rows": list(check.places),
                "expectation": check.expectation,
            }
            for check in checks
        ],
    }


def _say(tally: Tally, checks: list[Check], leaks: Overlap | None) -> None:
    failed = [check for check in checks if not check.passed]
    ordered = [*failed, *(check for check in checks if check.passed)]
    table(
        ("", "check", "expected", "observed"),
        [("passed" if each.passed else "FAILED", each.name, each.expected, each.observed) for each in ordered],
        ["" if each.passed else "bold red" for each in ordered],
    )
    for check in failed:
        for place in check.places:
            click.echo(f"  {check.name}: {place}")
    if leaks is None:
        click.echo("the prepared parts are not there: no overlap was looked for")
    click.echo(f"{tally.rows} rows, {len(checks)} checks, {len(failed)} failed; see {files.DATA_VALIDATION_PAGE}")
