"""The stages of a rollout: from when on the canary had which share of the users."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from mlops_runtime.errors import Mistaken

MOST = 64
"""Stages at most."""


class Stages(NamedTuple):
    """Stages in the order of time.

    Attributes:
        begins: seconds since 1970; -inf for one that always was.
        shares: of the canary.
    """

    begins: tuple[float, ...]
    shares: tuple[float, ...]

    def at(self, time: float) -> int:
        """Number of the stage at a time; -1 before the first."""
        return bisect_right(self.begins, time) - 1


def constant(share: float) -> Stages:
    """One stage without beginning."""
    return Stages((-math.inf,), (share,))


def moment(value: Any) -> float:
    """Seconds since 1970 of a number, or of an ISO time with its zone.

    Raises:
        ValueError: neither.
    """
    if isinstance(value, str):
        found = datetime.fromisoformat(value)
        if found.tzinfo is None:
            raise ValueError(f"{value!r} names no time zone")
        return found.timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no time")
    return float(value)


def shown(time: float) -> str:
    """A time as people read it; nothing for one without beginning."""
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds") if math.isfinite(time) else ""


def read(path: str) -> Stages:
    """Stages of a file: a JSON list of `{"at": time, "share": from 0 to 1}`, or the JSON of `rollout status`.

    Raises:
        Mistaken: it cannot be read, or holds something else.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    except (OSError, ValueError) as error:
        raise Mistaken(f"{path}, the stages, cannot be read: {error}") from None
    if isinstance(content, dict):
        content = content.get("stages")
    if not isinstance(content, list) or not 0 < len(content) <= MOST:
        raise Mistaken(f'{path}: expected a list of 1 to {MOST} stages, each {{"at": time, "share": 0.1}}')
    return _stages(content, path)


def _stages(content: Sequence[Any], path: str) -> Stages:
    begins: list[float] = []
    shares: list[float] = []
    for number, one in enumerate(content, 1):
        try:
            begin, share = moment(one["at"]), float(one["share"])
        except (KeyError, TypeError, ValueError) as error:
            raise Mistaken(f'{path}, stage {number}: expected {{"at": time, "share": 0.1}} ({error})') from None
        if not 0 <= share <= 1:
            raise Mistaken(f"{path}, stage {number}: the share {share:g} is not from 0 to 1")
        if begins and begin <= begins[-1]:
            raise Mistaken(f"{path}, stage {number}: it begins before stage {number - 1} ends")
        begins.append(begin)
        shares.append(share)
    return Stages(tuple(begins), tuple(shares))
