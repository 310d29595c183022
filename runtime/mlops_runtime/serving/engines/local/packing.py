"""Weights of linear layers laid out once as oneDNN reads them, which on a CPU they otherwise are in every call.

The operators are those that torch's own compiler uses; they have no public name, so the caller must be ready to go on
without them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

SHARE = 4
"""The copies may take one part in so many of the free memory."""

ROWS = 32
"""Rows that the layout is best for; other numbers are right too."""

STEP = 16
"""Numbers of rows beyond that are multiples of this: oneDNN compiles code for each number and keeps it."""


def pack(model: Any, free: int) -> bool:
    """Give each plain linear layer a packed copy of its weights.

    Args:
        model: on a CPU.
        free: bytes of memory.

    Returns:
        Whether it was done: not on other devices, where memory is short, or without oneDNN.
    """
    layers = [layer for layer in model.modules() if type(layer) is nn.Linear]
    size = sum(layer.weight.numel() * layer.weight.element_size() for layer in layers)
    if model.device.type != "cpu" or size * SHARE > free:
        return False
    try:
        for layer in layers:
            _pack(layer)
    except (AttributeError, RuntimeError):
        unpack(model)
        return False
    return True


def unpack(model: Any) -> None:
    """Undo `pack`."""
    for layer in model.modules():
        if type(layer) is nn.Linear:
            vars(layer).pop("forward", None)


def computed(rows: int) -> int:
    """How many rows are computed where so many are wanted; the others are zeros."""
    return rows if rows <= ROWS else -(-rows // STEP) * STEP


def _pack(layer: nn.Linear) -> None:
    weight, bias = layer.weight.detach(), layer.bias
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)

    def forward(given: Tensor) -> Tensor:
        # One row alone is a product with a vector, which gains nothing.
        if given.shape[:-1].numel() == 1:
            return nn.functional.linear(given, weight, bias)
        rows = given.shape[-2]
        vain = computed(rows) - rows
        padded = nn.functional.pad(given, (0, 0, 0, vain)) if vain else given
        found: Tensor = torch.ops.mkldnn._linear_pointwise(padded, packed, bias, "none", [], "")
        return found[..., :rows, :] if vain else found

    vars(layer)["forward"] = forward
