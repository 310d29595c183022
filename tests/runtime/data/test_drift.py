"""`mlops-runtime drift`: what it compares with, what it says, what it does."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from mlops_runtime.data import features, reference
from mlops_runtime.data.drift import drift
from mlops_runtime.errors import Mistaken

from tests.runtime.data.conftest import COLUMNS, Folder

ASKED: dict[str, Any] = {
    "reference": "old.jsonl",
    "features": {"prompt": ["length", "words"], "response": ["length"]},
    "alpha": 0.01,
    "min_effect": 0.05,
    "action": "warn",
}


def records(count: int, longer: float = 1.0, seed: int = 0) -> list[dict[str, str]]:
    generator = random.Random(seed)
    return [
        {
            "prompt": "word " * round(generator.lognormvariate(2.5, 0.4) * longer) + "?",
            "response": "answer " * round(generator.lognormvariate(3, 0.4)) + ".",
        }
        for _ in range(count)
    ]


def project(folder: Folder, now: list[dict[str, str]], old: list[dict[str, str]], **more: Any) -> None:
    folder.parameters(drift=ASKED | more)
    folder.raw(now, "data/processed/train.jsonl")
    folder.raw(old, "old.jsonl")


def states(folder: Folder) -> dict[str, str]:
    return {name: each["state"] for name, each in folder.report("drift")["features"].items()}


def test_what_did_not_change_is_no_drift(folder: Folder) -> None:
    project(folder, records(600), records(900, seed=1), action="fail")
    done = folder.run("drift")
    assert (done.returncode, done.stderr) == (0, "")
    report = folder.report("drift")
    assert (report["drift"], report["compared"], report["retrain"]) == (0, 3, 0)
    assert (report["records"], report["reference_records"]) == (600, 900)
    assert set(states(folder).values()) == {"none"}


@pytest.mark.parametrize(("action", "code"), [("warn", 0), ("fail", 1), ("retrain", 0)])
def test_a_found_drift_does_what_the_spec_says(action: str, code: int, folder: Folder) -> None:
    project(folder, records(600, longer=1.4), records(900, seed=1), action=action)
    output = folder.path / "output"
    done = folder.run("drift", GITHUB_ACTIONS="true", GITHUB_OUTPUT=str(output))
    assert done.returncode == code
    assert "::warning title=Drift::prompt.length, prompt.words drifted" in done.stdout
    assert states(folder) == {"prompt.length": "drift", "prompt.words": "drift", "response.length": "none"}
    assert (output.read_text() if output.exists() else "") == ("retrain=true\n" if action == "retrain" else "")
    assert folder.report("drift")["retrain"] == int(action == "retrain")


def test_without_drift_no_retrain_is_asked_for(folder: Folder) -> None:
    project(folder, records(300), records(300, seed=1), action="retrain")
    folder.run("drift", GITHUB_OUTPUT=str(folder.path / "output"))
    assert (folder.path / "output").read_text() == "retrain=false\n"


def test_too_little_data_is_said(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    project(folder, records(600, longer=3), records(60), action="fail")
    assert drift() == 0
    assert set(states(folder).values()) == {"not enough data"}
    assert "both sides need 100 records" in capsys.readouterr().out
    assert folder.report("drift")["not_enough_data"] == 3


def test_raw_references_are_prepared_like_the_data(folder: Folder) -> None:
    now = records(400)
    padded = [{"prompt": each["prompt"] + " " * 50, "response": "\n" + each["response"]} for each in now]
    project(folder, now, [*padded, {"prompt": "no answer"}])
    drift()
    report = folder.report("drift")
    assert report["reference_records"] == 400
    assert {each["distance"] for each in report["features"].values()} == {0.0}


def test_counts_serve_as_a_reference(folder: Folder) -> None:
    project(folder, records(400, longer=1.5), [], reference="features.json")
    features.save("features.json", features.counted(records(400), ASKED["features"]))
    drift()
    assert states(folder)["prompt.length"] == "drift"


def test_the_champions_data_is_the_reference(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    project(folder, records(400), [], reference="champion", action="fail")
    reference.keep("kept/features.json", COLUMNS)
    folder.raw(records(400, longer=1.5), "data/processed/train.jsonl")
    asked = []
    monkeypatch.setattr(
        "mlops_runtime.registry.champion_artifact", lambda name: asked.append(name) or "kept/features.json"
    )
    assert drift() == 1
    assert asked == ["features.json"]


def test_all_features_are_kept_so_that_another_choice_needs_no_training(folder: Folder) -> None:
    project(folder, records(200), [])
    reference.keep("kept/features.json", {**COLUMNS, "kind": {"type": "category"}})
    kept = features.load("kept/features.json")
    assert {"prompt.length", "prompt.words", "prompt.tokens", "kind.category"} <= set(kept.counts)
    assert kept.counts["prompt.tokens"].total == 200


def test_a_column_of_too_many_classes_is_left_out(folder: Folder) -> None:
    project(folder, [{**record, "kind": f"kind {n}"} for n, record in enumerate(records(1200))], [])
    reference.keep("kept/features.json", {**COLUMNS, "kind": {"type": "category"}})
    kept = features.load("kept/features.json")
    assert "kind.category" not in kept.counts
    assert kept.counts["prompt.length"].total == 1200


def test_without_a_champion_there_is_nothing_to_fail(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project(folder, records(400), [], reference="champion", action="fail")
    monkeypatch.setattr("mlops_runtime.registry.champion_artifact", lambda name: None)
    assert drift() == 0
    assert "there is no champion yet" in capsys.readouterr().out
    assert folder.report("drift")["compared"] == 0
    assert "no champion yet" in Path("reports/data/drift.html").read_text()


def test_mistakes(folder: Folder) -> None:
    project(folder, records(200), records(200), reference="nowhere.jsonl")
    done = folder.run("drift")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "there is no nowhere.jsonl" in done.stderr
    (folder.path / "data/processed/train.jsonl").unlink()
    folder.parameters(drift=ASKED)
    with pytest.raises(Mistaken, match="run `dvc repro prepare`"):
        drift()


def test_the_page_shows_both_distributions(folder: Folder) -> None:
    project(folder, records(400, longer=1.5), records(400), features={"prompt": ["length", "tokens"]})
    drift()
    text = Path("reports/data/drift.html").read_text("utf-8")
    assert text.count("<svg") == text.count("<polyline") == 2
    assert "prompt.length" in text
    assert "<script" not in text
    assert "http" not in text


def test_prepared_records_are_taken_as_they_are(folder: Folder) -> None:
    """An own step that would change them again must not."""
    folder.write("twice_step.py", "def double(text):\n    return text * 2\n")
    steps = reference.Preprocessing(["twice_step:double"])
    folder.raw([{"prompt": "ab", "response": "c"}])
    once = list(reference.prepared("data/raw", "jsonl", COLUMNS, steps))
    folder.raw(once, "again.jsonl")
    assert list(reference.prepared("again.jsonl", "jsonl", COLUMNS, steps)) == once
    assert once[0]["prompt"] == "abab"
