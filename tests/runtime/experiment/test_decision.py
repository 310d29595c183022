"""Ship, keep, or wait: each reason from a log that gives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlops_runtime.errors import Mistaken
from mlops_runtime.experiment.analysis import analyzed
from mlops_runtime.experiment.outcomes import read
from mlops_runtime.experiment.page import decision_text
from mlops_runtime.experiment.planning import planned
from mlops_runtime.experiment.stages import Stages, constant

from tests.runtime.experiment.records import DAY, answered, line, log, ramp, settings, write


def found(
    tmp_path: Path, lines: Any, stages: Stages | None = None, method: str = "sequence", **more: Any
) -> dict[str, Any]:
    """The analysis of a log."""
    given = settings(**more)
    stages = stages or constant(given.traffic)
    return analyzed(read([write(tmp_path / "log.jsonl", lines)], stages), given, stages, method)


HALF = {"shares": (0.5,)}


def verdict(tmp_path: Path, lines: Any, **more: Any) -> tuple[str, str]:
    made = found(tmp_path, lines, **{"traffic": 0.5, **more})
    assert (made["decision"]["more"] is None) == (made["decision"]["verdict"] != "more")
    return made["decision"]["verdict"], decision_text(made)


def test_better_is_shipped(tmp_path: Path) -> None:
    kind, told = verdict(tmp_path, log(effect=0.5, **HALF))
    assert kind == "ship"
    assert told.startswith("Ship the challenger. Rating is better: +0.")


def test_worse_is_kept(tmp_path: Path) -> None:
    kind, told = verdict(tmp_path, log(effect=-0.5, **HALF))
    assert kind == "keep"
    assert told.startswith("Keep the champion. Rating is worse: -0.")


def test_less_than_is_worth_shipping_is_kept(tmp_path: Path) -> None:
    kind, told = verdict(tmp_path, log(users=2500, **HALF), min_effect=0.3)
    assert kind == "keep"
    assert "rating gains less than +0.2" in told.lower()


def test_what_is_open_needs_more_users_and_says_how_many(tmp_path: Path) -> None:
    kind, told = verdict(tmp_path, log(users=400, effect=0.1, **HALF))
    assert kind == "more"
    assert told.startswith("Wait for more users: about ")
    assert "Rating is not settled" in told


def test_the_number_of_missing_users_is_what_it_takes(tmp_path: Path) -> None:
    """With so many more of the same kind, the interval is as narrow as was said."""
    few = found(tmp_path, log(users=300, effect=0.1, **HALF), traffic=0.5)
    more = few["decision"]["more"]
    users = few["metrics"]["rating"]["users"]["canary"]
    factor = (users + more) / users
    many = found(tmp_path, log(users=int(300 * factor * 1.05), effect=0.1, **HALF), traffic=0.5)
    low, high = many["metrics"]["rating"]["sequence"]["interval"]
    one = few["metrics"]["rating"]
    assert (high - low) / 2 < max(abs(one["effect"]), one["min_effect"] - one["effect"]) * 1.05


def test_nothing_is_said_of_few(tmp_path: Path) -> None:
    lines = log(users=45, **HALF)
    made = found(tmp_path, lines, traffic=0.5)
    one = made["metrics"]["rating"]
    assert set(one) == {"users", "meaning"}
    assert made["decision"]["verdict"] == "more"
    assert made["decision"]["more"] >= 30 - one["users"]["canary"]
    assert made["looks"] == []
    champion_lacks = [answered(user, True) for user in range(30)] + [line(user, True, rating=3) for user in range(30)]
    champion_lacks += [line(user + 99, False, rating=3) for user in range(28)]
    assert found(tmp_path, champion_lacks, traffic=0.5)["decision"]["more"] == 2


def test_time_runs_out(tmp_path: Path) -> None:
    kind, told = verdict(tmp_path, log(users=400, effect=0.1, **HALF), max_duration=3600.0)
    assert kind == "keep"
    assert "`max_duration` is over and rating is not settled" in told
    kind, told = verdict(tmp_path, log(users=45, **HALF), max_duration=3600.0)
    assert kind == "keep"
    assert "nothing is said below 30" in told


def test_arms_of_the_wrong_size_are_not_believed(tmp_path: Path) -> None:
    lines = [one for one in log(effect=0.5, **HALF) if one["variant"] == "champion" or int(one["user"], 16) % 4]
    kind, told = verdict(tmp_path, lines)
    assert kind == "keep"
    assert "sample-ratio mismatch" in told


def test_a_guardrail_that_is_worse_keeps(tmp_path: Path) -> None:
    kind, told = verdict(tmp_path, log(effect=0.5, failing=0.3, **HALF))
    assert kind == "keep"
    assert "Success, a guardrail, is worse: -" in told
    kind, told = verdict(tmp_path, log(effect=0.5, slower=0.4, **HALF))
    assert kind == "keep"
    assert "Latency, a guardrail, is worse: +" in told


def test_a_guardrail_that_is_open_waits(tmp_path: Path) -> None:
    lines = log(users=250, effect=1.2, slower=0.05, **HALF)
    kind, told = verdict(tmp_path, lines)
    assert kind == "more"
    assert "may still be worse" in told
    kind, told = verdict(tmp_path, lines, max_duration=3600.0)
    assert kind == "keep"
    assert "the time to find out is over" in told


def test_a_guardrail_that_nobody_knows_is_said(tmp_path: Path) -> None:
    kind, told = verdict(tmp_path, log(users=2000, slower=-0.3, rated=0.0, **HALF), metric="latency")
    assert kind == "ship"
    assert "of rating, too few users are known to be guarded" in told
    assert "Latency is better: -" in told


def test_welch_s_test_is_looked_at_once_and_not_before(tmp_path: Path) -> None:
    plan = planned(settings(traffic=0.5, min_effect=0.4)).fixed
    few = found(tmp_path, log(users=120, **HALF), method="welch", traffic=0.5, min_effect=0.4)["decision"]
    assert (few["verdict"], few["method"]) == ("more", "welch")
    assert few["reason"].startswith(f"Welch's test is looked at once, with {plan.canary:,}")
    for effect, seed, expected, told in (
        (0.4, 11, "ship", "success may be worse, which this test does not show"),
        (0.0, 10, "keep", "rating gains less than"),
        (0.12, 17, "keep", "the planned test sees no difference of rating"),
    ):
        lines = log(users=330, effect=effect, seed=seed, **HALF)
        made = found(tmp_path, lines, method="welch", traffic=0.5, min_effect=0.4)
        assert made["decision"]["verdict"] == expected, decision_text(made)
        assert told.lower() in decision_text(made).lower()


def test_everyone_alike_is_not_settled(tmp_path: Path) -> None:
    lines = [answered(user, user % 2 == 0, at=user) for user in range(200)]
    kind, told = verdict(tmp_path, lines, metric="success")
    assert kind == "more"
    assert "+0.00 points" in told
    broken = [line(user, user % 2 == 0, at=user, success=user % 2 == 1, seconds=None) for user in range(200)]
    kind, told = verdict(tmp_path, broken, metric="success")
    assert kind == "keep"
    assert told.startswith("Keep the champion. Success is worse: -100.00 points")


def test_stages_of_a_ramp(tmp_path: Path) -> None:
    lines = log(users=2500, effect=0.5, shares=(0.05, 0.1, 0.25, 0.5))
    made = found(tmp_path, lines, stages=ramp(0.05, 0.1, 0.25, 0.5))
    assert made["decision"]["verdict"] == "ship"
    assert [one["share"] for one in made["balance"]["stages"]] == [0.05, 0.1, 0.25, 0.5]
    assert not made["balance"]["alarm"]
    assert made["users"]["moved_by_the_schedule"] > 100
    assert made["users"]["in_both_arms"] == 0
    alarm = found(tmp_path, lines)
    assert alarm["balance"]["alarm"]
    assert alarm["users"]["in_both_arms"] > 100


def test_the_looks_end_with_what_is_known(tmp_path: Path) -> None:
    made = found(tmp_path, log(effect=0.2, **HALF), traffic=0.5)
    looks, one = made["looks"], made["metrics"]["rating"]
    assert 30 < len(looks) <= 60
    assert looks[-1]["difference"][0] == pytest.approx(one["effect"])
    low, high = one["sequence"]["interval"]
    assert looks[-1]["difference"][1] == pytest.approx((high - low) / 2)
    assert looks[-1]["difference"][1] < looks[0]["difference"][1] / 2
    assert [look["users"] for look in looks] == sorted(look["users"] for look in looks)


def test_two_versions_in_an_arm_are_two_experiments(tmp_path: Path) -> None:
    lines = [*log(users=60), {**answered(9999, True, at=DAY), "version": "5"}]
    with pytest.raises(Mistaken, match=r"the canary was more than one model: version 4 \(.*, version 5 \(1 outcomes\)"):
        found(tmp_path, lines)
