"""Cross-entropy over a large vocabulary without holding its logits.

Logits exist for a chunk of target tokens at a time. The gradients of the hidden states and of the output weights are
taken in the same pass, since the logits are already there; the backward pass only scales them. Nothing is computed
twice, and memory does not grow with tokens × vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CHUNK = 2**20
"""Logits at a time: 4 MiB in fp32, which stays in a CPU's cache."""
CHUNK_GPU = 2**27
"""The same on a GPU, where few large products are faster than many small ones."""


class LinearCrossEntropy(torch.autograd.Function):
    """Sum of negative log-likelihoods (nats) of `wanted` under softmax(hidden · weightᵀ).

    Called with `apply(hidden, weight, wanted)`: tokens × width, vocabulary × width, tokens.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, wanted: Tensor) -> Tensor:
        """The sum, a scalar in fp32."""
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        by_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        by_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        for part, tokens, start in _chunks(hidden, weight, wanted):
            logits = (part @ weight.T).float()
            mass = logits.logsumexp(1, keepdim=True)
            total += (mass - logits.gather(1, tokens)).sum()
            if by_hidden is None and by_weight is None:
                continue
            slope = logits.sub_(mass).exp_()
            slope.scatter_add_(1, tokens, slope.new_full(tokens.shape, -1.0))
            slope = slope.to(weight.dtype)
            if by_hidden is not None:
                by_hidden[start : start + len(part)] = slope @ weight
            if by_weight is not None:
                by_weight += slope.T @ part
        ctx.save_for_backward(by_hidden, by_weight)
        ctx.weight_dtype = weight.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *by_total: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """Scale what the forward pass found."""
        by_hidden, by_weight = ctx.saved_tensors
        if by_hidden is not None:
            by_hidden = by_hidden * by_total[0].to(by_hidden.dtype)
        if by_weight is not None:
            by_weight = (by_weight * by_total[0]).to(ctx.weight_dtype)
        return by_hidden, by_weight, None


def token_scores(hidden: Tensor, weight: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood (nats, fp32) of each wanted token, and whether it was the likeliest one."""
    losses = torch.empty(len(wanted), dtype=torch.float32, device=hidden.device)
    right = torch.empty(len(wanted), dtype=torch.bool, device=hidden.device)
    for part, tokens, start in _chunks(hidden, weight, wanted):
        logits = (part @ weight.T).float()
        losses[start : start + len(part)] = logits.logsumexp(1) - logits.gather(1, tokens)[:, 0]
        right[start : start + len(part)] = logits.argmax(1) == tokens[:, 0]
    return losses, right


def _chunks(hidden: Tensor, weight: Tensor, wanted: Tensor) -> Any:
    rows = max(1, (CHUNK_GPU if hidden.is_cuda else CHUNK) // weight.shape[0])
    for start in range(0, hidden.shape[0], rows):
        yield hidden[start : start + rows], wanted[start : start + rows, None], start
