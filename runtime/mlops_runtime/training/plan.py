"""Which records a step sees: a pure function of seed, epoch and the records' lengths, the same on any machine.

The order comes from the raw bits of a counter-based generator (Philox), which NumPy keeps stable across versions. A
step is a list of sequences. A sequence is one record, or, with packing, several that fit into `max_length` together.
How a step is dealt to ranks and cut into micro-batches changes nothing about what is learned, only who computes what.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlopsgen.spec.training import Training

    Integers = NDArray[np.int64]

WINDOW = 65_536
"""Records that packing looks at together."""


class Plan:
    """Steps of a run.

    Args:
        lengths: tokens of each record, at most `training.max_length`.
        training: `batch_size` sequences make a step; the last of the `epochs` may be a part.
    """

    def __init__(self, lengths: Integers, training: Training) -> None:
        self._lengths, self._size, self._longest = lengths, training.batch_size, training.max_length
        self._packing, self._seed, epochs = training.packing, training.seed, training.epochs
        self._order: tuple[int, Integers] = (-1, lengths)
        self._packed: tuple[int, list[Integers]] = (-1, [])
        whole, part = int(epochs), epochs - int(epochs)
        self._full = [self._count(epoch) for epoch in range(whole + bool(part))]
        self.steps_by_epoch = self._full[:whole]
        if part:
            self.steps_by_epoch.append(max(1, round(part * self._full[whole])))

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return sum(self.steps_by_epoch)

    def place(self, step: int) -> tuple[int, int]:
        """Epoch and step inside it, both from 0, of a step counted from 0 over the run."""
        for epoch, count in enumerate(self.steps_by_epoch):
            if step < count:
                return epoch, step
            step -= count
        raise IndexError("past the end of the run")

    def full(self, epoch: int) -> int:
        """Steps that a whole pass takes."""
        return self._full[epoch]

    def ends_epoch(self, step: int) -> bool:
        """Whether `step`, counted from 0, is the last of its epoch."""
        epoch, inside = self.place(step)
        return inside == self.steps_by_epoch[epoch] - 1

    def records(self, step: int) -> Integers:
        """Indices of the records of a step, sequence after sequence."""
        import numpy as np

        epoch, inside = self.place(step)
        part = slice(inside * self._size, (inside + 1) * self._size)
        if self._packing:
            return np.concatenate(self._rows(epoch)[part])
        if self._order[0] != epoch:
            self._order = (epoch, permutation(len(self._lengths), self._seed, 2 * epoch))
        return self._order[1][part]

    def _count(self, epoch: int) -> int:
        count = len(self._rows(epoch)) if self._packing else len(self._lengths)
        return -(-count // self._size)

    def _rows(self, epoch: int) -> list[Integers]:
        if self._packed[0] != epoch:
            order = permutation(len(self._lengths), self._seed, 2 * epoch)
            rows = list(pack(order, self._lengths, self._longest))
            self._packed = (epoch, [rows[i] for i in permutation(len(rows), self._seed, 2 * epoch + 1)])
        return self._packed[1]


def permutation(count: int, seed: int, stream: int) -> Integers:
    """0 … `count` - 1 in an order that depends on seed and stream alone."""
    import numpy as np

    bits = np.random.Philox(key=(seed << 64) | stream).random_raw(count)
    return np.argsort(bits, kind="stable").astype(np.int64)


def pack(order: Integers, lengths: Integers, longest: int) -> Iterator[Integers]:
    """Records laid into sequences of at most `longest` tokens: best fit, longest record first, window by window.

    A bit set of the free room of open sequences makes the search for the tightest one a few instructions.

    Yields:
        Indices of the records of one sequence.
    """
    import numpy as np

    for start in range(0, len(order), WINDOW):
        window = order[start : start + WINDOW]
        rows: list[list[int]] = []
        by_room: dict[int, list[int]] = {}
        rooms = 0
        for record in window[np.argsort(-lengths[window], kind="stable")].tolist():
            length = int(lengths[record])
            fitting = rooms >> length
            if fitting:
                room = length + (fitting & -fitting).bit_length() - 1
                row = by_room[room].pop()
                if not by_room[room]:
                    rooms &= ~(1 << room)
            else:
                room, row = longest, len(rows)
                rows.append([])
            rows[row].append(record)
            by_room.setdefault(room - length, []).append(row)
            rooms |= 1 << (room - length)
        yield from (np.array(row, dtype=np.int64) for row in rows)


def deal(records: Integers, lengths: Integers, ranks: int) -> list[list[int]]:
    """Records of a step by rank, with about the same number of tokens each: longest first, to whom has least."""
    shares: list[list[int]] = [[] for _ in range(ranks)]
    loads = [0] * ranks
    for record in sorted(records.tolist(), key=lambda r: (-int(lengths[r]), r)):
        rank = loads.index(min(loads))
        shares[rank].append(record)
        loads[rank] += int(lengths[record])
    return shares


def micro_batches(records: Sequence[int], lengths: Any, budget: int, padded: bool) -> list[list[int]]:
    """Records cut into batches of at most `budget` tokens; a longer record stands alone.

    Args:
        records: longest first, as `deal` gives them.
        lengths: tokens by record.
        budget: tokens at a time.
        padded: every record of a batch costs as much as its longest; else records lie end to end.
    """
    batches: list[list[int]] = []
    tokens = 0
    for record in records:
        length = int(lengths[record])
        added = int(lengths[batches[-1][0]]) if padded and batches else length
        if batches and tokens + added <= budget:
            batches[-1].append(record)
            tokens += added
        else:
            batches.append([record])
            tokens = length
    return batches
