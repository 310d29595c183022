"""Kubernetes quantities as numbers."""

from __future__ import annotations

_UNITS = {
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "Pi": 2**50,
    "Ei": 2**60,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "P": 10**15,
    "E": 10**18,
}


def in_bytes(memory: str) -> float:
    """A valid memory quantity in bytes: `64Gi`, `1500M`, `1024`.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    unit = memory.lstrip("0123456789.")
    return float(memory.removesuffix(unit)) * _UNITS.get(unit, 1)


def in_cores(cpu: str) -> float:
    """A valid CPU quantity in cores: `0.5`, `500m`."""
    return float(cpu[:-1]) / 1000 if cpu.endswith("m") else float(cpu)
