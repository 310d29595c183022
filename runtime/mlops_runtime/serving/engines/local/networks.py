"""How tokens go through a network: all requests in one pass over slots, or, where that is not exact, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from mlops_runtime.serving.engines.local.attention import Cache, Group, Prompt, Step

ALIGNED = 64
"""Widths of masks on a GPU, whose kernels want them even."""

CALL = 400_000
"""What one more call costs, in bytes of the cache that a CPU could have read instead."""


class Drawn(NamedTuple):
    """The newest token of the answer in a slot, and how many tokens the slot holds before it."""

    token: int
    length: int


class Piece(NamedTuple):
    """Tokens of a prompt for a slot, `start` of which it holds already; `keep`: how many at the end have logits."""

    slot: int
    start: int
    tokens: Sequence[int]
    keep: int


class Network(Protocol):
    """A network with places for requests."""

    chunked: bool
    """Whether a prompt may come in pieces."""

    def forward(self, drawn: Sequence[Drawn], pieces: Sequence[Piece]) -> Tensor:
        """Logits in fp32: of the drawn tokens of slots 0, 1, 2 ..., then of what each piece keeps."""

    def move(self, source: int, target: int, length: int) -> None:
        """Bring what a slot holds, so many tokens, to another one."""

    def clear(self, slot: int | None = None) -> None:
        """Forget a slot, or all."""

    @property
    def bytes(self) -> int:
        """Memory of the cache."""


class Batched:
    """All requests in one pass.

    Args:
        model: of transformers, with `NAME`'s attention.
        slots: requests at a time.
        longest: tokens of a request.
    """

    chunked = True

    def __init__(self, model: Any, slots: int, longest: int) -> None:
        self.model, self.cache = model, Cache(slots, longest)
        self.device = model.device
        self._count = torch.arange(max(slots, longest), device=self.device)

    def forward(self, drawn: Sequence[Drawn], pieces: Sequence[Piece]) -> Tensor:
        """As `Network`."""
        ids = [one.token for one in drawn]
        places = [one.length for one in drawn]
        keep = list(range(len(drawn)))
        prompts = []
        for slot, start, tokens, kept in pieces:
            first, last = len(ids), len(ids) + len(tokens)
            prompts.append(Prompt(slot, start, first, last))
            ids += tokens
            places += range(start, start + len(tokens))
            keep += range(last - kept, last)
        rows = self._on([ids, places])
        filled, here = places[: len(drawn)], rows[1, : len(drawn)]
        step = Step(self.cache, self._count[: len(drawn)], here, self._groups(filled, here), prompts)
        kept_rows = self._on(keep) if pieces else 0
        found: Tensor = self.model(
            input_ids=rows[:1], position_ids=rows[1:], logits_to_keep=kept_rows, use_cache=False, step=step
        ).logits[0]
        return found.float()

    def move(self, source: int, target: int, length: int) -> None:
        """As `Network`."""
        self.cache.move(source, target, length)

    def clear(self, slot: int | None = None) -> None:
        """As `Network`."""
        self.cache.clear(slot)

    @property
    def bytes(self) -> int:
        """Memory of the cache."""
        return self.cache.bytes

    def _groups(self, lengths: list[int], places: Tensor) -> list[Group]:
        if not lengths:
            return []
        if self.device.type == "cpu":
            taken = len(self.cache.windows) * CALL / max(1, self.cache.bytes)
            bounds = neighbours(lengths, taken * self.cache.slots * self.cache.longest)
        else:
            bounds = [0, len(lengths)]
        widest = min(-(-(max(lengths) + 1) // ALIGNED) * ALIGNED, self.cache.longest)
        seen = (self._count[:widest] <= places[:, None])[:, None, None]
        found = []
        for first, last in pairwise(bounds):
            longest, even = max(lengths[first:last]) + 1, min(lengths[first:last]) == max(lengths[first:last])
            if self.device.type == "cpu":
                found.append(Group(first, last, longest, None if even else seen[first:last, ..., :longest]))
            else:
                found.append(Group(first, last, widest, seen))
        return found

    def _on(self, values: Any) -> Tensor:
        tensor = torch.tensor(values)
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor


def neighbours(lengths: Sequence[int], vain: float) -> list[int]:
    """Bounds of runs of slots that are computed together: each reads at most so many places in vain."""
    bounds, longest, total = [0], 0, 0
    for slot, length in enumerate(lengths):
        if max(longest, length) * (slot - bounds[-1] + 1) - total - length > vain:
            bounds.append(slot)
            longest, total = 0, 0
        longest, total = max(longest, length), total + length
    return [*bounds, len(lengths)]


class OneByOne:
    """Each request by itself, with transformers' own cache, or none where the network's cache cannot be had.

    Args:
        model: of transformers.
        slots: requests at a time.
        cached: whether to keep a cache; otherwise every token computes the whole text anew.
    """

    chunked = False

    def __init__(self, model: Any, slots: int, cached: bool) -> None:
        self.model, self.cached = model, cached
        self._held: list[Any] = [None] * slots

    def forward(self, drawn: Sequence[Drawn], pieces: Sequence[Piece]) -> Tensor:
        """As `Network`."""
        found = [self._run(slot, [one.token], 1) for slot, one in enumerate(drawn)]
        for slot, _, tokens, keep in pieces:
            self._held[slot] = None
            found.append(self._run(slot, list(tokens), keep))
        return torch.cat(found).float()

    def move(self, source: int, target: int, length: int) -> None:
        """As `Network`."""
        self._held[target], self._held[source] = self._held[source], None

    def clear(self, slot: int | None = None) -> None:
        """As `Network`."""
        if slot is None:
            self._held = [None] * len(self._held)
        else:
            self._held[slot] = None

    @property
    def bytes(self) -> int:
        """None is taken beforehand."""
        return 0

    def _run(self, slot: int, tokens: list[int], keep: int) -> Tensor:
        if not self.cached:
            tokens = self._held[slot] = [*(self._held[slot] or ()), *tokens]
        ids = torch.tensor([tokens], device=self.model.device)
        if not self.cached:
            found: Tensor = self.model(input_ids=ids, use_cache=False).logits[0, -keep:]
            return found
        given = self.model(input_ids=ids, past_key_values=self._held[slot], use_cache=True)
        self._held[slot] = given.past_key_values
        last: Tensor = given.logits[0, -keep:]
        return last
