"""What people and workflows do with a rollout. Each is one write of its state; the controller does the rest."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from mlops_runtime.errors import Mistaken
from mlops_runtime.rollout import course, report, status
from mlops_runtime.rollout.places.base import Conflict, Held, Place, Unreachable
from mlops_runtime.rollout.settings import Settings
from mlops_runtime.rollout.state import Phase, State

TRIES = 20
"""Writes that meet another writer before that is a fault."""

EVERY = 2.0
"""Seconds between two looks at the state by `watch`."""

PATIENCE = 300.0
"""Seconds in which a place that does not answer may come back, while a rollout is watched."""


def start(place: Place, version: str | None, steps: tuple[float, ...]) -> State:
    """Begin a rollout. One of the same version that is under way stays as it is.

    Args:
        place: where it happens.
        version: that is to be tried; the one that the place knows when None.
        steps: shares of the canary, step by step.

    Raises:
        Mistaken: nothing to try, or another rollout is under way.
    """

    def begin(held: Held) -> State:
        now = held.state
        if now is not None and now.active:
            if version in (None, now.canary):
                return now
            raise Mistaken(
                f"a rollout of version {now.canary} is under way ({now.phase}): wait for it, or `rollout abort`"
            )
        canary, at = place.prepare(version), time.time()
        stamp = datetime.fromtimestamp(at, UTC).strftime("%Y%m%d-%H%M%S")
        return course.begun(f"{stamp}-{canary}", canary, place.servers("champion"), steps, at)

    return _written(place, begin)


def pause(place: Place) -> State:
    """Stay at the weight of now. What speaks against the canary still takes it back.

    Raises:
        Mistaken: no rollout runs.
    """
    return _written(place, lambda held: _switched(held, "running", "paused", "pause"))


def resume(place: Place) -> State:
    """Go on after `pause`.

    Raises:
        Mistaken: no rollout is paused.
    """
    return _written(place, lambda held: _switched(held, "paused", "running", "resume"))


def promote(place: Place) -> State:
    """Make the canary the champion now, whatever is known about it.

    Raises:
        Mistaken: no rollout runs.
    """

    def change(held: Held) -> State:
        state = _demand(held, "running", "paused", "promoting")
        return state if state.phase == "promoting" else course.promoted(state, time.time(), "by hand")

    return _written(place, change)


def abort(place: Place) -> State | None:
    """Everybody to the champion, with this very write. Nothing to do when no rollout is under way.

    Raises:
        Mistaken: the canary is being promoted.
    """

    def change(held: Held) -> State:
        state = held.state
        assert state is not None
        if state.phase == "promoting":
            raise Mistaken(
                f"version {state.canary} is being promoted: go back to version {state.champion} with "
                "`mlops-runtime rollback`, once that is done"
            )
        if state.phase not in ("running", "paused"):
            return state
        return course.taken_back(state, time.time(), course.MANUAL, "aborted by hand")

    if _answering(place).state is None:
        return None
    return _written(place, change)


def look(settings: Settings, place: Place) -> dict[str, Any] | None:
    """The last rollout as plain data; None before the first."""
    state = _answering(place).state
    return None if state is None else status.content(state, report.path(settings, state))


def watch(
    place: Place,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[State]:
    """States of the rollout as they change, until it has ended.

    Args:
        place: where it happens.
        timeout: seconds after which it must have ended.
        clock: seconds that only grow.
        sleep: waits.

    Raises:
        Mistaken: no rollout, or it had not ended.
    """
    begin = answered = clock()
    shown: tuple[Any, ...] = ()
    while True:
        try:
            state = place.read().state
            answered = clock()
        except Unreachable as error:
            if clock() - answered > PATIENCE:
                raise Mistaken(f"for {PATIENCE:.0f} s: {error}") from None
            sleep(EVERY)
            continue
        if state is None:
            raise Mistaken("there is no rollout: `mlops-runtime rollout start` begins one")
        facts = (state.id, state.phase, state.step, state.weight, state.decisions[-1:])
        if facts != shown:
            shown = facts
            yield state
        if not state.active:
            return
        if clock() - begin > timeout:
            raise Mistaken(f"after {timeout:.0f} s the rollout is still {state.phase}: {state.text}")
        sleep(EVERY)


def progress(state: State) -> None:
    """One line for people, on standard error."""
    at = datetime.now(UTC).strftime("%H:%M:%S")
    line = f"{at}  {state.phase.replace('_', ' '):12} {state.weight * 100:>6.4g}%  {state.text}"
    print(line, file=sys.stderr, flush=True)


def _written(place: Place, change: Callable[[Held], State]) -> State:
    """The state that a change makes of the one that is there, once nobody wrote in between."""
    for _ in range(TRIES):
        held = _answering(place)
        before, after = held.state, change(held)
        if before == after:
            return after
        try:
            place.write(held, after)
        except Conflict:
            continue
        except Unreachable as error:
            raise Mistaken(str(error)) from None
        return after
    raise Mistaken("others change the rollout without end: try again")


def _switched(held: Held, phase: Phase, other: Phase, name: str) -> State:
    """From one phase to another; the same state where it is in that already."""
    state = _demand(held, phase, other)
    return state if state.phase == other else state.decided(time.time(), name, "by hand", phase=other)


def _answering(place: Place) -> Held:
    try:
        return place.read()
    except Unreachable as error:
        raise Mistaken(str(error)) from None


def _demand(held: Held, *phases: str) -> State:
    state = held.state
    if state is None or state.phase not in phases:
        now = "there is none" if state is None else f"the last one is {state.phase.replace('_', ' ')}"
        raise Mistaken(f"no rollout is {' or '.join(phases)}: {now}")
    return state
