"""What is counted of records to see drift: a few numbers and classes of each, in fixed bins, and no text.

Bins depend on nothing but `VERSION`, so that counts of different times, machines and processes add up and compare, and
counts can be kept where texts must not be. Each record adds one to one bin of each feature, so that the records of a
window are independent draws, which the tests in `mlops_runtime.data.shift` rely on.
"""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from mlops_runtime.data.atomic import write_json
from mlops_runtime.data.columns import digest, folded, text_of
from mlops_runtime.errors import Mistaken

VERSION = 1
"""Of bins and features; counts of another version compare with nothing."""

FILE = "features.json"
"""Name under which a run keeps the counts of the data that it trained on."""

KINDS: Mapping[str, Literal["number", "class"]] = {
    "length": "number",
    "words": "number",
    "value": "number",
    "category": "class",
    "tokens": "class",
}
"""Features of a column: characters and words of a text, a number, a class, and one word of the text by its hash."""

BY_TYPE: Mapping[str, tuple[str, ...]] = {
    "text": ("length", "words", "tokens"),
    "messages": ("length", "words", "tokens"),
    "number": ("value",),
    "category": ("category",),
    "boolean": ("category",),
}
"""Every feature that a column of a type has."""

TOKEN_BINS = 128
CLASSES = 1000
"""Classes of one feature at most."""

_FRACTION_BITS = 42
"""Bits of a double that a bin leaves out: 10 of the fraction stay, so whole numbers to 2,048 have bins of their own."""


class TooManyClasses(Mistaken):
    """A column of more than `CLASSES` classes."""


class Counts(NamedTuple):
    """Counts of one feature.

    Attributes:
        kind: `number` (bins have an order) or `class`.
        bins: count by bin; bins of numbers are whole numbers in the order of what they hold.
    """

    kind: Literal["number", "class"]
    bins: Counter[Any]

    @property
    def total(self) -> int:
        """Records counted."""
        return self.bins.total()


class Features(NamedTuple):
    """Counts of some records.

    Attributes:
        records: how many records.
        counts: by feature, named `column.feature`.
    """

    records: int
    counts: dict[str, Counts]


def number_bin(value: float) -> int:
    """The bin of a finite number: its double without the last bits, in the order of numbers; within 0.1 %."""
    (bits,) = struct.unpack("<q", struct.pack("<d", value + 0.0))
    cut: int = bits >> _FRACTION_BITS if bits >= 0 else -((bits & 0x7FFFFFFFFFFFFFFF) >> _FRACTION_BITS)
    return cut


def bin_start(bin: int) -> float:
    """The number in a bin that is nearest to zero."""
    (value,) = struct.unpack("<d", struct.pack("<q", abs(bin) << _FRACTION_BITS))
    return math.copysign(value, bin) if bin else 0.0


def measured(value: Any, feature: str) -> Any:
    """The bin into which a value of a column falls, for one feature.

    Args:
        value: a text, a class, a number, a boolean or messages, as prepared records hold them.
        feature: a key of `KINDS`.
    """
    if feature == "value":
        return number_bin(float(value))
    if feature == "category":
        return str(value).lower() if isinstance(value, bool) else str(value)
    text = text_of(value)
    if feature == "length":
        return number_bin(len(text))
    if feature == "words":
        return number_bin(len(text.split()))
    return _token(text)


def _token(text: str) -> str:
    """One word of a text, chosen by the text's hash, as one of `TOKEN_BINS`; `none` for a text without words."""
    words = folded(text).split()
    return str(digest("token", words[digest("place", text) % len(words)]) % TOKEN_BINS) if words else "none"


def counted(records: Iterable[Mapping[str, Any]], features: Mapping[str, Sequence[str]]) -> Features:
    """Count features of prepared records, one after the other; a record without a column adds nothing to it.

    Args:
        records: prepared records.
        features: features by column, as `drift.features` of `params.yaml`.

    Raises:
        Mistaken: a column that does not fit its feature.
        TooManyClasses: more than `CLASSES` classes.
    """
    counts = {
        f"{column}.{name}": Counts(KINDS[name], Counter()) for column, names in features.items() for name in names
    }
    total = 0
    for values in records:
        total += 1
        for column, names in features.items():
            value = values.get(column)
            if value is not None:
                for name in names:
                    _add(counts[f"{column}.{name}"], value, column, name)
    return Features(total, counts)


def _add(counts: Counts, value: Any, column: str, name: str) -> None:
    number = isinstance(value, int | float)
    if (name == "value") != number and name != "category":
        raise Mistaken(f"`data.drift.features`: the column `{column}` has no `{name}`: it holds {_named(value)}")
    bin = measured(value, name)
    if bin not in counts.bins and len(counts.bins) >= CLASSES and name == "category":
        raise TooManyClasses(
            f"`data.drift.features`: the column `{column}` has more than {CLASSES} classes: watch its `length` or "
            "`tokens` instead"
        )
    counts.bins[bin] += 1


def _named(value: Any) -> str:
    return "numbers" if isinstance(value, int | float) else "texts"


def save(path: str, features: Features) -> None:
    """Write counts as JSON; they hold classes and hashes, and no text."""
    counts = {
        name: {"kind": given.kind, "bins": {str(bin): count for bin, count in sorted(given.bins.items())}}
        for name, given in sorted(features.counts.items())
    }
    write_json(path, {"version": VERSION, "records": features.records, "features": counts})


def load(path: str) -> Features:
    """Read counts that `save` wrote.

    Raises:
        Mistaken: not such a file, or of another version.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
        version = content["version"]
        counts = {
            name: Counts(given["kind"], Counter({_bin(given["kind"], bin): n for bin, n in given["bins"].items()}))
            for name, given in content["features"].items()
        }
        records = int(content["records"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Mistaken(f"{path} holds no counts of features ({error}): train the model again") from None
    if version != VERSION:
        raise Mistaken(
            f"{path} holds counts of version {version}, and this is version {VERSION}: train again with this runtime"
        )
    return Features(records, counts)


def _bin(kind: str, bin: str) -> Any:
    return int(bin) if kind == "number" else bin
