"""How many tokens a micro-batch may hold: measured on the device, before training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_runtime.errors import Mistaken

if TYPE_CHECKING:
    from mlops_runtime.training.examples import Examples
    from mlops_runtime.training.ranks import Ranks
    from mlops_runtime.training.scoring import Scorer

CPU_BUDGET = 2048
"""On a CPU more tokens at a time are no faster, they only leave the cache."""

GPU_BUDGET = 65_536
"""On a GPU more than this gains nothing."""

TRIED = 512
"""Tokens of the pass that is measured."""

SHARE = 0.7
"""Of the free memory that activations may take; the rest is for fragments and the logits of a chunk."""

MOMENTS_AND_GRADIENT = 12
"""Bytes by trained weight that come into being with the first step: AdamW's two moments and the gradient, in fp32."""


def token_budget(scorer: Scorer, examples: Examples, ranks: Ranks) -> int:
    """Tokens of a micro-batch.

    On a GPU a short pass tells what a token takes; when the longest record would not fit, blocks recompute their
    activations in the backward pass, which costs a third more arithmetic and takes a fraction of the memory.

    Raises:
        Mistaken: the longest record does not fit even so.
    """
    if ranks.device.type != "cuda":
        return CPU_BUDGET
    longest = int(examples.lengths.max())
    budget = _measured(scorer, examples, ranks)
    if budget < longest:
        _network(scorer).activation_checkpointing_enable({"use_reentrant": False})
        budget = _measured(scorer, examples, ranks)
    if budget < longest:
        raise Mistaken(
            f"a record of {longest} tokens does not fit into the memory of this GPU, which takes about {budget}: lower "
            "`training.max_length`, train an adapter, or use more GPUs"
        )
    return min(budget, GPU_BUDGET)


def compiled(scorer: Scorer, ranks: Ranks) -> None:
    """On a GPU, compile the blocks of a network, which are all alike; what cannot be compiled runs as it is."""
    import torch

    if ranks.device.type != "cuda" or scorer.padded:
        return
    torch._dynamo.config.suppress_errors = True
    names = set(getattr(_network(scorer), "_no_split_modules", None) or ())
    for module in scorer.modules():
        if type(module).__name__ in names:
            module.compile(dynamic=True)


def _measured(scorer: Scorer, examples: Examples, ranks: Ranks) -> int:
    import torch

    order = sorted(range(min(len(examples), 1000)), key=lambda record: int(examples.lengths[record]))
    records: list[int] = []
    tokens = 0
    while order and (not records or tokens < TRIED):
        records.append(order.pop(len(order) // 2))
        tokens += int(examples.lengths[records[-1]])
    for _ in range(2):  # the first pass also allocates what stays
        torch.cuda.reset_peak_memory_stats(ranks.device)
        before = torch.cuda.memory_allocated(ranks.device)
        scorer(scorer.collate(examples, records, ranks.device)).backward()
        taken = torch.cuda.max_memory_allocated(ranks.device) - before
        scorer.zero_grad(set_to_none=True)
    torch.cuda.empty_cache()
    trained: int = sum(_own(p) for p in scorer.parameters() if p.requires_grad)
    free = torch.cuda.mem_get_info(ranks.device)[0] - MOMENTS_AND_GRADIENT * trained
    budgets = ranks.gathered(int(SHARE * free / max(1, taken) * tokens))
    return max(0, int(min(budgets)))


def _own(parameter: Any) -> int:
    from mlops_runtime.training.ranks import local

    return int(local(parameter).numel())


def _network(scorer: Scorer) -> Any:
    network: Any = scorer.network
    return network.get_base_model() if hasattr(network, "peft_config") else network
