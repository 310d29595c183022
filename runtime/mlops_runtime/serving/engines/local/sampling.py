"""Drawing tokens for many requests at once.

What a request draws depends on its seed, the number of the token and its own logits alone: one number from a counter,
looked up in the distribution in the vocabulary's order, so that rounding in a batch changes nothing but exact ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

MASK = 2**64 - 1


class Draw(NamedTuple):
    """How one request draws its next token; `number` counts its tokens, `logprob` asks for a log-probability."""

    temperature: float
    top_p: float
    seed: int
    number: int
    logprob: bool


class Taken(NamedTuple):
    """By request: token, natural logarithm of its probability before temperature, whether the logits were numbers."""

    tokens: list[int]
    logprobs: list[float]
    sound: list[bool]


def draw(logits: Tensor, draws: Sequence[Draw]) -> Taken:
    """Next tokens; the device is waited for once.

    Args:
        logits: requests × vocabulary, fp32.
        draws: by request.
    """
    best, tokens = logits.max(1)
    rows = [row for row, one in enumerate(draws) if one.temperature > 0]
    if rows:
        where = torch.tensor(rows, device=logits.device)
        tokens = tokens.index_put((where,), _sampled(logits[where], best[where], [draws[row] for row in rows]))
    if any(one.logprob for one in draws):
        logprobs = logits.gather(1, tokens[:, None])[:, 0] - logits.logsumexp(1)
    else:
        logprobs = best
    # Ids are exact in doubles, and one copy waits for the device once.
    ids, found, sound = torch.stack([tokens.double(), logprobs.double(), best.isfinite().double()]).tolist()
    return Taken([int(one) for one in ids], found, [bool(one) for one in sound])


def _sampled(logits: Tensor, best: Tensor, draws: Sequence[Draw]) -> Tensor:
    on = logits.device
    temperature = torch.tensor([max(one.temperature, 1e-6) for one in draws], dtype=torch.float32, device=on)
    # A row that is no number must not stop the others; it is told by `sound`.
    odds = ((logits - best[:, None]) / temperature[:, None]).exp_().nan_to_num_(0.0, 0.0, 0.0)
    cut = [row for row, one in enumerate(draws) if one.top_p < 1]
    if cut:
        where = torch.tensor(cut, device=on)
        odds[where] = _nucleus(odds[where], torch.tensor([draws[row].top_p for row in cut], device=on))
    heights = odds.double().cumsum(1)
    points = torch.tensor([uniform(one.seed, one.number) for one in draws], dtype=torch.float64, device=on)
    found = torch.searchsorted(heights, (points * heights[:, -1])[:, None], right=True)[:, 0]
    return found.clamp_(max=logits.shape[1] - 1)


def _nucleus(odds: Tensor, top_p: Tensor) -> Tensor:
    """Odds without those beyond the fewest tokens that have `top_p` of the probability together."""
    ordered = odds.sort(1, descending=True).values
    before = ordered.double().cumsum(1) - ordered
    kept = before < top_p[:, None] * ordered.double().sum(1, keepdim=True)
    least = ordered.masked_fill(~kept, torch.inf).amin(1, keepdim=True)
    return odds.masked_fill(odds < least, 0)


def uniform(seed: int, number: int) -> float:
    """A number in [0, 1) from a counter: SplitMix64 (Steele, Lea, Flood 2014), its upper 52 bits."""
    mixed = (_mixed(seed & MASK) + (number + 1) * 0x9E3779B97F4A7C15) & MASK
    return (_mixed(mixed) >> 12) * 2.0**-52


def _mixed(state: int) -> int:
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)
