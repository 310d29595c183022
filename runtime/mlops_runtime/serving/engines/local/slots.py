"""Which request is in which slot, without holes.

First come running answers, then requests whose prompt is being computed, in the order of their arrival.
"""

from __future__ import annotations

from mlops_runtime.serving.engines.local.jobs import Answer, Score
from mlops_runtime.serving.engines.local.networks import Network


class Slots:
    """The slots of a network.

    Attributes:
        held: request by slot.
        running: how many of them draw tokens.
    """

    def __init__(self, network: Network) -> None:
        self.held: list[Answer | Score] = []
        self.running = 0
        self._network = network

    def free(self, slot: int, spoiled: bool = False) -> None:
        """Take a request out; the others close up.

        Args:
            slot: of it.
            spoiled: whether the slot holds something that is no number, which must not stay.
        """
        if spoiled:
            self._network.clear(slot)
        if slot < self.running:
            self.running -= 1
            self._move(self.running, slot)
            slot = self.running
        for source in range(slot + 1, len(self.held)):
            self._move(source, source - 1)
        self.held.pop()

    def clear(self) -> None:
        """Take all out."""
        self.held, self.running = [], 0
        self._network.clear()

    def _move(self, source: int, target: int) -> None:
        if source != target:
            self.held[target] = self.held[source]
            self._network.move(source, target, self.held[source].length)
