"""Logs of servers, made up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mlops_runtime.experiment.settings import Settings
from mlops_runtime.experiment.stages import Stages, shown

BEGIN = 1_795_392_000.0
DAY = 86_400.0

SPEC = """version: 1
project: {name: assistant}
data: {raw: data/raw}
model: {architecture: {type: llama, hidden_size: 32, layers: 1, heads: 1, vocab_size: 256}}
experiment: {sticky: {header: X-User-Id}, traffic: 10%}
"""


def settings(**more: Any) -> Settings:
    """Those of `SPEC`."""
    found = Settings("assistant", "x-user-id", 0.1, "rating", 0.05, 0.8, 0.2, 30, 7 * DAY)
    return found._replace(**more)


def line(user: int, canary: bool = False, at: float = 0.0, **facts: Any) -> dict[str, Any]:
    """An outcome, so many seconds after `BEGIN`."""
    found = {"time": shown(BEGIN + at), "level": "info", "event": "outcome", "user": f"{user:016x}"}
    return found | {"variant": "canary" if canary else "champion", "version": "4" if canary else "3"} | facts


def answered(user: int, canary: bool = False, at: float = 0.0, seconds: float = 0.5) -> dict[str, Any]:
    """A request that was answered."""
    return line(user, canary, at, success=True, seconds=seconds)


def write(path: Path, lines: Iterable[Any]) -> str:
    """Write a log."""
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
    return str(path)


def log(
    users: int = 1500,
    effect: float = 0.0,
    shares: Sequence[float] = (0.1,),
    seed: int = 1,
    failing: float = 0.01,
    slower: float = 0.0,
    rated: float = 1.0,
) -> list[dict[str, Any]]:
    """A log in the order of time: users who come up to three times in as many days as there are shares."""
    generator, lines = np.random.default_rng(seed), []
    for user in range(users):
        position, own = generator.random(), generator.normal()
        for at in sorted(generator.random(1 + generator.integers(3)) * len(shares) * DAY):
            canary = bool(position < shares[int(at // DAY)])
            if generator.random() < (failing if canary else 0.01):
                lines.append(line(user, canary, at, success=False, seconds=None))
                continue
            took = round(float(np.exp(0.3 * own + 0.4 * generator.normal() - 0.5 + slower * canary)), 6)
            lines.append(answered(user, canary, at, took))
            if generator.random() < rated:
                stars = int(np.clip(round(3.5 + 0.7 * own + 0.8 * generator.normal() + effect * canary), 1, 5))
                lines.append(line(user, canary, at + 1, rating=stars))
    return sorted(lines, key=lambda one: str(one["time"]))


def ramp(*shares: float) -> Stages:
    """A day each."""
    return Stages(tuple(BEGIN + DAY * number for number in range(len(shares))), shares)
