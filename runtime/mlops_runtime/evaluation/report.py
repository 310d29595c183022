"""Reports of the evaluation, as JSON that every reader takes, and from which no gate passes by accident."""

from __future__ import annotations

import math
from typing import Any

from mlops_runtime.data.atomic import write_json


def write(path: str, content: dict[str, Any]) -> None:
    """Write a report, whole or not at all.

    JSON has no number that is not finite: such a one is written as the text `nan`, `inf` or `-inf`, which is no number
    and so fails the gate.
    """
    write_json(path, _readable(content))


def _readable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
