"""Processes of a run: who they are, what they agree on, how they share the model.

torchrun starts one process per GPU, or several on a CPU. With more than one, FSDP2 shards parameters, gradients and
optimizer state over all of them: NCCL on GPUs, gloo on CPUs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_runtime.errors import Mistaken

if TYPE_CHECKING:
    import torch

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""torch's names of `training.precision`."""


class Ranks(NamedTuple):
    """This process among all.

    Attributes:
        rank: from 0, over all machines.
        size: number of processes.
        local: rank on this machine.
        device: that this process computes on.
        sharded: the model is FSDP2's.
    """

    rank: int
    size: int
    local: int
    device: torch.device
    sharded: bool

    @property
    def main(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0

    def total(self, *values: float) -> list[float]:
        """Sums over all processes."""
        import torch

        if self.size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(tensor)
        return [float(value) for value in tensor.tolist()]

    def gathered(self, value: Any) -> list[Any]:
        """The value of each process, on each, by rank."""
        import torch

        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(found, value)
        return found

    def shared(self, value: Any) -> Any:
        """The value of the first process, on each."""
        return self.gathered(value if self.main else None)[0]


@contextmanager
def joined(gpu: bool, precision: str) -> Iterator[Ranks]:
    """This process, together with those that torchrun started beside it.

    Args:
        gpu: compute on GPUs.
        precision: of the computation; in bf16 and fp16 even a process alone uses FSDP2, which keeps weights in fp32 and
            computes with copies.
    """
    import torch
    from torch import distributed

    size, rank, local = (int(os.environ.get(name, given)) for name, given in _VARIABLES)
    device = torch.device("cuda", local) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    sharded = size > 1 or precision != "fp32"
    if sharded:
        alone: dict[str, Any] = {}
        if size == 1:
            store = distributed.HashStore()  # type: ignore[attr-defined]
            alone = {"store": store, "rank": 0, "world_size": 1}
        distributed.init_process_group("nccl" if gpu else "gloo", device_id=device if gpu else None, **alone)
    try:
        yield Ranks(rank, size, local, device, sharded)
    finally:
        if sharded:
            distributed.destroy_process_group()


_VARIABLES = (("WORLD_SIZE", "1"), ("RANK", "0"), ("LOCAL_RANK", "0"))


def demand(gpus: int | None) -> bool:
    """Whether to compute on GPUs; asked before anything is loaded.

    Args:
        gpus: that mlops.yaml asks for on each machine; None without mlops.yaml, and whatever is there is used.

    Raises:
        Mistaken: more are asked for than the machine has.
    """
    import torch

    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus is None:
        return there > 0
    if gpus > there:
        asked = "a GPU" if gpus == 1 else f"{gpus} GPUs"
        has = "none that torch can use" if not there else f"only {there}"
        raise Mistaken(
            f"mlops.yaml asks for {asked} (`training.resources.gpu`) and this machine has {has}: run it on a GPU node, "
            "or write `gpu: 0` to train on the CPU"
        )
    return gpus > 0


def settle(scorer: Any, ranks: Ranks, precision: str) -> None:
    """Bring a model to its device and number formats, in place, and shard it over the processes.

    Trained weights are kept in fp32, whatever the precision of the computation; frozen ones in that precision. Sharded
    gradients are means over the processes.
    """
    import torch

    dtype = getattr(torch, DTYPES[precision])
    if not ranks.sharded:
        _cast(scorer, dtype)
        scorer.to(ranks.device)
        return
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(ranks.device.type, (ranks.size,))
    policy = MixedPrecisionPolicy(param_dtype=None if precision == "fp32" else dtype, reduce_dtype=torch.float32)
    blocks = set(getattr(scorer.network, "_no_split_modules", None) or ())
    for module in [*(m for m in scorer.modules() if type(m).__name__ in blocks), scorer]:
        _cast(module, dtype)
        fully_shard(module, mesh=mesh, mp_policy=policy)
    scorer.to(ranks.device)


def _cast(module: Any, dtype: torch.dtype) -> None:
    import torch

    for parameter in module.parameters():
        if not hasattr(parameter, "device_mesh"):
            parameter.data = parameter.data.to(torch.float32 if parameter.requires_grad else dtype)


def own_rows(count: int, ranks: Ranks) -> tuple[int, int]:
    """First row and the row after the last that FSDP2 gives this process of a tensor with `count` rows."""
    each = -(-count // ranks.size)
    start = min(ranks.rank * each, count)
    return start, min(start + each, count)


def local(tensor: torch.Tensor) -> torch.Tensor:
    """The part of a tensor that lies in this process."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor; every process must ask."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def resharded(scorer: Any) -> None:
    """Give back what the last forward pass left unsharded, so that parameters are what `own_rows` says."""
    for module in scorer.modules():
        if hasattr(module, "reshard"):
            module.reshard()
