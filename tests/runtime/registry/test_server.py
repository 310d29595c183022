"""The same against a real MLflow server with its allowed hosts set, and with several processes at once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlops_runtime import tracking
from mlops_runtime.errors import Mistaken
from mlops_runtime.registry import promotion, state
from mlops_runtime.registry.register import register
from mlops_runtime.tracking import delivery, server

from tests.runtime.registry.test_promotion import consistent
from tests.runtime.tracking.store import environment, write_params

HOST = "mlflow.test"
"""A name that the server is told to answer to; the tests resolve it to this machine."""


class Mlflow:
    """A server of its own process group."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db"]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        command += ["--allowed-hosts", f"{HOST},{HOST}:*,127.0.0.1:*"]
        variables = environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
        self._log = (self._folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            command, cwd=self._folder, env=variables, stdout=self._log, stderr=self._log, start_new_session=True
        )
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).close()
                return
            except OSError:
                assert self._process.poll() is None, (self._folder / "server.log").read_text()
                assert time.monotonic() < deadline, "the server does not start"
                time.sleep(0.1)

    def stop(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Mlflow]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
    running = Mlflow(folder)
    yield running
    running.stop()


@pytest.fixture
def address(mlflow_server: Mlflow, project: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server's, by the name that it is told to answer to; the project tracks there."""
    real = socket.getaddrinfo

    def resolved(host: Any, *arguments: Any, **named: Any) -> Any:
        return real("127.0.0.1" if str(host).endswith(".test") else host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    given = f"http://{HOST}:{mlflow_server.port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    return given


def test_a_model_from_training_to_champion(address: str, model: Path) -> None:
    import mlflow

    with tracking.start("train", {"train": {"seed": 1}}) as tracker:
        tracker.log_metrics({"train_loss": 1.0}, 1)
        tracker.log_model("models/model")
    made = register()
    assert (made["version"], made["run_id"], made["new"]) == ("1", tracker.run_id, True)
    assert register()["new"] is False
    assert promotion.promote("1").reached
    client = server.client()
    consistent(client)
    assert client.get_run(str(tracker.run_id)).data.metrics["train_loss"] == 1.0
    local = Path(mlflow.artifacts.download_artifacts("models:/tiny/1"))
    assert (local / "model" / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()


def test_a_name_that_the_server_does_not_answer_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address.replace(HOST, "other.test"))
    with pytest.raises(Mistaken, match=r"refuses the name other\.test: start it with `--allowed-hosts other\.test,"):
        promotion.promote("1")


def test_no_server(address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hunter2@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with (
        pytest.raises(Mistaken, match=r"the tracking server at http://127\.0\.0\.1:9 does not answer"),
        tracking.start("train", {}),
    ):
        pass
    with tracking.start("train", {}, resumed=True) as tracker:
        tracker.log_metrics({"a": 1.0}, 1)
    assert tracker.run_id is None
    said = capsys.readouterr().err
    assert "this part of the run is not tracked" in said
    assert "hunter2" not in said


@pytest.mark.slow
def test_a_server_that_dies_in_the_middle_of_a_training(
    mlflow_server: Mlflow, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(delivery, "PAUSES", (0.1,))
    with tracking.start("train", {"train": {"seed": 1}}) as tracker:
        tracker.log_metrics({"train_loss": 0.0}, 0)
        mlflow_server.stop()
        began = time.monotonic()
        for step in range(1, 100):
            tracker.log_metrics({"train_loss": float(step)}, step)
        assert time.monotonic() - began < 1
        mlflow_server.start()
    client = server.client()
    history = client.get_metric_history(str(tracker.run_id), "train_loss")
    assert [point.step for point in history] == list(range(100))
    assert client.get_run(str(tracker.run_id)).info.status == "FINISHED"


PROMOTER = """\
import os, sys, time
from mlops_runtime.registry import promotion
from mlops_runtime.tracking import server
me, versions, addresses = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]
server.quiet()
for number, address in enumerate(addresses):
    os.environ["MLFLOW_TRACKING_URI"] = address
    open(f"{me}.{number}", "w").close()
    while not os.path.exists("a.%d" % number) or not os.path.exists("b.%d" % number):
        time.sleep(0.005)
    for version in versions:
        print(promotion.promote(version))
"""


@pytest.mark.slow
def test_promotions_at_once_end_in_one_champion(mlflow_server: Mlflow, project: Path) -> None:
    """Two processes, four promotions each, as fast as they can: on SQLite, then on the server."""
    addresses = [f"sqlite:///{project}/mlflow.db", f"http://127.0.0.1:{mlflow_server.port}"]
    write_params(project, model={"name": "at-once"})
    for address in addresses:
        client = MlflowClient(address, address)
        client.create_registered_model("at-once")
        for _ in range(4):
            client.create_model_version("at-once", "s3://nowhere/model")
    (project / "promoter.py").write_text(PROMOTER)
    processes = [
        subprocess.Popen(
            [sys.executable, "promoter.py", me, versions, *addresses],
            cwd=project,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for me, versions in (("a", "1,2,1,2"), ("b", "3,4,3,4"))
    ]
    try:
        said = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], said
    for address in addresses:
        client = MlflowClient(address, address)
        found = state.look(client, "at-once")
        assert {entry.action for entry in found.entries} == {"promote"}, "none was taken for a change by hand"
        assert len({entry.key for entry in found.entries}) == len(found.entries) <= 8
        assert found.champion == found.entries[-1].version
        assert found.champion in {"2", "4"}
        assert found.entries[-1].done is not None
        stages = {str(version.version): version.tags["lifecycle"] for version in state.versions(client, "at-once")}
        assert [version for version, stage in stages.items() if stage == "production"] == [found.champion]
