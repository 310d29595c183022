"""Whatever goes wrong around a controller, the weight is one that was judged, there is one champion, and it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mlops_runtime.errors import Mistaken
from mlops_runtime.experiment import stages
from mlops_runtime.rollout import actions, report, status
from mlops_runtime.rollout.controller import Controller, policy
from mlops_runtime.rollout.places.lease import SECONDS

from tests.runtime.rollout.world import DEPLOYMENT, LEASE, ROLLOUT, ROUTE, STEPS, Killed, Traffic, World, route

SOUND, BROKEN = Traffic(), Traffic(errors={"canary": 0.08})


@pytest.fixture(autouse=True)
def _plain_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all else here; pictures have a test of their own."""
    monkeypatch.setattr(report, "picture", lambda *_: b"")


def begun(traffic: Traffic = SOUND) -> World:
    """A world in which a rollout of version 2 was asked for."""
    world = World(traffic)
    actions.start(world.place("people"), None, STEPS)
    return world


@cache
def calls(traffic: str) -> int:
    """Calls of the API that a controller needs for a whole rollout."""
    world = begun(SOUND if traffic == "sound" else BROKEN)
    before = len(world.memory.calls)
    world.run(world.controller())
    return len(world.memory.calls) - before


def kill_at(world: World, number: int) -> None:
    """The controller that makes this call is killed before it."""
    counted = [0]

    def before(*_: str) -> None:
        counted[0] += 1
        if counted[0] == number:
            raise Killed

    world.memory.before = before


def judged(world: World) -> None:
    """The router never gives the canary more than the step that was judged, and nothing once it was taken back."""
    state = world.state
    assert state is not None
    advanced = sum(one.outcome == "advance" and "all gates pass" in one.text for one in state.decisions)
    assert state.step <= advanced
    assert world.share <= (0.05, 0.25, 0.5, 1.0)[state.step]
    if state.phase == "rolling_back":
        assert world.share == 0


def ended_well(world: World) -> None:
    """Version 2 is the champion, once, and has the traffic."""
    state = world.state
    assert state is not None
    assert (state.phase, world.share) == ("promoted", 0)
    assert (world.registry.champion, world.registry.ledger) == ("2", ["2"])
    assert (world.version("champion"), world.memory.objects[DEPLOYMENT + "canary"]["spec"]["replicas"]) == ("2", 0)


def taken_back(world: World, reason: str) -> None:
    """Version 1 still is the champion and has the traffic."""
    state = world.state
    assert state is not None
    assert (state.phase, state.reason, world.share) == ("rolled_back", reason, 0)
    assert (world.registry.champion, world.registry.ledger, world.version("champion")) == ("1", [], "1")
    assert world.registry.rejected["2"].startswith(reason)
    assert world.memory.objects[DEPLOYMENT + "canary"]["spec"]["replicas"] == 0


def lived(world: World, number: int) -> None:
    """One controller after the other, the first one killed before a call, until the rollout has ended."""
    kill_at(world, number)
    controller = world.controller("first")
    for turn in range(400):
        try:
            wait = controller.turn()
        except Killed:
            controller, wait = world.controller(f"after {turn}"), 1.0
        world.come_up()
        judged(world)
        world.pass_time(wait)
        assert world.state is not None
        if not world.state.active:
            return
    raise AssertionError("it does not end")


@pytest.mark.parametrize("part", range(4))
def test_a_controller_killed_before_any_of_its_calls_is_followed_by_one_that_ends_the_rollout(part: int) -> None:
    for number in range(1 + part, calls("sound") + 1, 4):
        world = begun()
        lived(world, number)
        ended_well(world)


@pytest.mark.parametrize("part", range(2))
def test_a_controller_killed_in_a_rollback_leaves_nobody_on_the_canary(part: int) -> None:
    for number in range(1 + part, calls("broken") + 1, 2):
        world = begun(BROKEN)
        lived(world, number)
        taken_back(world, "error_rate_against_champion")


@pytest.mark.parametrize("name", ["promote", "reject", "keep_report"])
@pytest.mark.parametrize("after", [False, True])
def test_killed_around_a_call_of_the_registry(name: str, after: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    world = begun(BROKEN if name == "reject" else SOUND)
    real, killed = getattr(world.registry, name), []

    def call(*given: Any) -> Any:
        if not killed and not after:
            killed.append(1)
            raise Killed
        found = real(*given)
        if not killed:
            killed.append(1)
            raise Killed
        return found

    monkeypatch.setattr(world.registry, name, call)
    lived(world, -1)
    assert killed
    if name == "reject":
        taken_back(world, "error_rate_against_champion")
    else:
        ended_well(world)


@pytest.mark.parametrize("how", ["down", "nan", "empty", "strange"])
def test_prometheus_that_says_nothing_holds_the_rollout_and_never_moves_it(how: str) -> None:
    world = begun()
    controller = world.controller()
    world.run(controller, until=90)
    world.prometheus = how
    world.run(controller, until=60)
    before = world.state
    world.run(controller, until=600)
    held = world.state
    assert before is not None
    assert held is not None
    assert (held.phase, held.step, held.weight) == ("running", before.step, before.weight)
    world.prometheus = "up"
    world.run(controller)
    ended_well(world)


def test_without_data_until_the_deadline_it_is_taken_back() -> None:
    world = begun()
    world.prometheus = "down"
    world.run(world.controller(), until=4000)
    taken_back(world, "deadline")


def test_no_traffic_holds() -> None:
    world = begun(Traffic(rate=0.0))
    world.run(world.controller(), until=1800)
    assert world.state is not None
    assert (world.state.phase, world.state.step) == ("running", 0)


def test_a_write_of_somebody_else_between_read_and_write_loses_nothing() -> None:
    world, seen = begun(), [0]

    def before(method: str, path: str) -> None:
        if (method, path) == ("PATCH", ROUTE):
            seen[0] += 1
            if seen[0] % 2:
                found = world.memory.objects[ROUTE]
                found["metadata"].setdefault("labels", {})["touched"] = str(seen[0])
                world.memory.store(ROUTE, found)

    world.memory.before = before
    world.run(world.controller())
    ended_well(world)
    assert seen[0] > 10


@pytest.mark.parametrize("share", [0, 100])
def test_an_apply_that_puts_other_weights_there_is_undone_at_the_next_turn(share: int) -> None:
    world = begun()
    controller = world.controller()
    world.run(controller, until=90)
    assert world.share > 0
    applied = route()
    applied["metadata"]["annotations"] = world.memory.objects[ROUTE]["metadata"]["annotations"]
    applied["spec"]["rules"][0]["backendRefs"][0]["weight"] = share
    applied["spec"]["rules"][0]["backendRefs"][1]["weight"] = 100 - share
    world.memory.store(ROUTE, applied)
    controller.turn()
    judged(world)
    assert world.state is not None
    assert world.share == world.state.weight


def test_of_two_controllers_one_acts_and_the_other_takes_over_when_it_stops() -> None:
    world = begun()
    first, second = world.controller("first"), world.controller("second")
    for _ in range(4):
        first.turn()
        before = world.memory.objects[ROUTE]["metadata"]["resourceVersion"]
        second.turn()
        assert world.memory.objects[ROUTE]["metadata"]["resourceVersion"] == before
        world.pass_time(15)
    step = world.state
    second.turn()
    world.pass_time(SECONDS + 1)
    world.run(second)
    assert step is not None
    ended_well(world)
    assert world.memory.objects[LEASE]["spec"]["holderIdentity"] == "second"


def test_a_controller_that_slept_through_its_lease_writes_nothing_old() -> None:
    """Stopped after it read, it wakes when another one has gone on."""
    world = begun()
    sleeper, other = world.controller("sleeper"), world.controller("other")
    world.run(sleeper, until=60)
    other.turn()
    real, slept = world.memory.before, [False]

    def before(method: str, path: str) -> None:
        if (method, path) == ("PATCH", ROUTE) and not slept[0]:
            slept[0] = True
            world.memory.before = real
            world.pass_time(SECONDS + 1)
            for _ in range(8):
                other.turn()
                world.come_up()
                world.pass_time(15)

    world.memory.before = before
    sleeper.turn()
    assert slept[0]
    judged(world)
    world.run(other)
    ended_well(world)


@pytest.mark.parametrize("jump", [-86400.0, 7 * 86400.0])
def test_a_clock_that_jumps_moves_nothing(jump: float) -> None:
    calm, jumped = begun(), begun()
    for world in (calm, jumped):
        controller = world.controller()
        world.run(controller, until=100)
        world.wall += jump if world is jumped else 0.0
        world.run(controller)
        ended_well(world)
    assert calm.time == jumped.time


def test_a_canary_without_servers_gets_no_traffic_until_it_has_some() -> None:
    world = begun()
    controller = world.controller()
    world.run(controller, until=90)
    assert world.share > 0
    world.memory.objects[DEPLOYMENT + "canary"]["spec"]["replicas"] = 0
    world.come_up()
    controller.turn()
    assert world.share == 0
    assert world.memory.objects[DEPLOYMENT + "canary"]["spec"]["replicas"] > 0
    world.come_up()
    world.run(controller)
    ended_well(world)


def test_a_canary_whose_servers_never_come_up_is_taken_back() -> None:
    world = begun()
    world.dead.add("canary")
    world.come_up()
    controller = world.controller()
    world.run(controller, until=120)
    assert world.share == 0
    status = world.memory.objects[DEPLOYMENT + "canary"]["status"]
    status["conditions"] = [{"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "no GPU"}]
    controller.turn()
    assert world.state is not None
    assert (world.state.phase, world.state.reason) == ("rolling_back", "unavailable")
    assert "no GPU" in world.state.text


def test_another_version_in_the_canarys_servers_ends_the_rollout() -> None:
    world = begun()
    controller = world.controller()
    world.run(controller, until=60)
    world.memory.objects[DEPLOYMENT + "canary"]["spec"]["template"]["metadata"]["labels"]["model-version"] = "3"
    controller.turn()
    assert world.state is not None
    assert (world.state.phase, world.state.reason, world.share) == ("rolling_back", "manual", 0)


def test_a_registry_that_is_down_delays_the_promotion_and_keeps_the_traffic_where_it_was_judged() -> None:
    world = begun()
    controller = world.controller()
    world.registry.down = True
    world.run(controller, until=900)
    assert world.state is not None
    assert (world.state.phase, world.share, world.version("champion")) == ("promoting", 1, "1")
    world.registry.down = False
    world.run(controller)
    ended_well(world)


def test_a_champion_whose_new_servers_die_gets_no_traffic() -> None:
    world = begun()
    controller = world.controller()

    def dies(method: str, path: str) -> None:
        if world.version("champion") == "2":
            world.dead.add("champion")

    world.memory.before = dies
    world.run(controller, until=900)
    assert world.state is not None
    assert (world.state.phase, world.share) == ("promoting", 1)
    world.memory.before = lambda *_: None
    world.dead.clear()
    world.come_up()
    world.run(controller)
    ended_well(world)


def test_the_first_release_ever_takes_all_traffic_at_once() -> None:
    world = World(champion=None)
    actions.start(world.place("people"), None, STEPS)
    world.run(world.controller())
    ended_well(world)
    assert world.time < 60


def test_rollback_reaches_nothing_within_one_look_and_15_seconds() -> None:
    world = begun(Traffic(rate=100.0))
    controller = world.controller()
    world.run(controller, until=70)
    assert world.share > 0
    world.traffic = Traffic(rate=100.0, errors={"canary": 1.0})
    begin = world.time
    world.run(controller)
    assert world.state is not None
    decided = next(one.at for one in world.state.decisions if one.outcome == "rollback") - world.wall
    reached = next(at for at, share in world.weights if at > begin and share == 0)
    assert reached - decided <= 15 + 15
    assert decided - begin <= 120


@pytest.mark.parametrize("change", [actions.pause, actions.abort, actions.promote])
def test_what_people_ask_for_between_two_turns_is_done(change: Callable[..., Any]) -> None:
    world = begun()
    controller = world.controller()
    world.run(controller, until=60)
    change(world.place("people"))
    if change is actions.abort:
        assert world.share == 0
        world.run(controller)
        taken_back(world, "manual")
    elif change is actions.promote:
        world.run(controller)
        ended_well(world)
    else:
        assert world.state is not None
        step = world.state.step
        world.run(controller, until=600)
        assert world.state.step == step
        actions.resume(world.place("people"))
        world.run(controller)
        ended_well(world)


def test_a_paused_canary_that_turns_bad_is_taken_back() -> None:
    world = begun(Traffic(rate=100.0))
    controller = world.controller()
    world.run(controller, until=60)
    actions.pause(world.place("people"))
    world.traffic = BROKEN
    world.run(controller)
    assert world.state is not None
    assert world.state.phase == "rolled_back"


def test_the_stages_of_a_rollout_are_those_that_an_experiment_reads(tmp_path: Path) -> None:
    world = begun()
    world.wall = time.time() + 1
    world.run(world.controller())
    assert world.state is not None
    path = tmp_path / "rollout.json"
    path.write_text(json.dumps(status.content(world.state)), encoding="utf-8")
    found = stages.read(str(path))
    assert found.shares == (0, 0.05, 0.25, 0.5, 1, 0)
    begins = [at for at, share in world.weights if share == 0.25]
    # The world notes a weight at the end of its turn.
    assert 0 <= begins[0] - (found.begins[2] - world.wall) <= 16


def changed(world: World, **rollout: Any) -> Controller:
    """A controller that was started with other settings."""
    controller = world.controller("other")
    controller._settings = controller._settings._replace(rollout={**ROLLOUT, **rollout})
    controller._policy = policy(controller._settings, controller._settings.steps)
    return controller


def test_steps_that_were_changed_on_the_way_give_the_canary_nothing_that_was_not_judged() -> None:
    world = begun()
    world.run(world.controller("one"), until=100)
    assert world.state is not None
    assert world.state.step == 1
    world.pass_time(SECONDS + 1)
    controller = changed(world, steps=[0.05, 1.0])
    for _ in range(8):
        wait = controller.turn()
        world.come_up()
        judged(world)
        world.pass_time(wait)
    world.run(controller)
    ended_well(world)


def test_other_gates_on_the_way_begin_the_step_again() -> None:
    world = begun()
    world.run(world.controller("one"), until=40)
    world.pass_time(SECONDS + 1)
    controller = changed(world, against_champion=None)
    controller.turn()
    world.pass_time(SECONDS + 1)
    controller.turn()
    assert world.state is not None
    assert (world.state.step, world.state.decisions[-1].text) == (
        0,
        "what is judged has changed: this step begins again",
    )
    world.run(controller)
    ended_well(world)


def test_settings_that_nobody_can_judge_by_are_refused_at_the_start() -> None:
    with pytest.raises(Mistaken, match="mlopsgen build"):
        changed(begun(), steps=[])
