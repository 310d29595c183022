"""Records as tokens in files that are mapped into memory: they may exceed it, and a machine's processes share them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from mlops_runtime.data import records
from mlops_runtime.errors import Mistaken
from mlops_runtime.training.rendering import Rendering

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 1000
"""Records rendered at a time; the tokenizer spreads them over the cores."""


def read(path: str) -> Iterator[dict[str, Any]]:
    """Records of a processed part, with their `id`.

    Raises:
        Mistaken: there is no such file, or a line of it is no record.
    """
    if not os.path.exists(path):
        raise Mistaken(f"there is no {path}: run `dvc repro prepare` first")
    for values, place in records.read(path, "jsonl"):
        if not re.fullmatch("[0-9a-f]{16}", str(values.get("id"))):
            raise Mistaken(f"{place}: the record has no `id`: run `dvc repro prepare` again")
        yield values


class Examples:
    """Encoded records.

    Attributes:
        names: the records' ids as numbers.
        lengths: tokens by record.
        targets: tokens whose loss counts, by record; 1 each for text-classification.
        labels: class by record, -1 where the task has none.
    """

    def __init__(self, folder: str) -> None:
        import numpy as np

        def column(name: str, kind: str) -> NDArray[Any]:
            path = os.path.join(folder, name)
            return np.memmap(path, dtype=kind, mode="r") if os.path.getsize(path) else np.empty(0, kind)

        self.names = column("names", "<u8")
        self.lengths = column("lengths", "<i8")
        self.targets = column("targets", "<i8")
        self.labels = column("labels", "<i8")
        self._ids, self._mask = column("ids", "<i4"), column("mask", "u1")
        self._starts = np.concatenate([[0], np.cumsum(self.lengths)])

    def __len__(self) -> int:
        return len(self.lengths)

    def ids(self, record: int) -> NDArray[np.int32]:
        """Tokens of a record."""
        return self._ids[self._starts[record] : self._starts[record + 1]]

    def mask(self, record: int) -> NDArray[np.uint8]:
        """1 for tokens whose loss counts."""
        return self._mask[self._starts[record] : self._starts[record + 1]]

    def name(self, record: int) -> str:
        """The record's id."""
        return f"{int(self.names[record]):016x}"

    def counts(self, size: int) -> NDArray[np.int64]:
        """How often each token of a vocabulary is a target."""
        import numpy as np

        found = np.zeros(size, np.int64)
        for start in range(0, len(self._ids), 2**24):
            part = slice(start, start + 2**24)
            found += np.bincount(self._ids[part][self._mask[part] == 1], minlength=size)
        return found


def write(
    folder: str,
    given: Iterator[Mapping[str, Any]],
    rendering: Rendering,
    source: str,
) -> int:
    """Encode records into files of `folder`, for `Examples` to map.

    Records without a target, as when the cut leaves only the prompt, are left out.

    Args:
        folder: made here.
        given: records with `id`.
        rendering: of the model.
        source: name of the records for messages.

    Returns:
        Number of records left out.

    Raises:
        Mistaken: no record is left, or one is not what the rendering needs.
    """
    import numpy as np

    os.makedirs(folder, exist_ok=True)
    kinds = {"names": "<u8", "lengths": "<i8", "targets": "<i8", "labels": "<i8", "ids": "<i4", "mask": "u1"}
    files = {name: open(os.path.join(folder, name), "wb") for name in kinds}  # noqa: SIM115
    left_out = kept = 0
    try:
        while chunk := list(islice(given, CHUNK)):
            columns: dict[str, list[int]] = {name: [] for name in kinds}
            for record, row in zip(chunk, rendering.encode(chunk), strict=True):
                targets = sum(end - start for start, end in row.spans) if row.label is None else 1
                if not targets:
                    left_out += 1
                    continue
                kept += 1
                mask = bytearray(len(row.ids))
                for start, end in row.spans:
                    mask[start:end] = b"\1" * (end - start)
                values = (int(record["id"], 16), len(row.ids), targets, -1 if row.label is None else row.label)
                for name, value in zip(("names", "lengths", "targets", "labels"), values, strict=True):
                    columns[name].append(value)
                columns["ids"] += row.ids
                columns["mask"] += mask
            for name, values_ in columns.items():
                np.array(values_, dtype=kinds[name]).tofile(files[name])
    finally:
        for stream in files.values():
            stream.close()
    if not kept:
        raise Mistaken(
            f"{source} leaves nothing to learn from: it is empty, or no answer begins within `train.max_length` tokens"
        )
    return left_out
