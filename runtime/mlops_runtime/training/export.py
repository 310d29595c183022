"""The trained model as a folder: weights or adapter, tokenizer, and `mlops.json`, which says what belongs to them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mlops_runtime.data.atomic import synced
from mlops_runtime.models import FORMAT, INFO
from mlops_runtime.training import ranks as shards

if TYPE_CHECKING:
    import torch

    from mlops_runtime.training.ranks import Ranks


def write(
    folder: str,
    scorer: Any,
    tokenizer: Any,
    info: dict[str, Any],
    ranks: Ranks,
    precision: str,
    beside: Mapping[str, Callable[[str], None]],
) -> None:
    """Replace a folder by the model. All processes call it, the first one writes.

    Full weights are stored in the precision of the training, an adapter in fp32; always as safetensors.

    Args:
        folder: appears whole.
        scorer: the trained model.
        tokenizer: with its chat template.
        info: content of `mlops.json`.
        ranks: of the run.
        precision: `fp32`, `bf16` or `fp16`.
        beside: further files by name, and what writes each to a path.
    """
    import torch

    network = scorer.network
    adapter = hasattr(network, "peft_config")
    dtype = torch.float32 if adapter else getattr(torch, shards.DTYPES[precision])
    state = _gathered(scorer, dtype, ranks, adapter)
    if not ranks.main:
        return
    part = f"{folder}.part"
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    if not adapter:
        network.config.dtype = dtype
    network.save_pretrained(part, state_dict=state)
    tokenizer.save_pretrained(part)
    with open(os.path.join(part, INFO), "w", encoding="utf-8") as stream:
        json.dump({"format": FORMAT, "adapter": adapter, **info}, stream, indent=2, ensure_ascii=False)
    for name, made in beside.items():
        made(os.path.join(part, name))
    for name in os.listdir(part):
        descriptor = os.open(os.path.join(part, name), os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    synced(part)
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(part, folder)
    synced(os.path.dirname(folder) or ".")


def _gathered(scorer: Any, dtype: torch.dtype, ranks: Ranks, adapter: bool) -> dict[str, torch.Tensor]:
    """Weights by name, whole, in memory of the first process's CPU; of an adapter those that were trained."""
    shards.resharded(scorer)
    network = scorer.network
    found = {}
    for name, parameter in network.named_parameters():
        if adapter and not parameter.requires_grad:
            continue
        tensor = shards.whole(parameter.detach())
        if ranks.main:
            found[name] = tensor.to("cpu", dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
    if ranks.main and not adapter:
        names = network.state_dict().keys()
        found |= {name: tensor.cpu() for name, tensor in network.named_buffers() if name in names}
    return found
