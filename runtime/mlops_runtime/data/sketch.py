"""Near-duplicates: which texts share most of what they are made of, found without comparing each with each.

A text is the set of its runs of five characters, folded. Texts are near-duplicates when these sets overlap by a Jaccard
similarity of `THRESHOLD` or more. Candidates come from MinHash signatures in bands (LSH: Leskovec, Rajaraman, Ullman,
"Mining of Massive Datasets", ch. 3), and each is then judged on the texts themselves, so that nothing is called a
near-duplicate that is none; of those that are, one in 600 at the threshold itself is missed, fewer above it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from mlops_runtime.data.columns import folded

if TYPE_CHECKING:
    import numpy as np

THRESHOLD = 0.8
"""Jaccard similarity from which two texts are near-duplicates."""

LENGTH = 5
"""Characters of a shingle."""

SLOTS, BANDS, ROWS = 128, 21, 6
"""Slots of a signature, and how many bands of how many slots are compared: 1 - (1 - s^6)^21 is 0.998 at s = 0.8."""

ESTIMATE = 0.7
"""Share of equal slots below which a candidate is not looked at: three standard deviations under the threshold."""

NEIGHBOURS = 64
"""Texts before it in a band's bucket with which a text is compared, so that a large bucket costs no square."""

BYTES = SLOTS + 4 * BANDS
"""Memory per text."""

_SEED = 20_161
_BATCH = 256
_REMEMBERED = 1_000_000
_ODD, _SPREAD = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9


class Sketches:
    """Signatures of texts in the order in which they come, `BYTES` a text."""

    def __init__(self) -> None:
        self._waiting: list[Any] = []
        self._slots: list[Any] = []
        self._bands: list[Any] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, text: str) -> None:
        """Take in one more text."""
        self._waiting.append(shingles(text))
        self._count += 1
        if len(self._waiting) == _BATCH:
            self._flush()

    def _flush(self) -> None:
        import numpy as np
        from rensa import RMinHash  # type: ignore[import-untyped]

        if not self._waiting:
            return
        ends = np.cumsum([0, *map(len, self._waiting)], dtype=np.uint64)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(self._waiting), ends, SLOTS, _SEED)
        rows = np.array(matrix.to_rows(), dtype=np.uint64)
        bands = np.zeros((len(rows), BANDS), dtype=np.uint64)
        for column in range(ROWS):
            bands = (bands * np.uint64(_ODD)) ^ rows[:, column : BANDS * ROWS : ROWS]
        self._bands.append((_mixed(bands) >> np.uint64(32)).astype(np.uint32))
        self._slots.append((rows & np.uint64(0xFF)).astype(np.uint8))
        self._waiting.clear()

    def candidates(self) -> Iterator[tuple[int, int]]:
        """Pairs (earlier, later) that may be near-duplicates, most promising bands first; a pair may come again."""
        import numpy as np

        self._flush()
        if not self._slots:
            return
        self._slots = [np.concatenate(self._slots)]
        slots = self._slots[0]
        for band in range(BANDS):
            keys = np.concatenate([part[:, band] for part in self._bands])
            order = np.argsort(keys, kind="stable")
            sorted_keys = keys[order]
            for distance in range(1, NEIGHBOURS + 1):
                same = np.flatnonzero(sorted_keys[distance:] == sorted_keys[:-distance])
                if not len(same):
                    break
                yield from _promising(order[same], order[same + distance], slots)


def _promising(earlier: Any, later: Any, slots: Any) -> Iterator[tuple[int, int]]:
    for start in range(0, len(earlier), 65_536):
        first, second = earlier[start : start + 65_536], later[start : start + 65_536]
        equal = (slots[first] == slots[second]).mean(axis=1)
        good = equal >= ESTIMATE
        yield from zip(first[good].tolist(), second[good].tolist(), strict=True)


def _mixed(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    values = values ^ (values >> np.uint64(31))
    values = values * np.uint64(_SPREAD)
    result: np.ndarray[Any, Any] = values ^ (values >> np.uint64(29))
    return result


def shingles(text: str) -> np.ndarray[Any, Any]:
    """64-bit hashes of the runs of `LENGTH` characters of a folded text; of a shorter one, the whole. Never empty."""
    import numpy as np

    points = np.frombuffer((folded(text) or text or " ").encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    length = min(LENGTH, len(points))
    hashes = np.zeros(len(points) - length + 1, dtype=np.uint64)
    for offset in range(length):
        hashes = (hashes * np.uint64(_ODD)) ^ points[offset : len(points) - length + 1 + offset]
    return _mixed(hashes)


def similarity(first: str, second: str) -> float:
    """Jaccard similarity of two texts' shingles, 0 to 1."""
    import numpy as np

    one, other = np.unique(shingles(first)), np.unique(shingles(second))
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)


def near(sketches: Sketches, text: Callable[[int], str], skip: Callable[[int, int], bool]) -> Iterator[tuple[int, int]]:
    """Pairs (earlier, later) of near-duplicates, each once.

    Args:
        sketches: of all texts.
        text: gives a text by its number.
        skip: says of a candidate that nobody needs to know; asked before the texts are.
    """
    judged: set[tuple[int, int]] = set()
    for pair in sketches.candidates():
        if pair in judged or skip(*pair):
            continue
        if len(judged) < _REMEMBERED:
            judged.add(pair)
        if similarity(text(pair[0]), text(pair[1])) >= THRESHOLD:
            yield pair


def clusters(sketches: Sketches, text: Callable[[int], str]) -> list[int]:
    """For each text, the first text of its cluster: itself, or an earlier one that a chain of near-duplicates leads to.

    Args:
        sketches: of all texts.
        text: gives a text by its number.
    """
    first = list(range(len(sketches)))

    def root(index: int) -> int:
        while first[index] != index:
            first[index] = first[first[index]]
            index = first[index]
        return index

    for one, other in near(sketches, text, lambda one, other: root(one) == root(other)):
        ends = sorted((root(one), root(other)))
        first[ends[1]] = ends[0]
    return [root(index) for index in range(len(first))]
