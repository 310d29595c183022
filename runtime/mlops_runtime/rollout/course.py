"""Where a rollout goes from here: what is decided at a look, as a pure function of what was seen."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from mlops_runtime.rollout.decision import Evidence, Judgement, Policy, Window, judge
from mlops_runtime.rollout.places.base import Servers
from mlops_runtime.rollout.state import Point, State

UNAVAILABLE, DEADLINE, MANUAL = "unavailable", "deadline", "manual"
"""Reasons of a rollback that are no judgement of a gate."""


class Look(NamedTuple):
    """What one look found.

    Attributes:
        at: seconds since 1970, for people.
        seconds: since this controller's last look, on a clock that only grows; 0 at its first.
        window: what Prometheus saw since then; None when it said nothing.
        silence: why it said nothing.
        champion: its servers.
        canary: its servers.
    """

    at: float
    seconds: float
    window: Window | None
    silence: str
    champion: Servers
    canary: Servers


class Next(NamedTuple):
    """What follows from a look.

    Attributes:
        state: to be remembered; its weight is the router's from then on.
        scale: servers that the canary needs; 0 to leave them as they are.
        judgement: None when nothing was judged.
    """

    state: State
    scale: int = 0
    judgement: Judgement | None = None


def begun(identifier: str, canary: str, champion: Servers, steps: tuple[float, ...], at: float) -> State:
    """A rollout that begins. It has no weight before its servers are seen to be ready."""
    who = f"version {canary} against version {champion.version}" if champion.version else f"version {canary}, the first"
    state = State(
        id=identifier,
        champion=champion.version,
        canary=canary,
        steps=steps,
        began=at,
        step_began=at,
        size=max(1, champion.wanted),
        points=(Point(at, 0.0),),
    )
    return state.decided(at, "start", who)


def looked(state: State, policy: Policy, look: Look) -> Next:
    """A look at a rollout that runs or is paused."""
    state = replace(state, size=max(state.size, look.champion.wanted))
    if state.phase == "running":
        state = replace(state, total=state.total + look.seconds)
    ended = _impossible(state, policy, look)
    if ended is not None:
        return Next(ended)
    if state.champion is None:
        return _first(state, look)
    state, evidence = _evidence(state, policy, look.at)
    if look.window is not None:
        evidence = evidence.seen(policy, look.window)
        state = state.seen(_point(look, state.weight, look.window))
    target = policy.steps[state.step]
    if state.weight == target:
        state = replace(state, held=state.held + look.seconds)
    judgement = judge(policy, evidence, state.step, state.held)
    state = replace(state, evidence=evidence.content())
    if judgement.outcome == "rollback":
        return Next(taken_back(state, look.at, judgement.reason, judgement.text), judgement=judgement)
    if state.weight != target or look.canary.ready == 0:
        return _raised(state, look, target)._replace(judgement=judgement)
    if state.phase == "paused" or judgement.outcome != "advance" or look.window is None:
        text = f"{judgement.text}; {look.silence}" if look.window is None and look.silence else judgement.text
        return Next(replace(state, text=text), judgement=judgement)
    return _advanced(state, policy, look, evidence, judgement)


def _evidence(state: State, policy: Policy, at: float) -> tuple[State, Evidence]:
    """What is known so far. After a change of what is judged it cannot be read on, and begins again."""
    if not state.evidence:
        return state, Evidence.empty(policy)
    try:
        return state, Evidence.read(policy, state.evidence)
    except ValueError:
        text = "what is judged has changed: this step begins again"
        return state.decided(at, "hold", text, held=0.0), Evidence.empty(policy)


def taken_back(state: State, at: float, reason: str, text: str) -> State:
    """A rollout that ends with everybody on the champion, from this write on."""
    ended = state.decided(at, "rollback", text, phase="rolling_back", weight=0.0, reason=reason, returning=False)
    return ended.seen(Point(at, 0.0))


def promoted(state: State, at: float, text: str) -> State:
    """A rollout whose canary becomes the champion."""
    return state.decided(at, "promote", text, phase="promoting")


def needed(share: float, size: int) -> int:
    """Servers that a share of the traffic takes, at least one; with fewer, the canary is judged by its load."""
    return max(1, math.ceil(share * size - 1e-9))


def _impossible(state: State, policy: Policy, look: Look) -> State | None:
    """The end of a rollout that cannot go on."""
    if look.canary.version != state.canary:
        other = f"version {look.canary.version}" if look.canary.version else "nothing"
        text = f"the canary's servers were told to serve {other} in place of version {state.canary}"
        return taken_back(state, look.at, MANUAL, text)
    if look.canary.stuck:
        return taken_back(state, look.at, UNAVAILABLE, f"the canary does not come up: {look.canary.stuck}")
    if state.total > policy.deadline:
        text = f"the deadline of {policy.deadline:.0f} s is over at step {state.step + 1}: {state.text}"
        return taken_back(state, look.at, DEADLINE, text)
    return None


def _first(state: State, look: Look) -> Next:
    """The first release ever: there is nobody to take traffic from, and nothing to compare with."""
    if look.canary.ready == 0:
        return Next(replace(state, text="waits for a server of the first version"), scale=1)
    text = f"version {state.canary} is the first: all traffic goes to it"
    return Next(promoted(replace(state, weight=1.0), look.at, text).seen(Point(look.at, 1.0)))


def _raised(state: State, look: Look, target: float) -> Next:
    """The weight of the step, as soon as there are servers for it; none at all while no server is ready."""
    number = needed(target, state.size)
    if look.canary.ready >= number:
        text = f"{target * 100:.4g}% of the traffic to version {state.canary}: step {state.step + 1}"
        raised = state.decided(look.at, "advance", text, weight=target, held=0.0, step_began=look.at)
        return Next(raised.seen(Point(look.at, target)))
    if look.canary.ready == 0 and state.weight > 0:
        text = "no server of the canary is ready: everybody to the champion until one is"
        return Next(state.decided(look.at, "hold", text, weight=0.0, held=0.0).seen(Point(look.at, 0.0)), scale=number)
    text = f"waits for {number} ready servers of the canary; {look.canary.ready} are"
    return Next(replace(state, text=text), scale=number)


def _advanced(state: State, policy: Policy, look: Look, evidence: Evidence, judgement: Judgement) -> Next:
    if state.step + 1 == len(policy.steps):
        return Next(promoted(state, look.at, judgement.text), judgement=judgement)
    after = state.decided(
        look.at,
        "advance",
        judgement.text,
        step=state.step + 1,
        held=0.0,
        step_began=look.at,
        evidence=evidence.stepped().content(),
    )
    return _raised(after, look, policy.steps[after.step])._replace(judgement=judgement)


def _point(look: Look, weight: float, window: Window) -> Point:
    champion, canary = window.champion, window.canary
    return Point(look.at, weight, champion.requests, champion.failed, canary.requests, canary.failed)
