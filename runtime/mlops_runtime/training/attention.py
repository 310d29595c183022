"""Attention inside of records that lie end to end in one row, for transformers' attention interface.

On a GPU with bf16 or fp16 it is torch's variable-length flash attention; elsewhere each record's slice goes through
`scaled_dot_product_attention` by itself. Both cost the sum of squared lengths and need no mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

NAME = "mlops_ragged"
"""Name in transformers' registry."""

REFUSED = ("softcap", "s_aux", "position_bias", "cache")
"""Arguments of some networks' attention that change its result and that this one does not have."""


class Segments(NamedTuple):
    """Records of a row.

    Tensors, since compiled code is made anew for each list of another length.

    Attributes:
        bounds: where records begin, and the end: int32, on the device.
        known: the same on the CPU, where reading it waits for nothing.
    """

    bounds: torch.Tensor
    known: torch.Tensor

    @classmethod
    def of(cls, lengths: list[int], device: torch.device) -> Segments:
        """Records of these lengths, one after another."""
        import torch

        known = torch.tensor([0, *lengths]).cumsum(0).int()
        return cls(known.to(device, non_blocking=True), known)


def register() -> str:
    """Make the attention known to transformers, under the name that is returned."""
    import torch
    from transformers import AttentionInterface

    # A compiled block leaves the compiled code here: lengths differ from row to row.
    AttentionInterface.register(NAME, torch.compiler.disable(ragged_attention))  # type: ignore[no-untyped-call]
    return NAME


def ragged_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    segments: Segments,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of one row.

    Args:
        module: the layer; its `is_causal` says whether a token sees those after it.
        query: 1 × heads × tokens × width; key and value alike, with as many heads or fewer.
        attention_mask: none; records are kept apart by `segments`.
        segments: the records of the row.
        dropout: on attention weights.
        scaling: of the products, 1/√width when not given.
        is_causal: overrides the layer's.
        sliding_window: tokens that a token sees, itself among them.
        others: anything in `REFUSED` is refused.

    Returns:
        1 × tokens × heads × width, and no weights.

    Raises:
        NotImplementedError: the network wants attention of another kind.
    """
    refused = [name for name in REFUSED if others.get(name) is not None]
    if refused or attention_mask is not None or query.shape[0] != 1:
        raise NotImplementedError(f"attention with {', '.join(refused) or 'a mask'}")
    causal = is_causal if is_causal is not None else bool(getattr(module, "is_causal", True))
    if sliding_window is not None and not causal:
        raise NotImplementedError("a sliding window in both directions")
    lengths = segments.known.diff().tolist()
    if _flash(query, dropout):
        from torch.nn.attention.varlen import varlen_attn

        longest = max(lengths)
        window = (-1 if sliding_window is None else sliding_window - 1, 0) if causal else (-1, -1)
        flat: Any = varlen_attn(
            query[0].transpose(0, 1),
            key[0].transpose(0, 1),
            value[0].transpose(0, 1),
            segments.bounds,
            segments.bounds,
            longest,
            longest,
            scale=scaling,
            window_size=window,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        return flat[None], None
    return _sliced(query, key, value, lengths, dropout, scaling, causal, sliding_window), None


def _flash(query: torch.Tensor, dropout: float) -> bool:
    import torch

    if not query.is_cuda or dropout or query.dtype not in (torch.bfloat16, torch.float16):
        return False
    return torch.cuda.get_device_capability(query.device) >= (8, 0) and query.shape[-1] <= 256


def _sliced(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    lengths: list[int],
    dropout: float,
    scaling: float | None,
    causal: bool,
    window: int | None,
) -> torch.Tensor:
    import torch
    from torch.nn.functional import scaled_dot_product_attention as attend

    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (tensor.repeat_interleave(groups, dim=1) for tensor in (key, value))
    parts = []
    slices = zip(*(torch.split(tensor, lengths, dim=2) for tensor in (query, key, value)), strict=True)
    for length, (q, k, v) in zip(lengths, slices, strict=True):
        mask = None
        if window is not None and length > window:
            at = torch.arange(length, device=query.device)
            distance = at[:, None] - at[None, :]
            mask = (distance >= 0) & (distance < window)
        is_causal = causal and mask is None and length > 1
        parts.append(attend(q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=is_causal, scale=scaling))
    return torch.cat(parts, dim=2).transpose(1, 2)
