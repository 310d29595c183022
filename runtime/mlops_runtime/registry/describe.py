"""What people read about a version in the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_runtime.terminal import number
from mlopsgen.contract import registry

CONFIGURATION = ("learning_rate", "batch_size", "epochs", "scheduler", "warmup_steps", "weight_decay", "precision")


def text(info: Mapping[str, Any], tags: Mapping[str, str], metrics: Mapping[str, float], run: Any) -> str:
    """Description in Markdown: what it is, its configuration, how it performs, where it comes from.

    Args:
        info: `mlops.json`.
        tags: lineage.
        metrics: of the reports.
        run: that trained it.
    """
    lines = [
        f"**{tags.get(registry.TAG_TASK)}**, {tags.get(registry.TAG_METHOD)}, base `{tags.get(registry.TAG_BASE)}`",
        "",
    ]
    known = run.data.params
    configuration = [f"{name} {known[f'train.{name}']}" for name in CONFIGURATION if f"train.{name}" in known]
    lines += [f"Configuration: {', '.join(configuration)}", ""] if configuration else []
    if metrics:
        lines += ["| metric | value |", "|---|---|"]
        lines += [f"| {name} | {number(value)} |" for name, value in sorted(metrics.items())] + [""]
    note = run.data.tags.get("mlflow.note.content")
    lines += [f"Notes: {note}", ""] if note else []
    names = (registry.TAG_COMMIT, registry.TAG_SPEC_DIGEST, registry.TAG_DATA_DIGEST, registry.TAG_BASE_REVISION)
    lines += [f"- {name}: `{tags[name]}`" for name in names if name in tags]
    return "\n".join(lines)
