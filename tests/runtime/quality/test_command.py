"""The command `quality`: its settings, its schedule, its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlops_runtime.__main__ import cli
from mlops_runtime.errors import Mistaken
from mlops_runtime.quality import run, settings

from tests.runtime.quality.fake import fake
from tests.runtime.quality.real import samples, served
from tests.runtime.quality.test_exposition import check
from tests.runtime.serving.running import free_port
from tests.runtime.tracking.store import environment

CONTENT: dict[str, Any] = {
    "project": "support-assistant",
    "environment": "production",
    "server": "http://support-assistant-champion:8000/",
    "tracking": {"uri": "https://mlflow.acme.dev", "experiment": "tuning"},
    "model": {"name": "tiny", "task": "instruction-tuning"},
    "quality": {
        "every": 3600.0,
        "dataset": "data/processed/validation.jsonl",
        "samples": 500,
        "drift": {"features": {"prompt": ["length", "words"]}, "alpha": 0.01, "min_effect": 0.05},
    },
}

FEATURES = ("prompt.length", "prompt.words")


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes settings with some changes, and names them."""
    for name in ("MLOPS_ENVIRONMENT", "MLOPS_MODEL_URI", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    def write(**changed: Any) -> Path:
        path = tmp_path / "quality.yaml"
        path.write_text(json.dumps({**CONTENT, **changed}))
        monkeypatch.setenv("MLOPS_CONFIG", str(path))
        return path

    return write


def test_settings_are_those_of_the_file(written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    written()
    found = settings.read()
    assert found.watched == ("prompt.length", "prompt.words")
    assert (found.server, found.every, found.samples) == ("http://support-assistant-champion:8000", 3600.0, 500)
    assert (found.environment, found.model_uri, found.retrain) == ("production", "models:/tiny@champion", None)
    assert (os.environ["MLFLOW_TRACKING_URI"], os.environ["MLFLOW_EXPERIMENT_NAME"]) == (
        "https://mlflow.acme.dev",
        "tuning",
    )
    monkeypatch.setenv("MLOPS_MODEL_URI", "models:/tiny/3")
    monkeypatch.setenv("MLOPS_ENVIRONMENT", "local")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:15000")
    written(quality={**CONTENT["quality"], "retrain": {"url": "http://hook", "min_accuracy": 0.85}})
    found = settings.read()
    assert (found.environment, found.model_uri) == ("local", "models:/tiny/3")
    assert (found.retrain, found.min_accuracy) == ("http://hook", 0.85)
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:15000"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"server": "support-assistant:8000"}, "`server` is no URL"),
        ({"quality": {}}, r"no settings of the quality exporter \(KeyError\('drift'\)\): run `mlopsgen build`"),
        ({"model": None}, "no settings of the quality exporter"),
        ({"server": "http://"}, "`server` is no URL"),
        ({"server": "http://model:port"}, "`server` is no URL"),
        ({"quality": {**CONTENT["quality"], "every": 0}}, "must be above 0"),
        ({"quality": {**CONTENT["quality"], "samples": 0}}, "must be above 0"),
        ({"quality": {**CONTENT["quality"], "retrain": {"url": "hook"}}}, r"`quality\.retrain\.url` is no URL"),
        ({"quality": {**CONTENT["quality"], "retrain": {"min_accuracy": 0.8}}}, r"KeyError\('url'\)"),
    ],
)
def test_settings_that_are_not_complete_are_told(written: Callable[..., Path], changed: Any, told: str) -> None:
    written(**changed)
    with pytest.raises(Mistaken, match=told):
        settings.read()


def test_no_settings_and_no_yaml_are_told(written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    written().write_text("a: [")
    with pytest.raises(Mistaken, match=r"quality\.yaml, named by MLOPS_CONFIG, cannot be read"):
        settings.read()
    monkeypatch.delenv("MLOPS_CONFIG")
    with pytest.raises(Mistaken, match="MLOPS_CONFIG is not set"):
        CliRunner().invoke(cli, ["quality"], catch_exceptions=False)


def test_cycles_begin_at_once_and_on_the_grid_and_those_that_a_long_one_covers_are_skipped() -> None:
    now, begun, lengths = [100.0], list[float](), iter([1.0, 25.0, 10.0, 0.0])

    def cycle() -> None:
        begun.append(now[0])
        now[0] += next(lengths)

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(StopIteration):
        run.forever(cycle, 10.0, lambda: now[0], sleep)
    assert begun == [100.0, 110.0, 140.0, 150.0, 160.0]


def exporter(server: str, folder: Path, lines: int) -> tuple[list[dict[str, Any]], str, float]:
    """Run the exporter until it has logged so many lines: its log, its metrics, how many seconds its end took."""
    config, port = folder / "quality.yaml", free_port()
    config.write_text(json.dumps({**CONTENT, "server": server, "tracking": {}}))
    given = environment(MLOPS_CONFIG=str(config), MLOPS_AUTH_TOKEN="secret", MLOPS_MODEL_URI="models/model")
    program = f"import sys; from mlops_runtime.quality.run import quality; sys.exit(quality({port}))"
    process = subprocess.Popen([sys.executable, "-c", program], env=given, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        output = "".join(process.stdout.readline() for _ in range(lines))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
            metrics = reply.read().decode()
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        output += process.communicate(timeout=20)[0]
        seconds = time.monotonic() - begin
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert "secret" not in output + metrics
    return [json.loads(line) for line in output.splitlines()], metrics, seconds


def test_it_shows_a_cycle_and_ends_at_sigterm(trained: Callable[[str], Path], tmp_path: Path) -> None:
    trained("instruction-tuning")
    with served("instruction-tuning", token="secret") as server:
        lines, metrics, seconds = exporter(server.url, tmp_path, 2)
    assert [line["event"] for line in lines] == ["listening", "cycle", "stopped"]
    assert lines[1]["failed"] == []
    check(metrics, "instruction-tuning", FEATURES)
    assert samples(metrics)["model_quality_cycles_total", "success"] == 1
    assert seconds < 10


def test_it_shows_the_contract_before_its_first_cycle_ends_and_sigterm_does_not_wait_for_that(tmp_path: Path) -> None:
    over = threading.Event()
    with fake({"/readyz": lambda _: (200 if over.wait(60) else 500, {})}) as server:
        try:
            lines, metrics, seconds = exporter(server.url, tmp_path, 1)
        finally:
            over.set()
    assert [line["event"] for line in lines] == ["listening", "stopped"]
    check(metrics, "instruction-tuning", FEATURES)
    assert seconds < 5
