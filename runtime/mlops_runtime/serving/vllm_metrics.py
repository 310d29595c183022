"""vLLM's own metrics, passed on under the model's name in the registry: the families of the contract, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlopsgen.contract.metrics import FAMILIES

KNOWN = {family.name: family for family in FAMILIES if family.source == "vllm"}
SERIES = {series: family for family in KNOWN.values() for series in family.series}

_SAMPLE = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})? (\S+)")
_MODEL = re.compile(r'(^|,)model_name="(?:[^"\\]|\\.)*"')
_VALUE = re.compile(r"[+-]?Inf|NaN|[-+0-9.eE]+")


def passed(text: str, model: str) -> str:
    """The families of the contract in what vLLM exports.

    Args:
        text: in Prometheus' text format.
        model: value of `model_name` of each series.
    """
    lines: dict[str, list[str]] = {}
    name = model.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    for family, line in _samples(text, f'model_name="{name}"'):
        lines.setdefault(family, []).append(line)
    found = []
    for family, samples in lines.items():
        help = KNOWN[family].help
        found += [f"# HELP {family} {help}", f"# TYPE {family} {KNOWN[family].kind}", *samples]
    return "".join(f"{line}\n" for line in found)


def _samples(text: str, label: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if line.startswith("#") or (found := _SAMPLE.match(line)) is None:
            continue
        name, labels, value = found.groups()
        family = SERIES.get(name)
        if family is None or not _VALUE.fullmatch(value):
            continue
        kept, count = _MODEL.subn(lambda match: match[1] + label, labels or "", count=1)
        if not count:
            kept = ",".join(part for part in (label, kept) if part)
        yield family.name, f"{name}{{{kept}}} {value}"


def gauge(text: str, name: str) -> float | None:
    """Sum of a gauge over its series; None when there is none."""
    values = [float(found[3]) for line in text.splitlines() if (found := _SAMPLE.match(line)) and found[1] == name]
    return sum(values) if values else None


def cache_blocks(text: str) -> tuple[int, int] | None:
    """Blocks of the key-value cache and tokens in each, as `vllm:cache_config_info` tells; None when it does not."""
    for line in text.splitlines():
        if line.startswith("vllm:cache_config_info{"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            try:
                return int(labels["num_gpu_blocks"]), int(labels["block_size"])
            except (KeyError, ValueError):
                return None
    return None
