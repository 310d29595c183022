"""Version 0, the first form of the language before a release, to version 1.

| version 0 | version 1 |
|---|---|
| `version: 0`, or none | `version: 1` |
| `train:`, `deploy:`, `monitor:`, `canary:` | `training:`, `serving:`, `monitoring:`, `rollout:` |
| the last three inside of `environments.<name>` | the same names there |
| `data.path`, `model.pretrained` | `data.raw`, `model.base` |
| `train.lr` | `training.learning_rate` |
| `deploy.gpus` | `serving.resources: {gpu: …}` |
| durations as plain seconds: `timeout: 30`, `0.5` | with a unit: `30s`, `500ms` |
| shares as fractions in words: `"1/20"`, `"0.05"` | with `%`: `5%` |
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlopsgen.spec.migrations.step import Change, Put, Rename, Step, Stuck, matching
from mlopsgen.spec.tree import Node, Path, dotted

VERSION = 0

SECTIONS = {"train": "training", "deploy": "serving", "monitor": "monitoring", "canary": "rollout"}
FIELDS = {"data.path": "raw", "model.pretrained": "base", "training.lr": "learning_rate"}

DURATIONS = (
    "serving.timeout",
    "serving.rate_limit.per",
    "rollout.hold",
    "rollout.check_every",
    "rollout.deadline",
    "rollout.gates.latency_p95.*",
    "experiment.max_duration",
    "evaluation.benchmark.latency_p95.*",
    "monitoring.scrape_interval",
    "monitoring.quality.every",
    "monitoring.slo.window",
    "monitoring.slo.latency.max",
    "monitoring.alerts.*.for",
    "monitoring.alerts.custom.*.for",
    "monitoring.alerts.latency_p95.max",
    "monitoring.alerts.traffic_drop.compared_to",
)
SHARES = (
    "data.split.validation",
    "data.duplicates.max",
    "data.drift.alpha",
    "model.adapter.dropout",
    "evaluation.gates.*.*",
    "evaluation.against_champion.max_worse",
    "evaluation.safety.*.*",
    "rollout.steps.*",
    "rollout.gates.error_rate.max",
    "rollout.against_champion.alpha",
    "experiment.traffic",
    "experiment.alpha",
    "experiment.power",
    "monitoring.slo.availability",
    "monitoring.slo.latency.quantile",
    "monitoring.alerts.*.max",
    "monitoring.alerts.*.min",
)
_FRACTION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(?:/\s*([0-9]+(?:\.[0-9]+)?)\s*)?")


def _everywhere(patterns: tuple[str, ...]) -> list[str]:
    """Paths in the document and in the overlays of its environments."""
    overlaid = [one for one in patterns if one.startswith(("serving.", "rollout.", "experiment.", "monitoring."))]
    return [*patterns, *(f"environments.*.{one}" for one in overlaid)]


def sections(tree: Node) -> Iterator[Change]:
    """Sections that had other names."""
    for above in ((), *(path for path, _ in matching(tree, "environments.*"))):
        parent = tree.find(above)
        if parent is None or not isinstance(parent.value, dict):
            continue
        for old, new in SECTIONS.items():
            if old in parent.value:
                yield _renamed(parent, (*above, old), new)


def renamed_fields(tree: Node) -> Iterator[Change]:
    """Fields that had other names."""
    for pattern, new in FIELDS.items():
        for path, _ in matching(tree, pattern):
            parent = tree.find(path[:-1])
            assert parent is not None
            yield _renamed(parent, path, new)


def _renamed(parent: Node, path: Path, new: str) -> Change:
    if new in parent.value:
        return Stuck(path, f"`{path[-1]}` and `{new}`, which it became, stand side by side", "keep one of them")
    return Rename(path, new)


def gpus(tree: Node) -> Iterator[Change]:
    """The number of GPUs of a server stood alone."""
    for pattern in _everywhere(("serving.gpus",)):
        for path, node in matching(tree, pattern):
            section = tree.find(path[:-1])
            assert section is not None
            if "resources" in section.value:
                help = "write the number as `resources: {gpu: …}` and drop `gpus`"
                yield Stuck(path, "`gpus` and `resources`, which it became a part of, stand side by side", help)
            else:
                yield Put(path, {"gpu": node.plain()})
                yield Rename(path, "resources")


def durations(tree: Node) -> Iterator[Change]:
    """Plain numbers were seconds."""
    for pattern in _everywhere(DURATIONS):
        for path, node in matching(tree, pattern):
            if isinstance(node.value, bool) or not isinstance(node.value, int | float):
                continue
            milliseconds = node.value * 1000
            if milliseconds < 1 or milliseconds != int(milliseconds):
                why = f"{dotted(path)} is {node.value} seconds, which no duration says"
                yield Stuck(path, why, "write milliseconds or more, such as `500ms`")
            elif node.value == int(node.value):
                yield Put(path, f"{int(node.value)}s")
            else:
                yield Put(path, f"{int(milliseconds)}ms")


def shares(tree: Node) -> Iterator[Change]:
    """Parts of a whole were fractions in words."""
    for pattern in _everywhere(SHARES):
        for path, node in matching(tree, pattern):
            if not isinstance(node.value, str) or node.value.endswith("%"):
                continue
            match = _FRACTION.fullmatch(node.value)
            if match is None and "/" not in node.value:
                continue  # a duration, or what `validate` will name
            below = float(match[2] or 1) if match else 0.0
            if match is None or not below or float(match[1]) > below:
                why = f"{dotted(path)} is `{node.value}`, which is no part of a whole"
                yield Stuck(path, why, "write a share, such as `5%`")
            else:
                yield Put(path, f"{float(match[1]) / below * 100:.10g}%")


def version(tree: Node) -> Iterator[Change]:
    """The number itself comes last, so that a document is of version 1 when all is done."""
    yield Put(("version",), 1)


steps: tuple[Step, ...] = (sections, renamed_fields, gpus, durations, shares, version)
