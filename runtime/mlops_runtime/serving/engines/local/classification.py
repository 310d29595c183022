"""Classification in micro-batches: texts that wait while a batch is computed are the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from mlops_runtime.serving.engines.base import Broken
from mlops_runtime.serving.engines.local.worker import LOG, Job, Worker


class Texts(Job):
    """Texts of one call, as tokens; `found` gets the probabilities of each in turn."""

    def __init__(self, texts: Sequence[list[int]]) -> None:
        super().__init__()
        self.texts = list(texts)


class Classification(Worker):
    """The loop.

    Args:
        model: of transformers.
        labels: classes in the order of its logits.
        pad: token that fills rows.
        slots: most texts of a batch.
        threads: of torch; as torch has it when not given.
    """

    def __init__(self, model: Any, labels: Sequence[str], pad: int, slots: int, threads: int | None) -> None:
        super().__init__("engine", threads)
        self._model, self._labels, self._pad, self._most = model, list(labels), pad, slots
        self._waiting: list[tuple[Texts, list[int]]] = []

    def busy(self) -> bool:
        """Whether any text waits."""
        return bool(self._waiting)

    def turn(self, arrived: list[Any]) -> None:
        """One batch."""
        self._waiting += [(job, text) for job in arrived for text in job.texts]
        waiting = [one for one in self._waiting if not one[0].cancelled]
        batch, self._waiting = waiting[: self._most], waiting[self._most :]
        if not batch:
            return
        try:
            rows = self._probabilities([text for _, text in batch])
        except Exception:
            LOG.exception("a batch of %d texts failed", len(batch))
            self.went(False)
            for job, _ in batch:
                self.give(job, Broken("the model failed on this batch"))
            return
        self.went(True)
        for (job, _), row in zip(batch, rows, strict=True):
            sound = all(0 <= value <= 1 for value in row)
            found: Any = dict(zip(self._labels, row, strict=True))
            self.give(job, found if sound else Broken("the model computed something that is no number"))

    def drop(self, reason: str) -> None:
        """End all."""
        for job, _ in self._waiting:
            self.give(job, Broken(reason))
        self._waiting = []

    def trial(self) -> None:
        """One text of one token."""
        self._probabilities([[self._pad]])

    def _probabilities(self, texts: Sequence[list[int]]) -> list[list[float]]:
        width, device = max(map(len, texts)), self._model.device
        ids = torch.tensor([text + [self._pad] * (width - len(text)) for text in texts])
        mask = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for text in texts])
        logits = self._model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
        found: list[list[float]] = logits.double().softmax(1).tolist()
        return found
