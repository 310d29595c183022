"""Settings of the receiver: section `retrain` of the quality exporter's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Settings(NamedTuple):
    """What the receiver is told. No secret is part of it.

    Attributes:
        model: its name in the registry, where trainings are recorded.
        repository: of GitHub, `owner/name`, whose workflow is dispatched; None on one machine.
        commands: that are run one after the other in the project's folder; empty in a cluster.
        max_per_day: trainings in 24 hours at most.
        min_interval: seconds between two of them at least.
    """

    model: str
    repository: str | None
    commands: tuple[tuple[str, ...], ...]
    max_per_day: int
    min_interval: float


def settings(model: str, given: Mapping[str, Any]) -> Settings:
    """From the section.

    Raises:
        KeyError, TypeError, ValueError: it is not complete.
    """
    found = Settings(
        model=model,
        repository=None if given["repository"] is None else str(given["repository"]),
        commands=tuple(tuple(str(word) for word in command) for command in given["commands"] or ()),
        max_per_day=int(given["max_per_day"]),
        min_interval=float(given["min_interval"]),
    )
    if found.max_per_day < 1 or found.min_interval < 0 or not all(found.commands):
        raise ValueError("`max_per_day`, `min_interval` or `commands`")
    return found
