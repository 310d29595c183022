"""What servers write of an experiment's users: a line a request and a rating, a pseudonym and never an id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from mlops_runtime.errors import Mistaken
from mlops_runtime.experiment.assignment import pseudonym
from mlops_runtime.experiment.outcomes import read
from mlops_runtime.experiment.stages import constant
from mlops_runtime.serving import settings as serving_settings
from mlops_runtime.serving.settings import Experiment

from tests.runtime.serving.fake import FakeEngine, made
from tests.runtime.serving.running import CLIENT, running, until
from tests.targets.local.specs import outputs

EXPERIMENT = Experiment("x-user-id", "assistant/production")
ANNA = {"X-User-Id": "anna-the-otter"}


def outcomes(text: str) -> list[dict[str, Any]]:
    """Lines of outcomes."""
    return [one for one in map(json.loads, text.splitlines()) if one["event"] == "outcome"]


def test_a_line_a_request_and_a_rating(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with running(made(FakeEngine(), experiment=EXPERIMENT, variant="canary")) as server:
        answer = server.post("/predict", {"prompt": "hello"}, headers=ANNA).json()["id"]
        server.post("/v1/completions", {"prompt": "hello", "stream": True}, headers=ANNA)
        server.post("/predict", {"prompt": "x!broken"}, headers=ANNA)
        server.post("/predict", {}, headers=ANNA)
        server.post("/feedback", {"id": answer, "rating": 4}, headers=ANNA)
        server.post("/feedback", {"id": answer, "rating": 4}, headers=ANNA)
        server.get("/version", headers=ANNA)
        server.post("/predict", {"prompt": "nobody"})
        server.post("/predict", {"prompt": "nobody"}, headers={"X-User-Id": ""})
    out, err = capfd.readouterr()
    assert "otter" not in out + err
    lines = outcomes(out)
    assert [(one.get("success", "-"), one.get("rating")) for one in lines] == [
        (True, None),
        (True, None),
        (False, None),
        (None, None),
        ("-", 4),
    ]
    assert {one["user"] for one in lines} == {pseudonym("assistant/production", b"anna-the-otter")}
    assert {(one["variant"], one["version"]) for one in lines} == {("canary", "7")}
    assert [one.get("seconds") is not None for one in lines] == [True, True, False, False, False]
    log = tmp_path / "log.jsonl"
    log.write_text(out)
    found = read([str(log)], constant(0.1))
    assert (found.records, found.people()) == (5, (1, 0))
    assert found.units("success")[0].value.tolist() == [pytest.approx(2 / 3)]
    assert found.units("rating")[0].value.tolist() == [4.0]


def test_late_answers_count_with_their_time_and_abandoned_ones_not(capfd: pytest.CaptureFixture[str]) -> None:
    text = ""

    def seen() -> bool:
        nonlocal text
        text += capfd.readouterr().out
        return text.count('"outcome","variant"') == 2

    with running(made(FakeEngine(), experiment=EXPERIMENT, timeout=0.3)) as server:
        assert server.post("/predict", {"prompt": "!hang"}, headers=ANNA).status_code == 504
        with pytest.raises(httpx.ReadTimeout):
            CLIENT.post(server.url + "/predict", json={"prompt": "!hang"}, headers=ANNA, timeout=0.1)
        until(seen, what="the lines")
    lines = outcomes(text)
    assert [one["success"] for one in lines] == [False, None]
    assert lines[0]["seconds"] >= 0.3
    assert lines[1]["seconds"] is None


def test_without_an_experiment_nothing_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    with running(made(FakeEngine())) as server:
        server.post("/predict", {"prompt": "hello"}, headers=ANNA)
    assert outcomes(capfd.readouterr().out) == []


@pytest.mark.parametrize("part", ["champion", "canary"])
def test_the_generator_s_settings_tell_both_variants_the_same(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = yaml.safe_load(outputs("full")[f"local/{part}.yaml"])
    assert written["experiment"] == {"sticky": {"header": "x-user-id"}}
    path = tmp_path / "settings.yaml"
    written["serving"]["address"] = None
    path.write_text(yaml.safe_dump(written | {"experiment": {"sticky": {"header": "X-User-Id"}}}))
    monkeypatch.setenv("MLOPS_CONFIG", str(path))
    expected = Experiment("x-user-id", f"{written['project']}/local")
    assert serving_settings.read().experiment == expected
    path.write_text(yaml.safe_dump(written | {"experiment": None}))
    assert serving_settings.read().experiment is None
    path.write_text(yaml.safe_dump(written | {"experiment": {"sticky": None}}))
    with pytest.raises(Mistaken, match="holds no settings of the serving app"):
        serving_settings.read()
