"""From a trained model to a network that may be trusted: the fastest one that computes what transformers' own does."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor

from mlops_runtime.errors import Mistaken
from mlops_runtime.serving.engines.local.attention import register
from mlops_runtime.serving.engines.local.networks import Batched, Drawn, Network, OneByOne, Piece
from mlops_runtime.serving.engines.local.packing import pack, unpack

LOG = logging.getLogger(__name__)

TOLERANCE = 2e-3
"""Largest difference in nats between two ways to compute the same; leaks and wrong places show tenths."""
COARSE = 0.1
"""The same in 16 bits."""
MERGED = 1e-4
"""The same for an adapter that is added to the weights."""

TRIED = ((4, 7), (9, 11), (7, 9))
"""Texts for trials: tokens of the prompt, and of the whole."""

GROWING = ("dynamic", "longrope")
"""Rotary embeddings that change for all tokens when one request grows long."""


def network(model: Any, slots: int, longest: int) -> Network:
    """A network that has been tried.

    Args:
        model: a language model of transformers, perhaps with peft's adapter.
        slots: requests at a time.
        longest: tokens of a request.

    Raises:
        Mistaken: the cache does not fit in memory.
    """
    with torch.inference_mode():
        wanted = _wanted(model, slots)
        inner = _merged(model, slots, wanted)
        usual = inner.config._attn_implementation
        if _steady(inner.config, longest):
            inner.set_attn_implementation(register())
            small = Batched(inner, min(slots, len(TRIED)), TRIED[1][1])
            if _agrees(small, inner, wanted) and small.cache.windows == _windows(inner.config, small.cache.windows):
                _fits(small.bytes * slots * longest // (small.cache.slots * small.cache.longest), inner.device)
                if pack(inner, _free(inner.device)) and not _agrees(small, inner, wanted):
                    unpack(inner)
                return Batched(inner, slots, longest)
            inner.set_attn_implementation(usual)
        LOG.warning("this network cannot compute requests together: each is computed by itself, which is slower")
        cached = _agrees(OneByOne(inner, slots, True), inner, wanted)
        return OneByOne(inner, slots, cached)


def _rows(model: Any, slots: int) -> list[list[int]]:
    size = model.get_input_embeddings().weight.shape[0]
    wholes = [whole for _, whole in TRIED[:slots]]
    return [[(17 + place * 7919 + row) % size for place in range(whole)] for row, whole in enumerate(wholes)]


def _wanted(model: Any, slots: int) -> list[Tensor]:
    """Log-probabilities of the texts for trials, by transformers' own forward pass."""
    rows = [torch.tensor([row], device=model.device) for row in _rows(model, slots)]
    return [model(input_ids=row, use_cache=False).logits[0].float().log_softmax(1) for row in rows]


def _merged(model: Any, slots: int, wanted: list[Tensor]) -> Any:
    """The network; with its adapter inside of the weights, where that changes nothing but the last digits."""
    if not hasattr(model, "peft_config"):
        return model
    if any(one.is_prompt_learning for one in model.peft_config.values()):
        return model
    inner = model.get_base_model()
    if inner.dtype == torch.float32 and getattr(inner, "hf_quantizer", None) is None:
        model.merge_adapter()
        if all(_near(a, b, MERGED) for a, b in zip(_wanted(model, slots), wanted, strict=True)):
            return model.unload()
        model.unmerge_adapter()
    return inner


def _agrees(tried: Network, model: Any, wanted: list[Tensor]) -> bool:
    """Texts side by side: prompts in pieces and at once, tokens as if drawn, all of it mixed."""
    rows = _rows(model, len(wanted))
    found: list[list[Tensor]] = [[] for _ in rows]
    held = [0] * len(rows)

    def run(drawn: int, pieces: dict[int, int]) -> None:
        """One step: so many slots draw, and some get the next tokens of their prompts up to a place."""
        starts = [(slot, held[slot], end) for slot, end in pieces.items()]
        given = [Piece(slot, start, rows[slot][start:end], end - start) for slot, start, end in starts]
        logits = tried.forward([Drawn(rows[slot][held[slot]], held[slot]) for slot in range(drawn)], given)
        sizes = [1] * drawn + [piece.keep for piece in given]
        for slot, part in zip([*range(drawn), *pieces], logits.log_softmax(1).split_with_sizes(sizes), strict=True):
            found[slot].append(part)
            held[slot] += len(part)

    prompts = {slot: TRIED[slot][0] for slot in range(len(rows))}
    try:
        if tried.chunked:
            run(0, dict.fromkeys(prompts, 2))
        run(0, {0: prompts.pop(0)})
        run(1, prompts)
        run(len(rows), {})
        run(len(rows), {})
    except (AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError, ValueError):
        LOG.debug("tried in vain", exc_info=True)
        return False
    return all(_near(torch.cat(mine), other, TOLERANCE) for mine, other in zip(found, wanted, strict=True))


def _near(mine: Tensor, other: Tensor, tolerance: float) -> bool:
    coarse = other.dtype != torch.float32
    return mine.shape == other.shape and bool((mine - other).abs().max() < (COARSE if coarse else tolerance))


def _steady(config: Any, longest: int) -> bool:
    """Whether a token's place alone says how it is embedded."""
    given = getattr(config, "rope_parameters", None) or {}
    for one in [given, *given.values()]:
        if isinstance(one, dict) and one.get("rope_type") in GROWING:
            return longest <= (one.get("original_max_position_embeddings") or 0)
    return True


def _windows(config: Any, layers: Any) -> dict[int, int | None]:
    """Window by layer as the configuration has it; -1 for attention of other kinds."""
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        return dict.fromkeys(layers, window)
    known = {"full_attention": None, "sliding_attention": window}
    return {layer: known.get(kinds[layer], -1) for layer in layers}


def _fits(needed: int, device: torch.device) -> None:
    free = _free(device)
    if needed > free:
        raise Mistaken(
            f"the cache would take {needed / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free: allow shorter "
            "prompts and answers (`serving.max_input_tokens`, `serving.max_output_tokens`)"
        )


def _free(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil  # type: ignore[import-untyped]

    free: int = psutil.virtual_memory().available
    return free
