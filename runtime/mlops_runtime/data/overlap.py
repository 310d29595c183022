"""Leakage between the parts: what stands in validation and, the same or nearly, in training."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlops_runtime.data import columns as known
from mlops_runtime.data.progress import progress
from mlops_runtime.data.records import json_fault
from mlops_runtime.data.sketch import Sketches, near
from mlops_runtime.errors import Mistaken

KINDS = {"prompt": "same prompt", "near_duplicate": "near-duplicate", "group": "same group"}
"""Ways in which a record of validation can be known from training."""


class Overlap(NamedTuple):
    """What was found.

    Attributes:
        lines: by kind, pairs of lines (in validation, in training), in the order of validation; each line of
            validation comes once.
    """

    lines: dict[str, list[tuple[int, int]]]

    def __bool__(self) -> bool:
        return any(self.lines.values())

    @property
    def counts(self) -> dict[str, int]:
        """Records of validation, by kind."""
        return {kind: len(pairs) for kind, pairs in self.lines.items()}


def overlap(train: str, validation: str, columns: known.Columns, group_by: str | None) -> Overlap:
    """Compare two prepared parts; 236 bytes of memory a record.

    Args:
        train: path of the training part, JSON lines.
        validation: path of the validation part.
        columns: of the records.
        group_by: column that keeps records together; None for the beginning of the prompt.

    Raises:
        Mistaken: a part is not there, or holds something that is no record.
    """
    with _Part(train) as one, _Part(validation) as other:
        sketches = Sketches()
        one.take(columns, group_by, sketches)
        other.take(columns, group_by, sketches)
        found = {
            "prompt": _shared(one.prompts, other.prompts),
            "group": _shared(one.groups, other.groups),
            "near_duplicate": _near(one, other, columns, sketches),
        }
    return Overlap({kind: [(b + 1, a + 1) for b, a in sorted(found[kind].items())] for kind in KINDS})


def _shared(train: array[int], validation: array[int]) -> dict[int, int]:
    """Places in `validation` whose key is in `train` too, and the first place there. The key 0 stands for none."""
    import numpy as np

    one, other = np.frombuffer(train, dtype=np.uint64), np.frombuffer(validation, dtype=np.uint64)
    keys, first = np.unique(one, return_index=True)
    hits = np.flatnonzero(np.isin(other, keys) & (other != 0))
    return dict(zip(hits.tolist(), first[np.searchsorted(keys, other[hits])].tolist(), strict=True))


def _near(one: _Part, other: _Part, columns: known.Columns, sketches: Sketches) -> dict[int, int]:
    border, found = len(one), dict[int, int]()

    def text(index: int) -> str:
        part, place = (one, index) if index < border else (other, index - border)
        return known.written(part.record(place), columns)

    def skip(earlier: int, later: int) -> bool:
        return not earlier < border <= later or later - border in found

    for earlier, later in near(sketches, text, skip):
        found[later - border] = earlier
    return found


class _Part:
    """A part on disk: keys of its records, and where each begins."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.prompts, self.groups, self._offsets = array("Q"), array("Q"), array("Q")

    def __enter__(self) -> _Part:
        try:
            self._stream = open(self.path, "rb")
        except OSError as error:
            raise Mistaken(
                f"{self.path} cannot be read ({error.strerror}): run `dvc repro prepare`, or `dvc pull prepare`"
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __len__(self) -> int:
        return len(self._offsets)

    def take(self, columns: known.Columns, group_by: str | None, sketches: Sketches) -> None:
        """Read the part once."""
        offset = 0
        for line in progress(self._stream, "look for overlap"):
            values = self._parsed(line, len(self) + 1)
            self._offsets.append(offset)
            self.prompts.append(known.prompt_key(values, columns) or 0)
            self.groups.append(known.group_key(values, columns, group_by))
            sketches.add(known.written(values, columns))
            offset += len(line)

    def record(self, index: int) -> Mapping[str, Any]:
        """One record again."""
        self._stream.seek(self._offsets[index])
        return self._parsed(self._stream.readline(), index + 1)

    def _parsed(self, line: bytes, number: int) -> Mapping[str, Any]:
        import orjson

        try:
            values = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            fault = json_fault(error)
            raise Mistaken(f"{self.path}:{number}: this is no JSON ({fault}): run `dvc repro prepare`") from None
        if not isinstance(values, dict):
            raise Mistaken(f"{self.path}:{number}: this is no object: run `dvc repro prepare`")
        return values
