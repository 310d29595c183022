"""The controller: one turn after the other, each from what is remembered outside of it.

A turn reads state and weights, sets the weights right if somebody changed them, looks, decides, and writes. The
decision is written before or together with its weight and never after it: a controller that dies leaves a weight
that was judged; whoever comes next goes on from there. Every step of a promotion and of a rollback can be done twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from mlops_runtime.errors import Mistaken
from mlops_runtime.rollout import course, report, status
from mlops_runtime.rollout.course import Look
from mlops_runtime.rollout.decision import Policy
from mlops_runtime.rollout.decision.windows import joined
from mlops_runtime.rollout.exposition import Values
from mlops_runtime.rollout.observation import Observer, describe
from mlops_runtime.rollout.places.base import Conflict, Held, Place, Unreachable
from mlops_runtime.rollout.records import Registry
from mlops_runtime.rollout.settings import Settings
from mlops_runtime.rollout.state import Point, State
from mlops_runtime.serving import logs

BUSY = 1.0
"""Seconds between two turns of a promotion or a rollback: nothing is judged in them."""


class Controller:
    """Drives the rollouts of one environment.

    Args:
        settings: of the controller.
        place: where it happens.
        observer: of the traffic.
        registry: of the model.
        values: that are exported.
        clock: seconds that only grow.
        now: seconds since 1970.
    """

    def __init__(
        self,
        settings: Settings,
        place: Place,
        observer: Observer,
        registry: Registry,
        values: Values,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._place, self._observer = settings, place, observer
        self._registry, self._values, self._clock, self._now = registry, values, clock, now
        self._policy = policy(settings, settings.steps)
        self._looked: tuple[str, float] | None = None
        self._unwritten: Look | None = None
        self._said = ""

    def turn(self) -> float:
        """One turn.

        Returns:
            Seconds until the next.
        """
        try:
            state = self._turn()
        except Conflict as error:
            self._say(f"somebody else wrote: {error}")
            return BUSY
        except (Unreachable, Mistaken) as error:
            self._say(str(error), "error")
            return min(self._settings.pace, 5.0)
        if state is not None and state.phase in ("promoting", "rolling_back"):
            return BUSY
        return self._settings.pace

    def resign(self) -> None:
        """Let another controller act at once."""
        try:
            self._place.resign()
        except Unreachable as error:
            self._say(str(error), "error")

    def _turn(self) -> State | None:
        if not self._place.leads():
            self._rest()
            self._say("another controller acts: this one waits")
            self._values.show(None)
            return None
        held = self._place.read()
        state = held.state
        if state is not None and not held.right:
            self._place.write(held, state)
            self._say(f"the router gave the canary {held.share:.4%} in place of {state.weight:.4%}: set right")
            return state
        if state is None or not state.active:
            self._rest()
            self._values.show(None)
            return state
        return self._moved(held, state)

    def _rest(self) -> None:
        """What happens until the next look counts for nothing."""
        self._looked = self._unwritten = None
        self._observer.forget()

    def _moved(self, held: Held, state: State) -> State:
        """The next state, written."""
        if state.phase == "promoting":
            after = self._promoting(state)
        elif state.phase == "rolling_back":
            after = self._rolling_back(state)
        else:
            after = self._looking(state)
        if after != state:
            self._place.write(held, after)
            self._announce(state, after)
        self._unwritten = None
        self._values.show(after)
        self._place.publish(status.content(after, report.path(self._settings, after)))
        return after

    def _looking(self, state: State) -> State:
        look = self._look(state)
        self._unwritten = look
        if self._policy.steps != state.steps:
            self._policy = policy(self._settings, state.steps)
        found = course.looked(state, self._policy, look)
        if found.scale > look.canary.wanted:
            self._place.scale(found.scale)
        if found.judgement is not None:
            self._values.judged(found.judgement)
        logs.say(
            "look",
            phase=found.state.phase,
            step=found.state.step + 1,
            weight=found.state.weight,
            held=round(found.state.held, 1),
            outcome=found.judgement.outcome if found.judgement is not None else None,
            text=found.state.text,
            **describe(look.window),
        )
        return found.state

    def _look(self, state: State) -> Look:
        """What is to be seen now, and what was seen before a write that met another writer."""
        now, before, missed = self._clock(), self._looked, self._unwritten
        self._looked = (state.id, now)
        seen = self._observer.look()
        look = Look(
            at=self._now(),
            seconds=now - before[1] if before is not None and before[0] == state.id else 0.0,
            window=seen.window,
            silence=seen.text,
            champion=self._place.servers("champion"),
            canary=self._place.servers("canary"),
        )
        if missed is None:
            return look
        windows = [window for window in (missed.window, look.window) if window is not None]
        window = joined(*windows) if len(windows) == 2 else next(iter(windows), None)
        return look._replace(seconds=look.seconds + missed.seconds, window=window)

    def _promoting(self, state: State) -> State:
        """One step of a promotion: traffic, verification, alias and ledger, the champion's servers, traffic back."""
        canary, champion = self._place.servers("canary"), self._place.servers("champion")
        at = self._now()
        replaced = champion.version == state.canary and champion.ready >= max(1, champion.wanted)
        if state.returning:
            return self._returned(state, replaced, at)
        if canary.version != state.canary or canary.ready == 0:
            text = f"waits for the servers of version {state.canary} before it becomes the champion"
            return replace(state, text=text, weight=0.0 if champion.ready else state.weight)
        number = course.needed(1.0, state.size)
        if state.weight < 1.0:
            if canary.ready < number:
                self._place.scale(number)
                return replace(state, text=f"waits for {number} ready servers of the canary; {canary.ready} are")
            return replace(state, weight=1.0, text="all traffic to the canary").seen(Point(at, 1.0))
        if not self._place.settled(state):
            return replace(state, text="waits for the router to send everything to the canary")
        outcome = self._registry.promote(state.canary)
        if not outcome.reached:
            return course.taken_back(state, at, course.MANUAL, outcome.text)
        if champion.version != state.canary:
            self._place.replace()
            return replace(state, text=f"{outcome.text}; its servers start")
        if not replaced:
            return replace(state, text=f"{outcome.text}; waits for its servers")
        return replace(state, returning=True, weight=0.0, text="traffic goes back to the champion's servers").seen(
            Point(at, 0.0)
        )

    def _returned(self, state: State, replaced: bool, at: float) -> State:
        """The end of a promotion: the champion's servers have the new version and the traffic."""
        if not replaced:
            return replace(state, returning=False, weight=1.0, text="the champion's servers went away: back")
        if not self._place.settled(state):
            return replace(state, text="waits for the router to send everything to the champion's servers")
        self._place.scale(0)
        text = f"version {state.canary} is the champion"
        return self._ended(replace(state.decided(at, "promoted", text), phase="promoted", ended=at))

    def _rolling_back(self, state: State) -> State:
        """One step of a rollback. The traffic is on the champion since the write that decided it."""
        if not self._place.settled(state):
            return replace(state, text=f"{_reason(state)}; waits for the router to send everything to the champion")
        self._registry.reject(state.canary, f"{state.reason}: {_reason(state)}")
        self._place.scale(0)
        at = self._now()
        return self._ended(replace(state, phase="rolled_back", ended=at, text=_reason(state)))

    def _ended(self, state: State) -> State:
        path = report.write(self._settings, state)
        try:
            self._registry.keep_report(state.canary, path)
        except Mistaken as error:
            self._say(f"the report is not stored with the run: {error}", "error")
        return state

    def _announce(self, before: State, after: State) -> None:
        """Say what was decided, and count what ended."""
        known = set(before.decisions)
        for decision in after.decisions:
            if decision not in known:
                bad = decision.outcome == "rollback"
                logs.say("decision", "error" if bad else "info", outcome=decision.outcome, text=decision.text)
                self._place.tell(f"{decision.outcome}: {decision.text}", bad)
        if not after.active:
            self._values.ended(after)

    def _say(self, text: str, level: str = "info") -> None:
        """One line, and not again until another one comes."""
        if text != self._said:
            self._said = text
            logs.say("rollout", level, text=text)


def policy(settings: Settings, steps: tuple[float, ...]) -> Policy:
    """What a canary is judged by, step by step.

    Raises:
        Mistaken: the settings do not go together.
    """
    try:
        return Policy.read({**settings.rollout, "steps": list(steps)}, settings.buckets)
    except (ValueError, TypeError, KeyError) as error:
        raise Mistaken(f"`rollout` of the settings cannot be judged by ({error}): run `mlopsgen build`") from None


def _reason(state: State) -> str:
    """Why a rollout was taken back, as it was decided."""
    return next((one.text for one in reversed(state.decisions) if one.outcome == "rollback"), state.text)
