"""What a network is fed: records end to end in one row, or padded rows, as tensors on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from mlops_runtime.training.attention import Segments

if TYPE_CHECKING:
    import torch

    from mlops_runtime.training.examples import Examples


class Batch(NamedTuple):
    """A micro-batch.

    Attributes:
        ids: tokens, rows × columns.
        positions: of each token in its record; None where the network counts by itself.
        segments: of the one row; None for padded rows.
        mask: 1 for tokens, 0 for padding; None without padding.
        where: flat positions whose next token is a target.
        wanted: those targets; or a class by record.
    """

    ids: torch.Tensor
    positions: torch.Tensor | None
    segments: Segments | None
    mask: torch.Tensor | None
    where: torch.Tensor | None
    wanted: torch.Tensor


def end_to_end(examples: Examples, records: Sequence[int], device: torch.device) -> Batch:
    """One row that holds the records one after another."""
    import numpy as np

    lengths = [int(examples.lengths[record]) for record in records]
    ids = np.concatenate([examples.ids(record) for record in records])
    where = np.flatnonzero(np.concatenate([examples.mask(record) for record in records]))
    positions = np.concatenate([np.arange(length) for length in lengths])
    return Batch(
        ids=_on(ids[None], device).long(),
        positions=_on(positions[None], device),
        segments=Segments.of(lengths, device),
        mask=None,
        where=_on(where - 1, device),
        wanted=_on(ids[where], device).long(),
    )


def padded(examples: Examples, records: Sequence[int], device: torch.device, pad: int, classes: bool) -> Batch:
    """One row a record, filled up on the right."""
    import numpy as np

    width = max(int(examples.lengths[record]) for record in records)
    ids = np.full((len(records), width), pad, np.int64)
    mask = np.zeros((len(records), width), np.int64)
    counted = np.zeros((len(records), width), bool)
    for row, record in enumerate(records):
        length = int(examples.lengths[record])
        ids[row, :length] = examples.ids(record)
        mask[row, :length] = 1
        counted[row, :length] = examples.mask(record) == 1
    where = np.flatnonzero(counted)
    wanted = np.array([examples.labels[r] for r in records]) if classes else ids.reshape(-1)[where]
    return Batch(
        ids=_on(ids, device),
        positions=None,
        segments=None,
        mask=_on(mask, device),
        where=None if classes else _on(where - 1, device),
        wanted=_on(wanted, device),
    )


def _on(values: object, device: torch.device) -> torch.Tensor:
    import numpy as np
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(values))
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
