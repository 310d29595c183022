"""What the exporter shows is the contract, before and after its first cycle."""

from __future__ import annotations

import math
import subprocess
import urllib.error
import urllib.request

import pytest
from mlops_runtime.data.shift import Shift
from mlops_runtime.errors import Mistaken
from mlops_runtime.listening import listening
from mlops_runtime.quality.drift import Look
from mlops_runtime.quality.exposition import Values
from mlops_runtime.quality.recent import Answers
from mlops_runtime.quality.scoring import Scores
from prometheus_client.parser import text_string_to_metric_families

from mlopsgen.contract.metrics import FAMILIES, Setup, exported
from tests.runtime.quality.real import asked, samples

ANSWERS = Answers(8, {"refused": 2, "empty": 0, "malformed": 1, "truncated": 4}, 40, (2, -3.0))


def shift(state: str, distance: float) -> Shift:
    return Shift("number", state, distance, None, 0.001, 0.002, (500, 10_000))  # type: ignore[arg-type]


def filled(task: str = "instruction-tuning") -> Values:
    """Values of a cycle."""
    values = Values(asked("http://x", task))
    values.scores(Scores(0.5, 3.25 if task != "text-classification" else None, 30, 2))
    values.answers(ANSWERS)
    values.rating(4, 14.0)
    sizes = {"prompt.length": 500, "prompt.words": 500}
    values.drift(Look({"prompt.length": shift("drift", 0.3), "prompt.words": shift("none", 0.04)}, sizes))
    values.ended(1.5, failed=False)
    return values


WATCHED = ("prompt.length", "prompt.words", "response.length")


def check(text: str, task: str, features: tuple[str, ...] = WATCHED) -> None:
    """Hold an exposition against the contract: families, types, labels, no more and no less."""
    wanted = {
        family.name: family
        for family in FAMILIES
        if family.source == "quality" and not exported(family, Setup("transformers", task))
    }
    found = {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in text_string_to_metric_families(text)
    }
    assert set(found) == set(wanted)
    known = {"model_name": ("tiny",), "feature": features}
    for name, family in wanted.items():
        assert found[name].type == family.kind
        series: list[dict[str, str]] = [{}]
        for label, closed in family.labels:
            series = [{**one, label: value} for one in series for value in known.get(label, closed)]
        shown = [sample.labels for sample in found[name].samples]
        assert len(shown) == len(series)
        assert all(labels in shown for labels in series), name
    judged = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert (judged.returncode, judged.stdout + judged.stderr) == (0, "")


@pytest.mark.parametrize("task", ["instruction-tuning", "text-classification"])
def test_it_shows_the_contract_before_and_after_a_cycle(task: str) -> None:
    check(Values(asked("http://x", task)).text().decode(), task)
    check(filled(task).text().decode(), task)


def test_nothing_is_known_before_the_first_cycle_and_everything_after_it() -> None:
    before = samples(Values(asked("http://x")).text().decode())
    zero = {name for name, value in before.items() if value == 0}
    assert {name[0] for name in zero} == {
        "model_quality_stale",
        "model_quality_samples",
        "model_drift_samples",
        "model_quality_cycles_total",
    }
    rest = {name for name, value in before.items() if not math.isnan(value)} - zero
    assert rest == {("model_quality_timestamp_seconds",)}
    after = samples(filled().text().decode())
    assert {name for name, value in after.items() if math.isnan(value)} == {
        (f"model_drift_{kind}", "response.length") for kind in ("score", "distance", "p_value")
    }


def test_values_are_those_of_the_cycle() -> None:
    found = samples(filled().text().decode())
    expected = {
        ("model_accuracy",): 0.5,
        ("model_perplexity",): 3.25,
        ("model_answer_share", "refused"): 0.25,
        ("model_answer_share", "truncated"): 0.5,
        ("model_answer_tokens",): 5.0,
        ("model_answer_log_probability",): -1.5,
        ("model_rating",): 3.5,
        ("model_quality_samples", "accuracy"): 30,
        ("model_quality_samples", "answers"): 8,
        ("model_quality_samples", "log_probability"): 2,
        ("model_quality_samples", "rating"): 4,
        ("model_drift_score", "prompt.length"): 0.3,
        ("model_drift_score", "prompt.words"): 0.0,
        ("model_drift_distance", "prompt.words"): 0.04,
        ("model_drift_p_value", "prompt.words"): 0.002,
        ("model_drift_samples", "prompt.words"): 500,
        ("model_quality_duration_seconds",): 1.5,
        ("model_quality_cycles_total", "success"): 1,
        ("model_quality_cycles_total", "error"): 0,
    }
    assert {name: found[name] for name in expected} == expected
    assert filled().known()["model_drift_score.prompt.length"] == 0.3


def test_nothing_to_take_a_mean_of_and_too_little_to_judge_is_not_a_number() -> None:
    values = filled()
    values.answers(Answers(0, dict.fromkeys(ANSWERS.signs, 0), 0, (0, 0.0)))
    values.rating(0, 0.0)
    values.drift(Look({"prompt.words": shift("not enough data", 0.0)}, {"prompt.words": 20}))
    found = samples(values.text().decode())
    nothing = [("model_answer_tokens",), ("model_answer_log_probability",), ("model_rating",)]
    nothing += [("model_answer_share", "empty"), ("model_drift_score", "prompt.words")]
    assert all(math.isnan(found[name]) for name in nothing)
    assert found["model_drift_samples", "prompt.words"] == 20
    assert found["model_drift_score", "prompt.length"] == 0.3
    assert "model_rating" not in values.known()


def test_a_drift_score_keeps_its_sample_size_and_before_it_requests_that_wait_are_counted() -> None:
    values, feature = Values(asked("http://x")), "prompt.length"
    sizes = []
    for state, count in ((None, 40), (None, 90), ("none", 500), (None, 30), ("drift", 600), ("not enough data", 50)):
        shifts = {feature: shift(state, 0.1)} if state else {}
        values.drift(Look(shifts, {feature: count}))
        sizes.append(samples(values.text().decode())["model_drift_samples", feature])
    values.drift(Look({}, {feature: 70}))
    assert sizes == [40, 90, 500, 500, 600, 50]
    assert samples(values.text().decode())["model_drift_samples", feature] == 70


def test_a_failed_cycle_leaves_values_and_the_time_of_the_last_good_one() -> None:
    values = filled()
    before = samples(values.text().decode())
    values.ended(9.0, failed=True)
    after = samples(values.text().decode())
    changed = {name for name in after if repr(after[name]) != repr(before[name])}
    assert changed == {
        ("model_quality_stale",),
        ("model_quality_duration_seconds",),
        ("model_quality_cycles_total", "error"),
    }
    assert after["model_quality_stale",] == 1
    values.ended(1.0, failed=False)
    assert samples(values.text().decode())["model_quality_stale",] == 0


def test_metrics_and_health_are_answered_and_nothing_else() -> None:
    with listening(filled().text, 0, "127.0.0.1") as port:
        at = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{at}/metrics") as reply:
            assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert b"model_accuracy" in reply.read()
        with urllib.request.urlopen(f"{at}/healthz") as reply:
            assert reply.status == 200
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{at}/retrain")
        with pytest.raises(Mistaken, match=rf"port {port} cannot"), listening(filled().text, port, "127.0.0.1"):
            pass
