"""Level `data`: the prepared parts keep the contract of `data` in params.yaml. Records are streamed."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from mlops_runtime.testing.verdict import fail

if TYPE_CHECKING:
    from mlops_runtime.data.expectations import Check
    from mlops_runtime.data.tally import Tally

pytestmark = pytest.mark.data

CHUNK = 10_000
"""Records judged at a time."""

NAMED = 10
"""Records named of a fault."""


class Judged(NamedTuple):
    """Both parts after one pass: counts, row checks, and ids by part."""

    tally: Tally
    checks: list[Check]
    ids: dict[str, array[int]]

    def hold(self, *kinds: str) -> None:
        """Fail on row checks of some kinds."""
        failed = [check for check in self.checks if check.name.rpartition(".")[2] in kinds and not check.passed]
        if failed:
            places = [f"{place}: {check.name}, {check.expected}" for check in failed for place in check.places]
            names = ", ".join(f"`{check.name}`" for check in failed)
            fail(names, expected=failed[0].expected, found=failed[0].observed, at=places[:NAMED])


@pytest.fixture(scope="module")
def judged(spec: Mapping[str, Any], parts: Mapping[str, str]) -> Judged:
    """What one pass over both parts finds."""
    from mlops_runtime.data.expectations import Engine, RowChecks
    from mlops_runtime.data.records import Unreadable, scan
    from mlops_runtime.data.tally import Tally

    data = spec["data"]
    tally = Tally(data["columns"], (data.get("duplicates") or {}).get("columns"), textual=False)
    rows = RowChecks(Engine(), data["columns"], textual=False)
    ids = {name: array("Q") for name in parts}
    for name, path in parts.items():
        found = scan(path, "jsonl")
        while chunk := list(islice(found, CHUNK)):
            good = []
            for each in chunk:
                if isinstance(each, Unreadable):
                    tally.skip(each)
                    continue
                tally.take(each.values, each.place)
                good.append((each.values, str(each.place)))
                ids[name].append(_number(each.values.get("id")))
            if good:
                rows.take(good)
    return Judged(tally, rows.results(set(data["columns"])), ids)


def _number(id: object) -> int:
    try:
        return int(str(id), 16) % 2**64
    except ValueError:
        return 0


def test_lines_are_records(judged: Judged) -> None:
    """Each line of the prepared parts is a JSON object."""
    if judged.tally.unreadable:
        found = f"{judged.tally.unreadable} that are none"
        fail("lines", expected="one JSON object each", found=found, at=judged.tally.reasons)


def test_required_columns_are_filled(judged: Judged) -> None:
    """No nulls in required columns, no blanks where the spec allows none, values of the column's type."""
    judged.hold("null", "blank", "type")


def test_lengths_and_ranges(judged: Judged) -> None:
    """Texts and numbers keep the bounds of their columns."""
    judged.hold("length", "range")


def test_few_duplicates(judged: Judged, spec: Mapping[str, Any]) -> None:
    """Records that repeat another are fewer than `data.duplicates.max`."""
    limit = spec["data"].get("duplicates")
    if limit is None:
        pytest.skip("`data.duplicates` sets no limit")
    count, places = judged.tally.repeats()
    share = count / max(1, judged.tally.rows)
    if share > limit["max"]:
        found = f"{share:.2%} ({count} of {judged.tally.rows} records)"
        fail("duplicates", expected=f"at most {limit['max']:.2%}", found=found, at=places)


def test_classes_are_balanced(judged: Judged, spec: Mapping[str, Any]) -> None:
    """The largest class is at most `max_imbalance` times the smallest one."""
    if not judged.tally.classes:
        pytest.skip("no column sets `max_imbalance`")
    for name in judged.tally.classes:
        limit = spec["data"]["columns"][name]["max_imbalance"]
        ratio, words, places = judged.tally.imbalance(name)
        if ratio > limit:
            fail(f"classes of `{name}`", expected=f"at most {limit:g} to 1", found=f"{words} to 1", at=places)


def test_parts_share_no_record(judged: Judged, parts: Mapping[str, str]) -> None:
    """No id of the validation part stands in the training part."""
    import numpy as np

    train, validation = (np.frombuffer(judged.ids[name], dtype=np.uint64) for name in ("train", "validation"))
    shared = np.flatnonzero(np.isin(validation, train))
    if len(shared):
        found = f"{len(shared)} in both"
        fail("ids of the parts", expected="none in both", found=found, at=_named(validation[shared], parts))


def _named(ids: Iterable[int], parts: Mapping[str, str]) -> list[str]:
    return [f"{parts['validation']} and {parts['train']}, id {int(id):016x}" for id in list(ids)[:NAMED]]
