"""Cycles on the real server with a tiny model, when things go wrong, and what is kept of them."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlops_runtime.__main__ import cli
from mlops_runtime.data.shift import Shift
from mlops_runtime.endpoint import Unanswered
from mlops_runtime.errors import Mistaken
from mlops_runtime.evaluation.evaluate import evaluate
from mlops_runtime.quality import cycle, drift, scoring, subject
from mlops_runtime.quality.cycle import Cycles
from mlops_runtime.quality.drift import Look
from mlops_runtime.quality.exposition import Values
from mlops_runtime.quality.record import TAG
from mlops_runtime.quality.retrain import QUIET, Retrain
from mlops_runtime.quality.scoring import Scores
from mlops_runtime.tracking import server as mlflow_server

from mlopsgen.contract import ports
from tests.runtime.evaluation.trained import tracked
from tests.runtime.quality.fake import Asked, fake
from tests.runtime.quality.real import asked, features, samples, served
from tests.runtime.quality.test_scoring import scored
from tests.runtime.serving import running
from tests.runtime.serving.running import free_port


def shown(values: Values) -> dict[tuple[str, ...], float]:
    return samples(values.text().decode())


def log(capsys: pytest.CaptureFixture[str], event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not there is given up at once."""
    monkeypatch.setattr(cycle, "PATIENCE", 0.3)
    monkeypatch.setattr(cycle, "POLL", 0.05)


def test_unreachable_it_keeps_the_last_values_says_so_and_recovers(
    trained: Callable[[str], Path],
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained("instruction-tuning")
    port = free_port()
    monkeypatch.setattr(running, "free_port", lambda: port)
    given = asked(f"http://127.0.0.1:{port}")
    values = Values(given)
    cycles = Cycles(given, None, values)
    assert not cycles.run()
    assert shown(values)["model_quality_stale",] == 1
    assert math.isnan(shown(values)["model_accuracy",])
    with served("instruction-tuning") as server:
        assert server.post("/predict", {"prompt": "one two", "max_tokens": 3}).status_code == 200
        assert cycles.run()
        assert cycles.run()
        good = shown(values)
    assert not cycles.run()
    after = shown(values)
    assert after["model_quality_stale",] == 1
    assert (after["model_quality_cycles_total", "success"], after["model_quality_cycles_total", "error"]) == (2, 2)
    kept = [("model_accuracy",), ("model_perplexity",), ("model_quality_timestamp_seconds",)]
    assert {name: after[name] for name in kept} == {name: good[name] for name in kept}
    assert log(capsys, "failed")[-1]["reason"].startswith(f"GET {server.url}/readyz: no answer")


def test_signs_ratings_and_drift_come_from_the_server_and_no_text_is_logged(
    trained: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    trained("instruction-tuning")
    with served("instruction-tuning", token="secret") as server:
        headers = {"Authorization": "Bearer secret"}
        given = asked(server.url)
        values = Values(given)
        cycles = Cycles(given, "secret", values)
        found = []
        for n in range(0, 120, 24):
            prompts = [f"Count on from one, {n + m}" for m in range(24)]
            found += server.post("/predict", {"prompts": prompts, "max_tokens": 4}, headers=headers).json()
        rating = {"id": found[0]["id"], "rating": 4}
        assert server.post("/feedback", rating, headers=headers).status_code == 200
        cycles._looks = drift.Looks(given.alpha, given.min_effect, -drift.DAY * 2)
        assert cycles.run()
        first = shown(values)
        assert cycles.run()
        counts = server.get("/internal/features", headers=headers).text
    output = capsys.readouterr()
    assert '"event":"cycle"' in output.out
    for text in ("Count on", "secret", *(one["generated_text"] for one in found if len(one["generated_text"]) > 10)):
        assert text not in output.out + output.err + counts
    assert first["model_quality_samples", "answers"] == 120
    assert first["model_quality_samples", "log_probability"] >= 1
    assert first["model_answer_log_probability",] < 0
    assert first["model_answer_tokens",] == sum(one["output_tokens"] for one in found) / 120
    truncated = Counter(one["finish_reason"] for one in found)["length"]
    assert first["model_answer_share", "truncated"] == truncated / 120
    assert (first["model_rating",], first["model_quality_samples", "rating"]) == (4.0, 1)
    assert first["model_drift_samples", "prompt.length"] == 120
    # The training part has 60 records: too few to compare with.
    assert math.isnan(first["model_drift_score", "prompt.length"])
    assert math.isnan(shown(values)["model_answer_tokens",])
    assert first["model_drift_samples", "response.length"] == 0


def test_a_classifier_s_held_out_records_are_no_requests(trained: Callable[[str], Path]) -> None:
    trained("text-classification")
    with served("text-classification") as server:
        given = asked(server.url, "text-classification", features={"text": ("length",)})
        values = Values(given)
        cycles = Cycles(given, None, values)
        assert cycles.run()
        assert server.post("/predict", {"prompt": "one two"}).status_code == 200
        assert cycles.run()
        assert cycles.run()
    assert shown(values)["model_quality_samples", "accuracy"] == 30
    assert shown(values)["model_drift_samples", "text.length"] == 1


def test_a_classifier_s_records_are_no_requests_when_scoring_fails_either(
    trained: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained("text-classification")
    with served("text-classification") as server:
        given = asked(server.url, "text-classification", features={"text": ("length",)})
        values = Values(given)
        cycles = Cycles(given, None, values)

        def broken(*_: Any) -> Scores:
            assert server.post("/predict", {"prompts": ["one", "two"]}).status_code == 200
            raise Unanswered("broken on purpose")

        with monkeypatch.context() as patch:
            patch.setattr(scoring, "score", broken)
            assert not cycles.run()
        assert server.post("/predict", {"prompt": "one two"}).status_code == 200
        assert cycles.run()
    assert shown(values)["model_drift_samples", "text.length"] == 1


def test_a_version_that_comes_while_another_is_scored_is_not_given_its_numbers(
    trained: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    trained("instruction-tuning")
    versions = iter(["a", "b", "b", "b"])

    def version(_: Asked) -> tuple[int, Any]:
        return 200, {"model": "tiny", "task": "instruction-tuning", "version": next(versions)}

    pages: dict[str, Any] = {"/readyz": (200, {}), "/version": version, "/metrics": (200, b"")}
    pages |= {ports.FEATURES: (200, features({}, 0)), "/v1/completions": scored}
    with fake(pages) as server:
        given = asked(server.url, samples=5)
        values = Values(given)
        cycles = Cycles(given, None, values)
        assert not cycles.run()
        assert math.isnan(shown(values)["model_accuracy",])
        [line] = log(capsys, "failed")
        assert (line["part"], line["reason"][:26]) == ("scores", "another version came while")
        assert cycles.run()
    assert shown(values)["model_quality_samples", "accuracy"] == 5


def test_records_and_model_of_a_folder_are_read_again(trained: Callable[[str], Path]) -> None:
    project = trained("instruction-tuning")
    dataset = project / "data/processed/validation.jsonl"
    with served("instruction-tuning") as server:
        given = asked(server.url)
        values = Values(given)
        cycles = Cycles(given, None, values)
        assert cycles.run()
        dataset.write_text("".join(dataset.read_text().splitlines(keepends=True)[:4]))
        assert cycles.run()
    assert shown(values)["model_quality_samples", "accuracy"] == 4


@pytest.mark.parametrize(
    ("pages", "parts"),
    [
        ({"/readyz": (200, {})}, ["model", "requests", "ratings"]),
        (
            {"/readyz": (200, {}), "/version": (200, {"model": "other", "task": "causal-lm", "version": "3"})},
            ["model", "requests", "ratings"],
        ),
        ({"/readyz": (200, {}), "/version": (200, ["no object"])}, ["model", "requests", "ratings"]),
    ],
)
def test_each_part_fails_by_itself_and_the_reason_is_logged(
    pages: Any, parts: list[str], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake(pages) as server:
        given = asked(server.url)
        values = Values(given)
        assert not Cycles(given, None, values).run()
    failed = log(capsys, "failed")
    assert [line["part"] for line in failed] == parts
    assert all(line.get("reason") or line.get("stack") for line in failed)
    assert shown(values)["model_quality_cycles_total", "error"] == 1


def test_a_registered_model_is_judged_without_its_weights_by_the_run_s_own_records(
    trained: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project = trained("instruction-tuning")
    monkeypatch.setenv("XDG_CACHE_HOME", str(project / "cache"))
    (project / "params.yaml").write_text(
        json.dumps(
            json.loads((project / "params.yaml").read_text()) | {"register": {"keep": 2, "semantic_version": "auto"}}
        )
    )
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "tiny")
    run = tracked()
    expected = evaluate()
    result = CliRunner().invoke(cli, ["register"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    fetched = []
    kept = subject.fetched

    def watched(uri: str, folder: str) -> str:
        found = kept(uri, folder)
        fetched.extend(sorted(name for _, _, names in os.walk(folder) for name in names))
        return found

    monkeypatch.setattr(subject, "fetched", watched)
    with served("instruction-tuning", "models:/tiny/1") as server:
        elsewhere = tmp_path_factory.mktemp("pod")
        monkeypatch.chdir(elsewhere)
        given = asked(server.url, model_uri="models:/tiny@champion")
        other = given._replace(dataset="data/other.jsonl")
        values = Values(other)
        assert not Cycles(other, None, values).run(), "neither here nor with the run"
        assert shown(values)["model_quality_samples", "accuracy"] == 0
        values = Values(given)
        cycles = Cycles(given, None, values)
        fetched.clear()
        assert cycles.run()
        fetched_twice = len(fetched)
        assert cycles.run()
    assert len(fetched) == fetched_twice, "the files of a version are fetched once"
    assert {"mlops.json", "tokenizer.json", "features.json"} <= set(fetched)
    assert not any(name.endswith(".safetensors") for name in fetched)
    found = shown(values)
    assert found["model_accuracy",] == pytest.approx(expected["val_accuracy"], rel=1e-6)
    assert found["model_perplexity",] == pytest.approx(expected["val_perplexity"], rel=1e-6)
    client = mlflow_server.client()
    [kept_run] = client.search_runs([client.get_run(run).info.experiment_id], f"tags.`{TAG}` = 'test/tiny/1'")
    assert kept_run.data.metrics["model_accuracy"] == found["model_accuracy",]
    history = client.get_metric_history(kept_run.info.run_id, "model_perplexity")
    assert len(history) == 2
    assert kept_run.info.status == "FINISHED"


def test_mlflow_that_is_down_ends_nothing(
    trained: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained("instruction-tuning")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:word@127.0.0.1:{free_port()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with served("instruction-tuning") as server:
        given = asked(server.url, samples=4)
        values = Values(given)
        assert Cycles(given, None, values).run()
    assert shown(values)["model_quality_samples", "accuracy"] == 4
    [line] = log(capsys, "untracked")
    assert "does not answer" in line["reason"]
    assert "word" not in line["reason"]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda: os.remove("models/model/mlops.json"), "no models/model/mlops.json"),
        (lambda: Path("models/model/features.json").write_text("{}"), "holds no counts of features"),
        (lambda: Path("data/processed/validation.jsonl").write_text(""), "leaves nothing to score"),
        (lambda: os.remove("data/processed/validation.jsonl"), "keeps no validation.jsonl"),
    ],
)
def test_a_model_or_data_that_do_not_fit_are_told(
    trained: Callable[[str], Path], damage: Callable[[], object], told: str
) -> None:
    trained("instruction-tuning")
    damage()
    from mlops_runtime.quality import heldout

    given = asked("http://x")
    with pytest.raises(Mistaken, match=told):
        heldout.questions(given, subject.load(given, "local", "models/model"))


def test_a_model_without_counts_has_no_drift(trained: Callable[[str], Path]) -> None:
    trained("instruction-tuning")
    given = asked("http://x")
    assert set(subject.load(given, "local", "models/model").reference.counts) == {"prompt.length", "prompt.words"}
    os.remove("models/model/features.json")
    assert subject.load(given, "local", "models/model").reference.counts == {}


def look(state: str) -> Look:
    shift = Shift("number", state, 0.3, None, 0.0, 0.0, (500, 500))  # type: ignore[arg-type]
    return Look({"prompt.length": shift}, {"prompt.length": 500})


def scores(accuracy: float) -> Scores:
    return Scores(accuracy, 2.0, 10, 0)


def test_the_webhook_hears_of_each_drift_and_decay_once_as_long_as_it_lasts() -> None:
    now = [0.0]
    with fake({"/hook": (200, {})}) as hook:
        given = asked("http://x", retrain=f"{hook.url}/hook", min_accuracy=0.8)
        retrain = Retrain(given, "hook-token", lambda: now[0])
        retrain.hear(look("none"), scores(0.9))
        assert not hook.asked
        for hour, (state, accuracy) in enumerate(
            [("drift", 0.9), ("drift", None), (None, 0.7), ("drift", 0.7), ("none", 0.9), ("drift", 0.9)]
        ):
            now[0] = hour * 3600.0
            retrain.hear(look(state) if state else None, None if accuracy is None else scores(accuracy))
        assert len(hook.asked) == 2, "what comes back on the same day is no news"
        now[0] = QUIET
        retrain.hear(look("drift"), scores(0.9))
        now[0] = 10 * QUIET
        retrain.hear(look("drift"), scores(0.9))
    assert {one.headers["authorization"] for one in hook.asked} == {"Bearer hook-token"}
    names = [[alert["labels"]["alertname"] for alert in asked.body["alerts"]] for asked in hook.asked]
    assert names == [["ModelInputDrift"], ["ModelAccuracyLow"], ["ModelInputDrift"]]
    body = hook.asked[0].body
    assert (body["version"], body["status"]) == ("4", "firing")
    assert body["alerts"][0]["labels"] == {
        "alertname": "ModelInputDrift",
        "feature": "prompt.length",
        "model_name": "tiny",
        "environment": "test",
        "retrain": "true",
    }


def test_a_webhook_that_fails_is_called_again_and_none_is_called_where_none_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with fake({"/hook": (500, {"error": {"message": "no runner"}})}) as hook:
        retrain = Retrain(asked("http://x", retrain=f"{hook.url}/hook"), None)
        retrain.hear(look("drift"), scores(0.1))
        hook.pages["/hook"] = (200, {})
        retrain.hear(look("drift"), None)
        retrain.hear(look("drift"), None)
        Retrain(asked("http://x"), None).hear(look("drift"), None)
    assert len(hook.asked) == 2
    assert "authorization" not in hook.asked[0].headers
    Retrain(asked("http://x", retrain=f"{hook.url}/hook"), None).hear(look("drift"), None)
    assert [line["event"] for line in map(json.loads, capsys.readouterr().out.splitlines())] == [
        "retrain not raised",
        "retrain raised",
        "retrain not raised",
    ]
