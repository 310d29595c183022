"""A server that does not answer neither stops a training nor loses what was logged."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from mlops_runtime.tracking import delivery
from mlops_runtime.tracking.delivery import Delivery


class Server:
    """Takes metrics while it is up."""

    def __init__(self) -> None:
        self.up = threading.Event()
        self.got: list[Any] = []
        self.tried = threading.Event()

    def take(self, metrics: Sequence[Any]) -> None:
        if not self.up.is_set():
            self.tried.set()
            raise ConnectionError("refused")
        self.got += metrics


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "EVERY", 0.01)
    monkeypatch.setattr(delivery, "PAUSES", (0.01,))


def test_what_was_logged_while_the_server_was_down_arrives_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server()
    sending = Delivery(server.take)
    sending.metrics([1])
    assert server.tried.wait(10)
    began = time.monotonic()
    for number in range(2, 2000):
        sending.metrics([number])
    sending.call("file", lambda: server.got.append("file"))
    sending.metrics([2000])
    assert time.monotonic() - began < 1
    assert server.got == []
    server.up.set()
    assert sending.close()
    assert server.got == [*range(1, 2000), "file", 2000]
    said = capsys.readouterr().err
    assert said.count("does not take metrics, trying on: refused") == 1
    assert said.count("answers again") == 1


def test_the_end_waits_for_the_grace_period_and_no_longer(capsys: pytest.CaptureFixture[str]) -> None:
    sending = Delivery(Server().take, grace=0.2)
    sending.metrics([1, 2, 3])
    began = time.monotonic()
    assert not sending.close()
    assert 0.2 <= time.monotonic() - began < 5
    assert "3 items did not reach the tracking server" in capsys.readouterr().err


def test_a_slow_server_is_waited_for() -> None:
    got: list[Any] = []

    def slow(metrics: Sequence[Any]) -> None:
        threading.Event().wait(0.4)
        got.extend(metrics)

    sending = Delivery(slow, grace=0.1)
    sending.metrics([1])
    assert sending.close()
    assert got == [1]


def test_what_is_refused_for_good_does_not_hold_up_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    got: list[Any] = []

    def picky(metrics: Sequence[Any]) -> None:
        if "bad" in metrics:
            raise ValueError("no such thing")
        got.extend(metrics)

    sending = Delivery(picky)
    sending.metrics(["a", "bad", "b"])
    assert not sending.close()
    assert got == ["a", "b"]
    assert "metrics dropped: no such thing" in capsys.readouterr().err


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(delivery, "HELD", 10)
    server = Server()
    sending = Delivery(server.take)
    for number in range(25):
        sending.metrics([number])
    server.up.set()
    assert not sending.close()
    assert server.got == list(range(10))
    assert "15 items" in capsys.readouterr().err


def test_no_credentials_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(metrics: Sequence[Any]) -> None:
        raise ConnectionError("https://me:hunter2@mlflow.acme.dev is gone")

    sending = Delivery(refuse, grace=0.05)
    sending.metrics([1])
    sending.close()
    said = capsys.readouterr().err
    assert "https://mlflow.acme.dev is gone" in said
    assert "hunter2" not in said
