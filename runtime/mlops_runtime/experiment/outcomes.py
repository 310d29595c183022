"""Outcomes from the servers' logs: sums by user and stage, so that memory grows with users and not with requests."""

from __future__ import annotations

import gzip
import math
import os
import sys
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

import numpy as np
import orjson

from mlops_runtime.data.progress import progress
from mlops_runtime.errors import Mistaken
from mlops_runtime.experiment.assignment import CANARY, CHAMPION, PSEUDONYM
from mlops_runtime.experiment.estimate import Units
from mlops_runtime.experiment.latencies import Latencies
from mlops_runtime.experiment.stages import Stages, moment
from mlops_runtime.serving.logs import OUTCOME

LONGEST = 1 << 20
"""Bytes of a line at most."""

TOLD = 3
"""Broken lines whose place is told."""

FASTEST = 1e-6
"""Seconds below which an answer counts as this fast, so that it has a logarithm."""


class Outcome(NamedTuple):
    """One line.

    Attributes:
        time: seconds since 1970 at which the request came.
        arm: 0 for the champion, 1 for the canary.
        version: of the model.
        user: number made of the pseudonym.
        success: whether it was answered; None for what says nothing about the model.
        seconds: to the end of the answer; None where there was none.
        rating: 1 to 5.
    """

    time: float
    arm: int
    version: str
    user: int
    success: bool | None
    seconds: float | None
    rating: int | None


class Window(NamedTuple):
    """Which times count, in seconds since 1970."""

    since: float = -math.inf
    until: float = math.inf


class Outcomes:
    """Sums by user and stage.

    Args:
        stages: of the rollout.
        window: which times count.

    Attributes:
        lines: read.
        records: outcomes that counted.
        outside: outcomes before the first stage or outside of the window.
        begin: time of the first.
        end: time of the last.
        versions: outcomes by arm and version.
        latencies: of all requests.
    """

    def __init__(self, stages: Stages, window: Window = Window()) -> None:
        self._stages, self._window = stages, window
        self.lines = self.records = self.outside = 0
        self.begin, self.end = math.inf, -math.inf
        self.versions: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self.latencies = Latencies(len(stages.begins))
        self._units: dict[tuple[int, int], int] = {}
        self._users: dict[int, int] = {}
        self._user, self._stage, self._arms = array("q"), array("b"), array("b")
        self._first = array("d")
        self._count = {name: array("q") for name in ("rating", "success", "latency")}
        self._sum = {name: array("d") for name in self._count}

    def add(self, one: Outcome) -> None:
        """Count one outcome."""
        stage = self._stages.at(one.time)
        if stage < 0 or not self._window.since <= one.time < self._window.until:
            self.outside += 1
            return
        self.records += 1
        self.begin, self.end = min(self.begin, one.time), max(self.end, one.time)
        self.versions[one.arm][one.version] += 1
        unit = self._unit(one, stage)
        self._arms[unit] |= 1 << one.arm
        self._first[unit] = min(self._first[unit], one.time)
        if one.rating is not None:
            self._observe("rating", unit, one.rating)
        if one.success is None:
            return
        self._observe("success", unit, float(one.success))
        if one.seconds is not None:
            self._observe("latency", unit, math.log(max(one.seconds, FASTEST)))
            self.latencies.add(stage, one.arm, one.user, one.seconds)

    def _unit(self, one: Outcome, stage: int) -> int:
        key = (one.user, stage)
        unit = self._units.get(key)
        if unit is None:
            unit = self._units[key] = len(self._user)
            self._user.append(self._users.setdefault(one.user, len(self._users)))
            self._stage.append(stage)
            self._arms.append(0)
            self._first.append(one.time)
            for name in self._count:
                self._count[name].append(0)
                self._sum[name].append(0.0)
        return unit

    def _observe(self, metric: str, unit: int, value: float) -> None:
        self._count[metric][unit] += 1
        self._sum[metric][unit] += value

    def units(self, metric: str) -> tuple[Units, Any]:
        """Users with this metric in the order in which they came, without those in both arms; and when each came."""
        count = np.array(self._count[metric])
        arms, first, user = np.array(self._arms), np.array(self._first), np.array(self._user)
        chosen = np.flatnonzero((count > 0) & (arms != 3))
        # Logs of several servers are read one after the other: only time and name give an order that does not depend
        # on which comes first.
        names = np.fromiter(self._users, dtype=np.uint64, count=len(self._users))
        chosen = chosen[np.lexsort((names[user[chosen]], first[chosen]))]
        value = np.array(self._sum[metric])[chosen] / count[chosen]
        stage = np.array(self._stage, dtype=np.int64)[chosen]
        return Units(value, (arms[chosen] == 2).astype(np.int64), stage, user[chosen]), first[chosen]

    def seen(self) -> tuple[list[int], list[int], list[int]]:
        """Users by stage: of the champion alone, of the canary alone, of both."""
        stage, arms = np.array(self._stage, dtype=np.int64), np.array(self._arms)
        size = len(self._stages.begins)
        low, high, both = (np.bincount(stage[arms == kind], minlength=size).tolist() for kind in (1, 2, 3))
        return low, high, both

    def people(self) -> tuple[int, int]:
        """Users in all, and how many of them changed their arm from one stage to another."""
        user, arms = np.array(self._user), np.array(self._arms)
        alone = arms != 3
        sides = [np.bincount(user[alone & (arms == kind)], minlength=len(self._users)) > 0 for kind in (1, 2)]
        return len(self._users), int((sides[0] & sides[1]).sum())


def read(paths: Sequence[str], stages: Stages, window: Window = Window()) -> Outcomes:
    """Outcomes of logs.

    Args:
        paths: files of JSON lines, `.gz` for compressed ones, `-` for standard input.
        stages: of the rollout.
        window: which times count.

    Raises:
        Mistaken: a file that cannot be read or is named twice, lines that are no records, or no outcomes at all.
    """
    real = [os.path.realpath(path) if path != "-" else path for path in paths]
    twice = sorted({path for path, one in zip(paths, real, strict=True) if real.count(one) > 1})
    if twice:
        raise Mistaken(f"{', '.join(twice)}: the same file twice would count each outcome twice")
    found, broken = Outcomes(stages, window), 0
    places: list[str] = []
    for path in paths:
        for number, line in progress(_lines(path), path, "lines"):
            found.lines += 1
            try:
                one = parsed(line)
            except ValueError as error:
                broken += 1
                if len(places) < TOLD:
                    places.append(f"{path}:{number}: {error}")
                continue
            if one is not None:
                found.add(one)
    if broken:
        noun = "line is" if broken == 1 else "lines are"
        more = "; …" if broken > TOLD else ""
        raise Mistaken(f"{broken} {noun} broken, so nothing is said: {'; '.join(places)}{more}")
    if not found.records:
        raise Mistaken(_nothing(found))
    return found


def _nothing(found: Outcomes) -> str:
    if found.outside:
        return f"all {found.outside} outcomes lie before the first stage, or outside of --since and --until"
    return (
        f"no outcome in {found.lines} lines: servers write them when `experiment` is in their settings and callers "
        "send the header of `experiment.sticky`"
    )


def _lines(path: str) -> Iterator[tuple[int, bytes]]:
    number = 1
    try:
        with _opened(path) as stream:
            while line := stream.readline(LONGEST):
                if line.strip():
                    yield number, line
                number += line.endswith(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        raise Mistaken(f"{path} cannot be read after line {number - 1}: {error}") from None


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield sys.stdin.buffer
    elif path.endswith(".gz"):
        with gzip.open(path) as stream:
            yield stream  # type: ignore[misc]
    else:
        with open(path, "rb") as plain:
            yield plain


def parsed(line: bytes) -> Outcome | None:
    """The outcome that a line holds; None for other events.

    Raises:
        ValueError: the line is no JSON object, or no outcome as servers write it.
    """
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise ValueError("no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    if found.get("event") != OUTCOME:
        return None
    try:
        time, seconds = moment(found["time"]), _seconds(found.get("seconds"))
        user, variant = found["user"], found["variant"]
        if len(user) != PSEUDONYM or variant not in (CHAMPION, CANARY):
            raise ValueError("an unknown variant, or a user that is no pseudonym")
        return Outcome(
            time=time - (seconds or 0.0),
            arm=int(variant == CANARY),
            version=str(found["version"]),
            user=int(user, 16),
            success=_flag(found.get("success")),
            seconds=seconds,
            rating=_rating(found.get("rating")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no outcome: {error}") from None


def _flag(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"success is {value!r}")
    return value


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"seconds is {value!r}")
    return float(value)


def _rating(value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 5):
        raise ValueError(f"rating is {value!r}")
    return value
