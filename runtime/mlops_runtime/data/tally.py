"""What is counted while records pass: how many, how often the same, how even the classes, how long the texts.

Sixteen bytes a record are kept (a hash and a place) where duplicates are asked for; all else does not grow with them.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_runtime.data.columns import Columns, digest, fits, text_of, typed
from mlops_runtime.data.expectations import NAMED
from mlops_runtime.data.features import number_bin
from mlops_runtime.data.records import Place, Unreadable

CLASSES = 1000
"""Classes of a column at most; a column with more has none."""


class Tally:
    """Counts over raw records.

    Args:
        columns: the contract.
        duplicates: columns that make two records the same; None when that is not asked.
        textual: the source knows texts only.
    """

    def __init__(self, columns: Columns, duplicates: Sequence[str] | None, *, textual: bool) -> None:
        self._columns, self._duplicates, self._textual = columns, duplicates, textual
        self.rows = 0
        self.unreadable = 0
        self.reasons: list[str] = []
        self.seen: set[str] = set()
        self.lengths: dict[str, Counter[int]] = {
            name: Counter() for name, column in columns.items() if column["type"] in ("text", "messages")
        }
        self.classes: dict[str, Counter[str]] = {
            name: Counter() for name, column in columns.items() if column.get("max_imbalance") is not None
        }
        self._first: dict[str, dict[str, list[str]]] = {name: {} for name in self.classes}
        self._keys, self._files, self._numbers = array("Q"), array("I"), array("I")
        self._names: list[tuple[str, str]] = []

    def skip(self, found: Unreadable) -> None:
        """Count something that is no record."""
        self.unreadable += 1
        if len(self.reasons) < NAMED:
            self.reasons.append(f"{found.place}: {found.reason}")

    def take(self, values: Mapping[str, Any], place: Place) -> None:
        """Count a record."""
        self.rows += 1
        if len(self.seen) < CLASSES:
            self.seen.update(values)
        good = {}
        for name, column in self._columns.items():
            value = values.get(name)
            if value is not None:
                value = typed(value, column["type"], self._textual)
                if fits(value, column["type"]):
                    good[name] = value
        for name, lengths in self.lengths.items():
            if name in good:
                lengths[number_bin(len(text_of(good[name])))] += 1
        for name in self.classes:
            if name in good:
                self._class(name, good[name], place)
        if self._duplicates is not None and any(values.get(name) is not None for name in self._duplicates):
            self._key([good.get(name, values.get(name)) for name in self._duplicates], place)

    def _class(self, name: str, value: str, place: Place) -> None:
        value = str(value)
        known = self._first[name]
        if value not in known and len(known) >= CLASSES:
            value = f"({CLASSES} classes and more)"
        self.classes[name][value] += 1
        places = known.setdefault(value, [])
        if len(places) < NAMED:
            places.append(str(place))

    def _key(self, values: Sequence[Any], place: Place) -> None:
        if not self._names or self._names[-1] != (place.file, place.unit):
            self._names.append((place.file, place.unit))
        self._keys.append(digest(*values))
        self._files.append(len(self._names) - 1)
        self._numbers.append(place.number)

    def repeats(self) -> tuple[int, list[str]]:
        """How many records repeat an earlier one, and where the first of them and what they repeat stand."""
        import numpy as np

        keys = np.frombuffer(self._keys, dtype=np.uint64)
        if not len(keys):
            return 0, []
        order = np.argsort(keys, kind="stable")
        again = order[1:][keys[order[1:]] == keys[order[:-1]]]
        first = np.sort(again)[:NAMED]
        leaders = order[np.searchsorted(keys, keys[first], sorter=order)]
        named = [f"{self._place(one)} repeats {self._place(other)}" for one, other in zip(first, leaders, strict=True)]
        return len(again), named

    def _place(self, index: int) -> Place:
        file, unit = self._names[self._files[index]]
        return Place(file, self._numbers[index], unit)

    def imbalance(self, name: str) -> tuple[float, str, list[str]]:
        """Largest class over smallest of a column, in words, and where the smallest stands; 1 with no class at all."""
        counts = self.classes[name]
        if not counts:
            return 1.0, "no class", []
        most, least = max(counts, key=lambda c: (counts[c], c)), min(counts, key=lambda c: (counts[c], c))
        ratio = counts[most] / counts[least]
        words = f"{ratio:.3g} ({_short(most)}: {counts[most]}, {_short(least)}: {counts[least]})"
        return ratio, words, self._first[name][least]


def _short(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:27]}..."
