"""What NVIDIA's DCGM exporter gives by default, versions 4.5 to 4.8.

`namespace`, `pod` and `container` are those of the workload that holds the GPU when the scrape honours labels, else
they are called `exported_namespace`, `exported_pod` and `exported_container`. A sensor that a GPU lacks shows a number
near 2^63: bound every comparison. `Hostname` is `hostname` after 4.5.3: name neither.
"""

from __future__ import annotations

from mlopsgen.contract.metrics.family import Family, Kind

VERSION = "4.5 to 4.8"

LABELS = tuple(
    (name, ())
    for name in (
        "gpu",
        "UUID",
        "pci_bus_id",
        "device",
        "modelName",
        "GPU_I_PROFILE",
        "GPU_I_ID",
        "DCGM_FI_DRIVER_VERSION",
        "namespace",
        "pod",
        "container",
        "exported_namespace",
        "exported_pod",
        "exported_container",
    )
)


def _family(name: str, help: str, unit: str, kind: Kind = "gauge") -> Family:
    return Family(f"DCGM_FI_{name}", kind, help, unit, LABELS, source="dcgm", needs="gpu", version=VERSION)


FAMILIES: tuple[Family, ...] = (
    _family("DEV_SM_CLOCK", "Clock of the multiprocessors.", "MHz"),
    _family("DEV_MEM_CLOCK", "Clock of the memory.", "MHz"),
    _family("DEV_GPU_TEMP", "Temperature of the GPU.", "degrees Celsius"),
    _family("DEV_MEMORY_TEMP", "Temperature of the memory.", "degrees Celsius"),
    _family("DEV_POWER_USAGE", "Power drawn.", "watts"),
    _family("DEV_TOTAL_ENERGY_CONSUMPTION", "Energy since the driver was loaded.", "millijoules", "counter"),
    _family("DEV_PCIE_REPLAY_COUNTER", "Retries on PCIe.", "retries", "counter"),
    _family("DEV_GPU_UTIL", "Share of time in which any kernel ran; says little about load.", "percent"),
    _family("DEV_MEM_COPY_UTIL", "Share of time in which memory was read or written.", "percent"),
    _family("DEV_ENC_UTIL", "Use of the encoder.", "percent"),
    _family("DEV_DEC_UTIL", "Use of the decoder.", "percent"),
    _family("DEV_XID_ERRORS", "Number of the last XID error; stays until another comes.", ""),
    _family("DEV_FB_FREE", "Free memory.", "MiB"),
    _family("DEV_FB_USED", "Used memory.", "MiB"),
    _family("DEV_FB_RESERVED", "Memory that the driver reserved.", "MiB"),
    _family("DEV_NVLINK_BANDWIDTH_TOTAL", "Traffic on NVLink.", "", "counter"),
    _family("DEV_UNCORRECTABLE_REMAPPED_ROWS", "Rows remapped after uncorrectable errors.", "rows", "counter"),
    _family("DEV_CORRECTABLE_REMAPPED_ROWS", "Rows remapped after correctable errors.", "rows", "counter"),
    _family("DEV_ROW_REMAP_FAILURE", "1 when a row could not be remapped.", ""),
    _family("PROF_GR_ENGINE_ACTIVE", "Share of time in which the graphics engine was active.", "share"),
    _family("PROF_PIPE_TENSOR_ACTIVE", "Share of cycles in which the tensor cores worked.", "share"),
    _family("PROF_DRAM_ACTIVE", "Share of cycles in which memory was read or written.", "share"),
    _family("PROF_PCIE_TX_BYTES", "Bytes a second sent over PCIe.", "bytes per second"),
    _family("PROF_PCIE_RX_BYTES", "Bytes a second received over PCIe.", "bytes per second"),
)
