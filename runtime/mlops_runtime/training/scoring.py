"""The loss of a micro-batch under a network: the module that is trained, and how the fast form is proved first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mlops_runtime.training import attention, batches
from mlops_runtime.training.loss import LinearCrossEntropy, token_scores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlops_runtime.training.batches import Batch
    from mlops_runtime.training.examples import Examples

TOLERANCE = 2e-3
"""Largest difference in nats that the two forms of a network may show; leaks and other heads show tenths."""


class Scorer(nn.Module):
    """A network and how it is fed. Called with a batch, it returns the sum of losses of its targets, in nats.

    Args:
        network: of transformers, perhaps with peft's adapter.
        pad: token that fills rows.
    """

    padded = True
    """Whether a record of a micro-batch costs as much as the longest one."""

    def __init__(self, network: Any, pad: int) -> None:
        super().__init__()
        self.network, self.pad = network, pad

    def collate(self, examples: Examples, records: Sequence[int], device: torch.device) -> Batch:
        """The batch of some records."""
        return batches.padded(examples, records, device, self.pad, False)

    def forward(self, batch: Batch, apart: bool = False) -> Any:
        """The sum of losses; `apart`: the loss of each target, and whether it was predicted."""
        logits = self._logits(batch)
        if not apart:
            return nn.functional.cross_entropy(logits, batch.wanted, reduction="sum")
        losses = nn.functional.cross_entropy(logits, batch.wanted, reduction="none")
        return losses, logits.argmax(1) == batch.wanted

    def _logits(self, batch: Batch) -> Tensor:
        logits = self.network(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False).logits
        found: Tensor = logits.flatten(0, 1)[batch.where].float()
        return found


class Ragged(Scorer):
    """Language models whose attention can be kept inside of records that lie end to end."""

    padded = False

    def collate(self, examples: Examples, records: Sequence[int], device: torch.device) -> Batch:
        """The batch of some records."""
        return batches.end_to_end(examples, records, device)

    def forward(self, batch: Batch, apart: bool = False) -> Any:
        """As `Scorer`, without ever holding all logits."""
        inner = _inner(self.network)
        rows = inner.base_model(
            input_ids=batch.ids, position_ids=batch.positions, segments=batch.segments, use_cache=False
        )[0]
        hidden = rows[0][batch.where]
        weight = inner.get_output_embeddings().weight.to(hidden.dtype)
        if apart:
            return token_scores(hidden, weight, batch.wanted)
        return LinearCrossEntropy.apply(hidden, weight, batch.wanted)  # type: ignore[no-untyped-call]


class Classes(Scorer):
    """Text-classification: one target a record."""

    def collate(self, examples: Examples, records: Sequence[int], device: torch.device) -> Batch:
        """The batch of some records."""
        return batches.padded(examples, records, device, self.pad, True)

    def _logits(self, batch: Batch) -> Tensor:
        found: Tensor = self.network(input_ids=batch.ids, attention_mask=batch.mask).logits.float()
        return found


def scorer(network: Any, task: str, pad: int) -> Scorer:
    """The fastest form that gives this network's own loss.

    Language models are tried: records end to end must score as each by itself does through transformers' own code.
    Networks whose state runs across records, or whose logits are more than a product, keep padded rows.
    """
    if task == "text-classification":
        return Classes(network, pad)
    return Ragged(network, pad) if _keeps_apart(network) else Scorer(network, pad)


def _keeps_apart(network: Any) -> bool:
    """Try it on two short records; leaves the network with the attention that it will be trained with."""
    inner = _inner(network)
    head, usual = inner.get_output_embeddings(), inner.config._attn_implementation
    if not isinstance(head, nn.Linear) or head.bias is not None:
        return False
    device, training = head.weight.device, network.training
    rows = [torch.arange(length, device=device)[None] % head.weight.shape[0] for length in (5, 9)]
    network.eval()
    try:
        with torch.no_grad():
            wanted = torch.cat([inner(input_ids=row, use_cache=False).logits[0] for row in rows]).float()
            inner.set_attn_implementation(attention.register())
            found = _together(inner, rows)
        good = bool((wanted.log_softmax(1) - found.log_softmax(1)).abs().max() < _tolerance(head.weight.dtype))
    except (NotImplementedError, TypeError, ValueError):
        good = False
    network.train(training)
    if not good:
        inner.set_attn_implementation(usual)
    return good


def _together(inner: Any, rows: list[Tensor]) -> Tensor:
    positions = torch.cat([torch.arange(row.shape[1], device=row.device)[None] for row in rows], 1)
    segments = attention.Segments.of([row.shape[1] for row in rows], positions.device)
    ids = torch.cat(rows, 1)
    hidden = inner.base_model(input_ids=ids, position_ids=positions, segments=segments, use_cache=False)[0][0]
    logits: Tensor = inner.get_output_embeddings()(hidden).float()
    return logits


def _tolerance(dtype: torch.dtype) -> float:
    return TOLERANCE if dtype == torch.float32 else 0.1


def _inner(network: Any) -> Any:
    return network.get_base_model() if hasattr(network, "peft_config") else network


def by_record(
    model: Scorer, examples: Examples, device: torch.device, budget: int = 2048
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Score each record by itself, with memory for one micro-batch only.

    Args:
        model: in evaluation mode.
        examples: to score.
        device: of the model.
        budget: tokens at a time.

    Returns:
        By record, the sum of its targets' losses in nats, and how many of them were predicted.
    """
    import numpy as np

    from mlops_runtime.training.plan import micro_batches

    nll, correct = np.zeros(len(examples)), np.zeros(len(examples), np.int64)
    order = np.argsort(-examples.lengths, kind="stable").tolist()
    with torch.inference_mode():
        for batch in micro_batches(order, examples.lengths, budget, model.padded):
            losses, right = model(model.collate(examples, batch, device), True)
            starts = np.concatenate([[0], np.cumsum(examples.targets[batch])[:-1]])
            nll[batch] = np.add.reduceat(losses.double().cpu().numpy(), starts)
            correct[batch] = np.add.reduceat(right.long().cpu().numpy(), starts)
    return nll, correct
