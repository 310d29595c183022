"""What Prometheus sees of a training is the contract."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.request import urlopen

import pytest
from mlops_runtime.training import meter
from prometheus_client.parser import text_string_to_metric_families

from mlopsgen.contract.metrics.trainer import FAMILIES
from tests.runtime.training.conftest import report, sections, train


def free_port() -> int:
    with socket.socket() as given:
        given.bind(("127.0.0.1", 0))
        return int(given.getsockname()[1])


def test_families_are_those_of_the_contract_and_closed_labels_exist_from_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLOPS_ENVIRONMENT", "production")
    port, made = free_port(), meter.Meter("tiny", 12)
    made.start(port)
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            found = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
    finally:
        made.close()
    assert {name.removesuffix("_total") for name in (family.name for family in FAMILIES)} == set(found)
    for family in FAMILIES:
        shown = found[family.name.removesuffix("_total")]
        assert (shown.type, shown.documentation) == (family.kind, family.help)
        assert shown.samples, f"{family.name} has no series yet"
    parts = {sample.labels["part"] for sample in found["model_training_loss"].samples}
    assert parts == {"train", "validation"}
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_run_moves_them(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port, seen = free_port(), {}
    monkeypatch.setenv("MLOPS_ENVIRONMENT", "local")
    monkeypatch.setattr(meter.Meter.start, "__defaults__", (port,))
    closed = meter.Meter.close

    def close(self: meter.Meter) -> None:
        if self._server is not None:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                for family in text_string_to_metric_families(answer.read().decode()):
                    for sample in family.samples:
                        seen[sample.name, sample.labels.get("part"), sample.labels.get("le")] = sample.value
        closed(self)

    monkeypatch.setattr(meter.Meter, "close", close)
    assert train(sections()) == 0
    steps, name = report()["steps"], "model_training_"
    assert seen[f"{name}step", None, None] == seen[f"{name}steps_planned", None, None] == steps
    assert seen[f"{name}checkpoint_step", None, None] == steps
    assert seen[f"{name}epoch", None, None] == 2
    assert seen[f"{name}tokens_total", None, None] == report()["tokens"]
    assert seen[f"{name}step_duration_seconds_count", None, None] == steps
    assert 0 < seen[f"{name}loss", "validation", None] < 10


def test_without_an_environment_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLOPS_ENVIRONMENT", raising=False)
    port, made = free_port(), meter.Meter("tiny", 1)
    made.start(port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    made.close()


def test_a_port_that_is_taken_ends_no_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLOPS_ENVIRONMENT", "local")
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        meter.Meter("tiny", 1).start(port)
    assert f"no metrics at port {port}" in capsys.readouterr().err
