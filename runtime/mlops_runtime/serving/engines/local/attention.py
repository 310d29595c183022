"""Attention over a cache of fixed size, for tokens of many requests that lie end to end in one row.

A slot holds keys and values of one request. Tokens that were just drawn come first in the row, one for each of the
first slots; pieces of prompts follow. So every other layer computes each token once, and nothing is padded.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as attend

NAME = "mlops_slots"
"""Name in transformers' registry."""

REFUSED = ("softcap", "s_aux", "position_bias", "cache")
"""Arguments of some networks' attention that change its result and that this one does not have."""

PRODUCTS = 2**20
"""Products of single queries and keys that are written down at a time: 4 MiB."""


class Group(NamedTuple):
    """Neighbouring slots that draw one token each and are computed in one call.

    Attributes:
        first: slot.
        last: slot after the last one.
        width: positions of the cache that are read.
        seen: slots × 1 × 1 × width, which of them count; None when all do.
    """

    first: int
    last: int
    width: int
    seen: Tensor | None


class Prompt(NamedTuple):
    """A piece of a prompt.

    Attributes:
        slot: that it goes to.
        start: tokens of the prompt before it.
        first: its place in the row.
        last: place after it.
    """

    slot: int
    start: int
    first: int
    last: int


class Step(NamedTuple):
    """One forward pass.

    Attributes:
        cache: that is read and written.
        slots: 0, 1, 2 ..., of the drawn tokens; on the device.
        places: of these tokens in their slots, on the device.
        groups: of the slots that draw, in order.
        prompts: pieces, in the order of the row.
    """

    cache: Cache
    slots: Tensor
    places: Tensor
    groups: list[Group]
    prompts: list[Prompt]


class Cache:
    """Keys and values: slots × heads × positions × width by layer, allocated when a layer is seen first.

    Args:
        slots: requests at a time.
        longest: positions of a slot.
    """

    def __init__(self, slots: int, longest: int) -> None:
        self.slots, self.longest = slots, longest
        self.windows: dict[int, int | None] = {}
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def bytes(self) -> int:
        """Memory taken."""
        return sum(tensor.numel() * tensor.element_size() for pair in self._layers.values() for tensor in pair)

    def layer(self, index: int, key: Tensor, value: Tensor, window: int | None) -> tuple[Tensor, Tensor]:
        """Keys and values of a layer; those given show heads, width and kind of number."""
        found = self._layers.get(index)
        if found is None:
            # Zeros, since what is masked still takes part with the weight 0, and 0 × NaN is NaN.
            found = self._layers[index] = (self._empty(key), self._empty(value))
            self.windows[index] = window
        return found

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first positions of a slot to another one."""
        for pair in self._layers.values():
            for tensor in pair:
                tensor[target, :, :length] = tensor[source, :, :length]

    def clear(self, slot: int | None = None) -> None:
        """Forget what a slot holds, or all of them: a NaN must not reach the next request."""
        for pair in self._layers.values():
            for tensor in pair:
                (tensor if slot is None else tensor[slot]).zero_()

    def _empty(self, like: Tensor) -> Tensor:
        return like.new_zeros(self.slots, like.shape[1], self.longest, like.shape[3])


def register() -> str:
    """Make the attention known to transformers, under the name that is returned."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, slot_attention)
    return NAME


def slot_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    step: Step,
    scaling: float | None = None,
    is_causal: bool | None = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention of one row.

    Args:
        module: the layer; its `layer_idx` says where it finds its cache.
        query: 1 × heads × tokens × width; key and value alike, with as many heads or fewer.
        attention_mask: none; requests are kept apart by their slots.
        step: what the row consists of.
        scaling: of the products, 1/√width when not given.
        is_causal: overrides the layer's, and must be true.
        sliding_window: tokens that a token sees, itself among them.
        others: anything in `REFUSED` is refused.

    Returns:
        1 × tokens × heads × width, and no weights.

    Raises:
        NotImplementedError: the network wants attention of another kind.
    """
    refused = [name for name in REFUSED if others.get(name) is not None]
    causal = is_causal if is_causal is not None else bool(getattr(module, "is_causal", True))
    if refused or attention_mask is not None or query.shape[0] != 1 or not causal:
        raise NotImplementedError(f"attention with {', '.join(refused) or 'a mask'}")
    keys, values = step.cache.layer(module.layer_idx, key, value, sliding_window)
    drawn = len(step.places)
    parts = []
    if drawn:
        keys[step.slots, :, step.places] = key[0, :, :drawn].transpose(0, 1)
        values[step.slots, :, step.places] = value[0, :, :drawn].transpose(0, 1)
        parts += _drawn(query[0, :, :drawn].transpose(0, 1), keys, values, step, scaling, sliding_window)
    for prompt in step.prompts:
        here, upto = slice(prompt.first, prompt.last), prompt.start + prompt.last - prompt.first
        keys[prompt.slot, :, prompt.start : upto] = key[0, :, here]
        values[prompt.slot, :, prompt.start : upto] = value[0, :, here]
        k, v = keys[prompt.slot, None, :, :upto], values[prompt.slot, None, :, :upto]
        parts.append(_prompt(query[:, :, here], k, v, prompt.start, scaling, sliding_window))
    return (parts[0] if len(parts) == 1 else torch.cat(parts))[None], None


def _drawn(
    query: Tensor, keys: Tensor, values: Tensor, step: Step, scaling: float | None, window: int | None
) -> list[Tensor]:
    """Slots × heads × width of each group. Heads that share keys are queries of one head."""
    grouped = query.reshape(len(query), keys.shape[1], -1, query.shape[2])
    found = []
    for first, last, width, upto in step.groups:
        seen = upto if window is None or width <= window else _window(step.places[first:last], width, window)
        q, k, v = grouped[first:last], keys[first:last, :, :width], values[first:last, :, :width]
        if _single(q, k):
            found.append(_added(q, k, v, seen, scaling))
        else:
            found.append(attend(q, k, v, attn_mask=seen, scale=scaling).flatten(1, 2))
    return found


def _single(query: Tensor, key: Tensor) -> bool:
    """Whether each head's keys are read by one query alone, on a CPU that can keep the products at hand."""
    return query.shape[2] == 1 and key.device.type == "cpu" and key.dtype == torch.float32 and key.numel() <= PRODUCTS


def _added(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None, scaling: float | None) -> Tensor:
    """The same by multiplying and adding: a product of one row costs BLAS more than reading the cache does."""
    scores = (query * (query.shape[-1] ** -0.5 if scaling is None else scaling) * key).sum(-1)
    if seen is not None:
        scores.masked_fill_(~seen[:, :, 0], -torch.inf)
    return (scores.softmax(-1)[..., None] * value).sum(2)


def _window(places: Tensor, width: int, window: int) -> Tensor:
    distance = places[:, None] - torch.arange(width, device=places.device)
    return ((distance >= 0) & (distance < window))[:, None, None]


def _prompt(query: Tensor, key: Tensor, value: Tensor, start: int, scaling: float | None, window: int | None) -> Tensor:
    """Tokens × heads × width of a piece after `start` tokens."""
    shared = query.shape[1] // key.shape[1]
    if shared > 1:
        key, value = key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)
    count, mask = query.shape[2], None
    if start or (window is not None and count > window):
        places = torch.arange(start, start + count, device=query.device)
        distance = places[:, None] - torch.arange(start + count, device=query.device)
        mask = distance >= 0 if window is None else (distance >= 0) & (distance < window)
    found = attend(query, key, value, attn_mask=mask, is_causal=mask is None and count > 1, scale=scaling)
    return found[0].transpose(0, 1)
