"""Dashboard `gpu`: are the GPUs well, and do they earn their price. Metrics of NVIDIA's DCGM exporter."""

from __future__ import annotations

from collections.abc import Iterator

from mlopsgen.contract.promql import aggregate
from mlopsgen.targets.grafana.model import Board, Limit, Panel, Query, Row
from mlopsgen.targets.grafana.queries import RANGE, increase, level, rate
from mlopsgen.targets.grafana.view import View
from mlopsgen.targets.prometheus.hardware import HOTTEST

ABSENT = "1e15"
"""A sensor that a GPU lacks shows a number near 2^63."""

GPU = "{{instance}} GPU {{gpu}}"


def board(view: View) -> Board:
    """The dashboard."""
    return Board(
        "gpu",
        "GPUs",
        "Are the GPUs well, and do they earn their price.",
        "DCGM_FI_DEV_GPU_TEMP",
        (
            Row("work", "Work", tuple(_work())),
            Row("memory", "Memory", tuple(_memory(view))),
            Row("health", "Health", tuple(_health())),
        ),
    )


def known(name: str) -> str:
    """A sensor of the GPUs that have it."""
    return f"{level(f'DCGM_FI_{name}')} < {ABSENT}"


def _work() -> Iterator[Panel]:
    yield Panel(
        key="tensor",
        title="Tensor cores at work",
        text="The honest measure of load for a language model. 30% to 50% is good; 5% with full traffic is waste.",
        unit="percentunit",
        high=1,
        queries=(Query(known("PROF_PIPE_TENSOR_ACTIVE"), GPU),),
    )
    yield Panel(
        key="engine",
        title="Time in which anything ran",
        text="High here and low on the tensor cores: small batches, or waiting for memory.",
        unit="percentunit",
        high=1,
        queries=(Query(known("PROF_GR_ENGINE_ACTIVE"), GPU),),
    )
    yield Panel(
        key="dram",
        title="Memory traffic",
        text="Generation is bound by memory: near 80% a bigger batch is free, more tokens per second are not.",
        unit="percentunit",
        high=1,
        queries=(Query(known("PROF_DRAM_ACTIVE"), GPU),),
    )
    yield Panel(
        key="power",
        title="Power",
        text="Power far below the limit under full load: the GPU waits, or is held back.",
        unit="watt",
        queries=(Query(known("DEV_POWER_USAGE"), GPU),),
    )
    yield Panel(
        key="pcie",
        title="PCIe traffic",
        text="High while serving: weights or cache leave the GPU.",
        unit="Bps",
        queries=(
            Query(known("PROF_PCIE_TX_BYTES"), f"sent {GPU}"),
            Query(known("PROF_PCIE_RX_BYTES"), f"received {GPU}"),
        ),
    )
    yield Panel(
        key="energy",
        title="Energy in the time shown",
        text="Per GPU; a GPU that draws power and serves nothing shows here.",
        kind="bargauge",
        unit="joule",
        now=True,
        queries=(
            Query(f"{increase('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', ('instance', 'gpu'), window=RANGE)} / 1000", GPU),
        ),
    )


def _memory(view: View) -> Iterator[Panel]:
    used, free, reserved = (level(f"DCGM_FI_DEV_FB_{name}") for name in ("USED", "FREE", "RESERVED"))
    yield Panel(
        key="memory",
        title="Memory in use",
        text="Of the whole device, all processes. vLLM takes its share at the start and stays there.",
        unit="percentunit",
        high=1,
        limit=view.alert("gpu_memory"),
        alerts=("ModelGpuMemoryHigh",),
        width=12,
        queries=(Query(f"{used} / ({used} + {free} + {reserved})", GPU),),
    )
    yield Panel(
        key="memory-bytes",
        title="Memory in use, bytes",
        text="What a bigger model or a longer context must fit into.",
        unit="bytes",
        width=12,
        queries=(Query(f"{used} * 1048576", GPU),),
    )


def _health() -> Iterator[Panel]:
    yield Panel(
        key="temperature",
        title="Temperature",
        text="Above the line GPUs soon slow down: look at fans, airflow and neighbours.",
        unit="celsius",
        limit=Limit(HOTTEST, "above", "the limit of the alert"),
        alerts=("GpuTooHot",),
        queries=(Query(known("DEV_GPU_TEMP"), GPU), Query(known("DEV_MEMORY_TEMP"), f"memory {GPU}")),
    )
    yield Panel(
        key="clock",
        title="Clock of the multiprocessors",
        text="A fall under load is throttling, by heat or by power.",
        unit="rotmhz",
        queries=(Query(known("DEV_SM_CLOCK"), GPU),),
    )
    yield Panel(
        key="xid",
        title="Last XID error",
        text="Number of NVIDIA's list; it stays until another comes. 48, 63, 64, 74, 79, 94, 95: drain the node.",
        kind="bargauge",
        now=True,
        limit=Limit(1, "above"),
        alerts=("GpuXidError",),
        queries=(Query(known("DEV_XID_ERRORS"), GPU),),
    )
    yield Panel(
        key="replays",
        title="Retries on PCIe",
        text="A steady rate is a bad slot or riser.",
        queries=(Query(rate("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", ("instance", "gpu")), GPU),),
    )
    yield Panel(
        key="rows",
        title="Remapped rows",
        text="Uncorrectable ones: plan a replacement. A failed remap: take the GPU out now.",
        kind="bargauge",
        now=True,
        limit=Limit(1, "above"),
        queries=(
            Query(_rows("DEV_UNCORRECTABLE_REMAPPED_ROWS"), f"uncorrectable {GPU}"),
            Query(_rows("DEV_CORRECTABLE_REMAPPED_ROWS"), f"correctable {GPU}"),
            Query(_rows("DEV_ROW_REMAP_FAILURE"), f"failed {GPU}"),
        ),
    )


def _rows(name: str) -> str:
    return aggregate("max", known(name), ("instance", "gpu"))
