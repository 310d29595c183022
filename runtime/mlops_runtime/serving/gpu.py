"""Memory of the GPUs, as their driver sees it: with everything that other processes use."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_runtime.serving import logs

if TYPE_CHECKING:
    from mlops_runtime.serving.service import Service

EVERY = 5.0
"""Seconds between two looks."""


class Memory(NamedTuple):
    """Memory of one device in bytes."""

    device: str
    used: int
    total: int


def devices() -> Iterator[Memory]:
    """The GPUs that this process may use, named by the driver's numbers.

    Raises:
        pynvml.NVMLError: there is no driver.
    """
    import pynvml  # type: ignore[import-untyped]

    pynvml.nvmlInit()
    try:
        count = pynvml.nvmlDeviceGetCount()
        for index in _visible(count):
            found = pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(index))
            yield Memory(str(index), int(found.used), int(found.total))
    finally:
        pynvml.nvmlShutdown()


def _visible(count: int) -> list[int]:
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None or not all(part.strip().isdigit() for part in named.split(",")):
        return list(range(count))
    return [index for part in named.split(",") if (index := int(part)) < count]


def unfilled(service: Service) -> dict[str, float]:
    """Bytes that the engine has reserved and not filled, by device."""
    told: Any = getattr(service.engine, "unfilled", None)
    if told is not None:
        found: dict[str, float] = told()
        return found
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    held = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return {str(torch.cuda.current_device()): float(held)}


async def watch(service: Service) -> None:
    """Keep the metrics up to date; without a driver, say so once and stop."""
    while True:
        try:
            found = await asyncio.to_thread(lambda: list(devices()))
        except Exception as error:
            logs.say("gpu", "warning", message=f"the GPU's driver tells nothing: {error}")
            return
        free = unfilled(service)
        for memory in found:
            used = max(0.0, memory.used - free.get(memory.device, 0.0))
            service.metrics.memory(memory.device, used, memory.total)
        await asyncio.sleep(EVERY)
