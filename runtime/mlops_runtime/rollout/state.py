"""A rollout as it is remembered outside of the process, so that a controller that was killed goes on where it was."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple, get_args

from mlops_runtime.errors import Mistaken

Phase = Literal["running", "paused", "promoting", "rolling_back", "promoted", "rolled_back"]

ENDED: tuple[Phase, ...] = ("promoted", "rolled_back")

FORMAT = 1

POINTS = 240
"""Points of each curve that are kept; when there are more, every second one of the older half goes."""

DECISIONS = 60
"""Decisions that are kept: the first ones and the latest."""


class Point(NamedTuple):
    """What was seen between two looks.

    Attributes:
        at: seconds since 1970.
        weight: share of the canary.
        champion: requests of the champion.
        champion_failed: those of them that failed.
        canary: requests of the canary.
        canary_failed: those of them that failed.
    """

    at: float
    weight: float
    champion: int = 0
    champion_failed: int = 0
    canary: int = 0
    canary_failed: int = 0


class Decision(NamedTuple):
    """Something that was decided.

    Attributes:
        at: seconds since 1970.
        outcome: `start`, `advance`, `hold`, `rollback`, `promote`, `pause`, `resume`.
        text: why, in words.
    """

    at: float
    outcome: str
    text: str


@dataclass(frozen=True)
class State:
    """A rollout.

    Attributes:
        id: of the rollout.
        champion: version before it; None for the first release ever.
        canary: version that is tried.
        phase: where it is.
        steps: shares of the canary, as they were when it began: what nobody judged yet cannot come by an edit.
        step: position of the step, from 0.
        weight: share that the canary is to have now.
        held: seconds at this step so far, with its weight in place.
        total: seconds since the begin in which a controller looked and nobody had paused it.
        began: seconds since 1970.
        step_began: seconds since 1970.
        ended: seconds since 1970; 0 while it lasts.
        reason: what ended it, as in `mlopsgen.contract.metrics.rollout`; empty otherwise.
        text: the last look in words.
        size: servers that the whole traffic takes: the most that the champion has had.
        returning: whether the champion runs the new version, and traffic is on its way back to it.
        evidence: of the judgement.
        points: what was seen.
        decisions: what was decided.
    """

    id: str
    champion: str | None
    canary: str
    phase: Phase = "running"
    steps: tuple[float, ...] = (1.0,)
    step: int = 0
    weight: float = 0.0
    held: float = 0.0
    total: float = 0.0
    began: float = 0.0
    step_began: float = 0.0
    ended: float = 0.0
    reason: str = ""
    text: str = ""
    size: int = 1
    returning: bool = False
    evidence: Mapping[str, Any] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    decisions: tuple[Decision, ...] = ()

    @property
    def active(self) -> bool:
        """Whether it is under way."""
        return self.phase not in ENDED

    def decided(self, at: float, outcome: str, text: str, **changes: Any) -> State:
        """With one more decision, and other changes."""
        made = (*self.decisions, Decision(round(at, 3), outcome, text))
        if len(made) > DECISIONS:
            made = (*made[: DECISIONS // 3], *made[1 + DECISIONS // 3 :])
        return replace(self, decisions=made, text=text, **changes)

    def seen(self, point: Point) -> State:
        """With one more point of the curves."""
        points = (*self.points, point)
        if len(points) > POINTS:
            points = (*thinned(points[: POINTS // 2]), *points[POINTS // 2 :])
        return replace(self, points=points)


def thinned(points: Sequence[Point]) -> list[Point]:
    """Half of the points: of each two the later one, with the requests of both. Changes of the weight stay."""
    found: list[Point] = []
    waiting: Point | None = None
    for point in points:
        if waiting is None:
            waiting = point
        elif waiting.weight != point.weight:
            found.append(waiting)
            waiting = point
        else:
            sums = (before + now for before, now in zip(waiting[2:], point[2:], strict=True))
            found.append(Point(point.at, point.weight, *(int(each) for each in sums)))
            waiting = None
    return found if waiting is None else [*found, waiting]


def written(state: State) -> str:
    """One line of JSON, below 100 kB."""
    return json.dumps({"format": FORMAT, **asdict(state)}, separators=(",", ":"), allow_nan=False)


def read(text: str, place: str) -> State:
    """The state that `written` wrote.

    Raises:
        Mistaken: it is not one, or of another version of this program.
    """
    try:
        content = json.loads(text, parse_constant=_refused)
        form = content.pop("format")
    except (ValueError, AttributeError, KeyError, TypeError):
        raise Mistaken(f"{place} holds no rollout: remove it, and everybody goes back to the champion") from None
    if form != FORMAT:
        raise Mistaken(f"{place} holds a rollout of another version of this program ({form}): end it with that one")
    try:
        content["steps"] = tuple(float(step) for step in content["steps"])
        content["points"] = tuple(Point(*point) for point in content["points"])
        content["decisions"] = tuple(Decision(*decision) for decision in content["decisions"])
        state = State(**content)
        _demand(state)
    except (KeyError, TypeError, ValueError) as error:
        raise Mistaken(f"{place} holds no rollout ({error}): remove it, and everybody goes to the champion") from None
    return state


def _demand(state: State) -> None:
    numbers = (state.weight, state.held, state.total, state.began, state.step_began, state.ended)
    if not all(isinstance(each, int | float) and math.isfinite(each) for each in numbers):
        raise ValueError("a number is not finite")
    shares = (state.weight, *state.steps)
    if state.phase not in get_args(Phase) or not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"phase {state.phase!r}, shares {shares!r}")
    if not isinstance(state.step, int) or not 0 <= state.step < len(state.steps):
        raise ValueError(f"step {state.step!r} of {len(state.steps)}")


def _refused(name: str) -> None:
    raise ValueError(name)
