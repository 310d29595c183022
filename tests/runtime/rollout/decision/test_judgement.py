"""Advance, hold, roll back: what each takes."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from mlops_runtime.rollout.decision import Arm, Evidence, judge

from mlopsgen.contract.metrics.rollout import GATE, REASON
from tests.runtime.rollout.decision.seen import BOTH, arm, gathered, judged, policy, seen, verdicts


def test_a_sound_canary_advances_once_its_hold_is_over_and_enough_requests_came() -> None:
    rules = policy()
    evidence = gathered(rules, arm(95), arm(5), 40)
    assert judge(rules, evidence, 0, 599.9).outcome == "hold"
    found = judge(rules, evidence, 0, 600.0)
    assert (found.outcome, found.reason, found.wait) == ("advance", "", 0.0)
    assert {finding.gate for finding in found.findings} == set(GATE)
    assert set(verdicts(found).values()) == {"pass"}
    assert "advance" in found.text
    assert "promote" in judge(rules, evidence, 3, 600.0).text


def test_too_few_requests_hold_however_long_it_takes_and_say_how_long() -> None:
    rules = policy()
    found = judged(rules, arm(19), arm(1), 100)
    assert found.outcome == "hold"
    assert verdicts(found)["error_rate"] == verdicts(found)["error_rate_against_champion"] == "hold"
    assert found.wait == 1500
    assert "100 of 200 canary requests" in found.text
    assert "about 25 min to go" in found.text


def test_requests_of_an_earlier_step_do_not_count_for_this_one() -> None:
    rules = policy()
    evidence = gathered(rules, arm(95), arm(5), 40).stepped()
    found = judge(rules, evidence, 1, 600.0)
    assert (found.outcome, found.wait) == ("hold", None)
    assert "0 of 200" in found.text


def test_no_data_holds_and_says_that_nobody_can_say_how_long() -> None:
    rules = policy()
    for evidence in (Evidence.empty(rules), gathered(rules, arm(0), arm(0), 500)):
        found = judge(rules, evidence, 0, 1e9)
        assert (found.outcome, found.wait) == ("hold", None)
        assert "fail" not in verdicts(found).values()
        assert found.text.endswith("nobody can say how long: no traffic")


def test_before_the_first_canary_requests_the_wait_follows_from_all_traffic() -> None:
    found = judged(policy(), arm(40), arm(0), 10)
    assert found.wait == pytest.approx(200 / (0.05 * 40 / 15), abs=1)


def test_a_wait_beyond_the_deadline_is_called_so() -> None:
    assert judged(policy(), arm(1), arm(0), 10).text.endswith("about 17 h to go, longer than the deadline")


@pytest.mark.parametrize(
    ("reason", "champion", "canary"),
    [
        ("error_rate", arm(95, 20), arm(50, 20)),
        ("latency_p95", arm(95, 0, 40), arm(50, 0, 20)),
        ("rating", arm(95), arm(50, ratings=(3, 0, 0, 0, 0))),
        ("error_rate_against_champion", arm(1000, 2), arm(300, 6)),
        ("latency_against_champion", arm(1000), arm(300)._replace(latency=(270, 0, 0, 30, 0, 0, 0))),
    ],
)
def test_each_gate_rolls_back_with_its_reason_and_its_counts(reason: str, champion: Arm, canary: Arm) -> None:
    found = judged(policy(min_requests=10**6), champion, canary, 40)
    assert (found.outcome, found.reason) == ("rollback", reason)
    assert reason in REASON
    (failed,) = [finding for finding in found.findings if finding.verdict == "fail"]
    assert failed.gate == reason
    assert failed.numbers["evidence"] >= failed.numbers["needed"]
    assert found.text.startswith("5% (step 1 of 4): roll back, ")
    assert failed.text in found.text


def test_a_gate_that_is_not_asked_for_is_not_judged() -> None:
    rules = policy(gates={"error_rate": {"max": 0.05}, "latency_p95": None, "rating": None}, against_champion=None)
    found = judged(rules, arm(1000, 0), arm(1000, 30), 40)
    assert (found.outcome, verdicts(found)) == ("advance", {"error_rate": "pass"})
    without = judged(policy(gates={}, against_champion=None), arm(95), arm(5))
    assert (without.outcome, without.findings) == ("advance", ())


def test_a_limit_that_is_broken_but_not_proven_holds() -> None:
    found = judged(policy(against_champion=None), arm(95), arm(100, 6), 3)
    assert verdicts(found)["error_rate"] == "hold"
    assert "18 of 300 (6%) requests of this step failed, 5% allowed; not proven yet" in found.findings[0].text


def test_a_failing_platform_does_not_blame_the_canary() -> None:
    rules = policy(gates={}, against_champion=BOTH)
    assert judged(rules, arm(950, 300, 300), arm(50, 16, 16), 100).outcome == "advance"


def test_evidence_without_a_large_ratio_is_no_reason() -> None:
    rules = policy(gates={}, against_champion={**BOTH, "error_rate": {"max_ratio": 5}})
    found = judged(rules, arm(1000, 10), arm(1000, 40), 400, 2)
    assert found.outcome == "advance"
    assert found.findings[0].numbers["ratio"] == pytest.approx(4, abs=0.1)


def test_without_a_champion_to_compare_with_a_step_holds_but_the_last_passes() -> None:
    rules = policy(gates={})
    found = judged(rules, arm(0), arm(100, 3), 40, 2)
    assert found.outcome == "hold"
    assert "0 of the 30 champion requests" in found.text
    last = judged(rules, arm(0), arm(100, 3), 40, 3)
    assert last.outcome == "advance"
    assert all("not compared" in finding.text for finding in last.findings)


def test_harm_that_begins_at_a_late_step_is_found_there() -> None:
    rules = policy(gates={})
    evidence = gathered(rules, arm(9500, 48), arm(500, 3), 100).stepped()
    evidence = seen(evidence, rules, arm(7500, 38), arm(2500, 12), 100).stepped()
    evidence = seen(evidence, rules, arm(500, 2), arm(500, 10), 8)
    found = judge(rules, evidence, 2, 120.0)
    assert (found.outcome, found.reason) == ("rollback", "error_rate_against_champion")


def test_harm_that_begins_within_a_step_is_found_and_told_by_the_last_minutes() -> None:
    rules = policy(gates={})
    evidence = seen(gathered(rules, arm(1125, 6), arm(375, 2), 120), rules, arm(1125, 6), arm(375, 8), 10)
    found = judge(rules, evidence, 1, 1950.0)
    assert (found.outcome, found.reason) == ("rollback", "error_rate_against_champion")
    assert "times in the last minutes" in found.text
    slower = arm(375)._replace(latency=(300, 0, 0, 75, 0, 0, 0))
    evidence = seen(gathered(rules, arm(1125), arm(375), 240), rules, arm(1125), slower, 16)
    found = judge(rules, evidence, 1, 3840.0)
    assert (found.outcome, found.reason) == ("rollback", "latency_against_champion")


def test_a_canary_that_goes_bad_at_the_end_of_its_hold_does_not_advance() -> None:
    rules = policy(against_champion=None)
    calm = gathered(rules, arm(1125, 6), arm(375, 2), 40)
    assert judge(rules, calm, 1, 600.0).outcome == "advance"
    for broken, words in ((arm(375, 375), "in the last minutes"), (arm(375, 0, 375), "not so in the last minutes")):
        found = judge(rules, seen(calm, rules, arm(1125, 6), broken), 1, 615.0)
        assert found.outcome == "hold"
        assert words in found.text
    rules = policy(gates={})
    calm = gathered(rules, arm(1125, 6), arm(375, 2), 40)
    for broken, gate in (
        (arm(375, 200), "error_rate"),
        (arm(375)._replace(latency=(0, 0, 0, 375, 0, 0, 0)), "latency"),
    ):
        found = judge(rules, seen(calm, rules, arm(1125, 6), broken), 1, 615.0)
        assert (found.outcome, verdicts(found)[f"{gate}_against_champion"]) == ("hold", "hold")


def test_ten_sick_seconds_roll_nothing_back_but_a_lasting_outage_does() -> None:
    rules = policy(min_requests=50)
    calm = gathered(rules, arm(143, 1), arm(8), 8)
    assert judge(rules, calm, 0, 120.0).outcome == "hold"
    burst = seen(seen(calm, rules, arm(143, 1), arm(8, 3)), rules, arm(143, 1), arm(8, 3))
    assert judge(rules, burst, 0, 150.0).outcome == "hold"
    busy = gathered(rules, arm(1425, 7), arm(75))
    sick = seen(busy, rules, arm(1425, 7), arm(75, 25), 2)
    assert judge(rules, sick, 0, 45.0).outcome == "hold"
    assert judge(rules, seen(sick, rules, arm(1425, 7), arm(75, 75), 5), 0, 120.0).outcome == "rollback"


@pytest.mark.parametrize(("champion", "canary"), [(arm(142, 1), arm(8)), (arm(1125, 6), arm(375, 2))])
def test_a_long_good_time_does_not_drown_an_outage(champion: Arm, canary: Arm) -> None:
    rules = policy()
    evidence = gathered(rules, champion, canary, 240)
    assert judge(rules, evidence, 1, 3600.0).outcome == "advance"
    broken = canary._replace(failed=canary.requests)
    assert judge(rules, seen(evidence, rules, champion, broken, 8), 1, 3720.0).outcome == "rollback"


@pytest.mark.parametrize("paces", [(15.0, 1), (5.0, 3), (3.0, 5)])
def test_the_pace_of_the_looks_changes_little(paces: tuple[float, int]) -> None:
    seconds, parts = paces
    rules = policy(gates={})
    evidence = gathered(rules, arm(1500 // parts, 15 // parts), arm(1500 // parts, 30 // parts), 2 * parts, seconds)
    assert evidence.logs(rules)[0] == pytest.approx(gathered(rules, arm(1500, 15), arm(1500, 30), 2).logs(rules)[0])
    assert evidence.block.seconds == 0


def test_ratings_that_never_come_delay_nothing_where_nobody_rates() -> None:
    found = judged(policy(), arm(95), arm(5))
    (finding,) = [each for each in found.findings if each.gate == "rating"]
    assert (finding.verdict, finding.text) == ("pass", "not judged: nobody rates, neither canary nor champion")


def test_rare_ratings_are_waited_for_but_not_for_ever() -> None:
    rules = policy()
    evidence = gathered(rules, arm(95, ratings=(0, 0, 0, 1, 0)), arm(5), 40)
    found = judge(rules, evidence, 0, 700.0)
    assert (found.outcome, found.wait) == ("hold", 500)
    assert "0 of the 30 ratings needed; goes on without them in 8 min" in found.text
    found = judge(rules, evidence, 0, 1200.0)
    assert found.outcome == "advance"
    assert any(finding.text.startswith("not judged: 0 of the 30 ratings") for finding in found.findings)


def test_few_bad_ratings_hold_and_many_good_ones_pass() -> None:
    rules = policy()
    few = seen(gathered(rules, arm(95), arm(5), 40), rules, arm(0), arm(0, ratings=(1, 1, 3, 0, 0)))
    found = judge(rules, few, 0, 1e6)
    assert (found.outcome, verdicts(found)["rating"]) == ("hold", "hold")
    many = judged(rules, arm(95), arm(5, ratings=(0, 0, 0, 1, 1)))
    assert (many.outcome, verdicts(many)["rating"]) == ("advance", "pass")


def test_the_other_end_of_a_limit_counts_too() -> None:
    gates = {"latency_p95": {"min": 0.1, "max": 2.0}, "rating": {"min": None, "max": 4.0}}
    rules = policy(gates=gates, against_champion=None)
    assert judged(rules, arm(95), arm(50)).reason == "latency_p95"
    found = judged(rules, arm(95), arm(50, 0, 20, ratings=(0, 0, 0, 0, 1)))
    assert {finding.gate for finding in found.findings if finding.verdict == "fail"} == {"latency_p95", "rating"}


def test_an_alpha_of_nothing_never_rolls_back() -> None:
    rules = policy(gates={}, against_champion={**BOTH, "alpha": 0})
    found = judged(rules, arm(100), arm(100, 90), 100)
    assert found.outcome == "hold"
    json.dumps([finding.numbers for finding in found.findings], allow_nan=False)


def test_a_look_is_cheap_and_imports_no_array_library() -> None:
    rules = policy()
    evidence, began = gathered(rules, arm(95), arm(5), 40), time.process_time()
    for _ in range(100):
        evidence = seen(evidence, rules, arm(95), arm(5))
        judge(rules, evidence, 0, 600.0)
    assert (time.process_time() - began) / 100 < 0.002
    code = (
        "import sys, mlops_runtime.rollout.decision; sys.exit({'numpy', 'scipy', 'pandas'} & set(sys.modules) != set())"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
