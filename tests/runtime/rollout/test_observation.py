"""Counters of Prometheus as exact counts between two looks."""

from __future__ import annotations

import json
import socket
import time

import pytest
from mlops_runtime.endpoint import Reply, Unanswered
from mlops_runtime.rollout import observation
from mlops_runtime.rollout.observation import LATENCY, RATING, REQUESTS, Observer

BOUNDS = (0.1, 1.0)


class Prometheus:
    """Answers with what it is given."""

    def __init__(self) -> None:
        self.series: list[tuple[dict[str, str], str]] = []
        self.body: bytes | None = None
        self.asked: list[str] = []
        self.time = 0.0

    def get(self, path: str, timeout: float) -> Reply:
        self.asked.append(path)
        if self.body == b"":
            raise Unanswered("GET http://prometheus: no answer: refused")
        result = [{"metric": labels, "value": [0, value]} for labels, value in self.series]
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
        return Reply(200, body if self.body is None else self.body, {}, 0.0, path)


@pytest.fixture
def prometheus() -> Prometheus:
    return Prometheus()


def observer(prometheus: Prometheus, model: str = "m") -> Observer:
    """One that asks this Prometheus."""
    found = Observer("http://prometheus", model, "production", BOUNDS, clock=lambda: prometheus.time)
    found._endpoint = prometheus  # type: ignore[assignment]
    return found


def requests(variant: str, pod: str, value: object, status: str = "success") -> tuple[dict[str, str], str]:
    """A series of requests."""
    return {"__name__": REQUESTS, "variant": variant, "pod": pod, "status": status}, str(value)


def bucket(name: str, variant: str, le: str, value: object) -> tuple[dict[str, str], str]:
    """A series of a histogram."""
    return {"__name__": name, "variant": variant, "le": le}, str(value)


def test_counts_are_those_between_two_looks(prometheus: Prometheus) -> None:
    looking = observer(prometheus)
    prometheus.series = [
        requests("canary", "a", 10),
        requests("canary", "a", 1, "error"),
        requests("canary", "a", 2, "timeout"),
        requests("canary", "a", 5, "rejected"),
        requests("canary", "a", 5, "cancelled"),
        requests("champion", "b", 1000),
        *(bucket(LATENCY, "canary", le, value) for le, value in (("0.1", 1), ("1.0", 5), ("+Inf", 6))),
        *(bucket(RATING, "canary", f"{stars}.0", stars) for stars in range(1, 6)),
    ]
    assert looking.look().window is None
    prometheus.time = 15.0
    prometheus.series = [
        requests("canary", "a", 14),
        requests("canary", "a", 2, "error"),
        requests("canary", "a", 5, "timeout"),
        requests("canary", "a", 50, "rejected"),
        requests("canary", "a", 50, "cancelled"),
        requests("champion", "b", 1007),
        *(bucket(LATENCY, "canary", le, value) for le, value in (("0.1", 3), ("1.0", 8), ("+Inf", 12))),
        *(bucket(RATING, "canary", f"{stars}.0", stars + 2 * (stars > 3)) for stars in range(1, 6)),
    ]
    window = looking.look().window
    assert window is not None
    assert window.seconds == 15
    assert (window.canary.requests, window.canary.failed) == (8, 4)
    assert window.canary.latency == (2, 1, 3)
    assert window.canary.ratings == (0, 0, 0, 2, 0)
    assert (window.champion.requests, window.champion.failed) == (7, 0)


def test_new_pods_begin_to_count_and_restarted_ones_count_from_nothing(prometheus: Prometheus) -> None:
    looking = observer(prometheus)
    prometheus.series = [requests("canary", "a", 100)]
    looking.look()
    prometheus.series = [requests("canary", "a", 30), requests("canary", "new", 500)]
    window = looking.look().window
    assert window is not None
    assert window.canary.requests == 30
    prometheus.series = [requests("canary", "a", 31), requests("canary", "new", 502)]
    window = looking.look().window
    assert window is not None
    assert window.canary.requests == 3


def test_what_a_scrape_missed_comes_with_the_next(prometheus: Prometheus) -> None:
    looking = observer(prometheus)
    prometheus.series = [requests("canary", "a", 100), requests("champion", "b", 1)]
    looking.look()
    prometheus.series = [requests("champion", "b", 2)]
    window = looking.look().window
    assert window is not None
    assert (window.canary.requests, window.champion.requests) == (0, 1)
    prometheus.series = [requests("canary", "a", 140), requests("champion", "b", 3)]
    window = looking.look().window
    assert window is not None
    assert window.canary.requests == 40


def test_after_forgetting_the_next_look_is_a_first_one(prometheus: Prometheus) -> None:
    looking = observer(prometheus)
    prometheus.series = [requests("canary", "a", 100)]
    looking.look()
    looking.forget()
    prometheus.series = [requests("canary", "a", 200)]
    assert looking.look().window is None
    prometheus.series = [requests("canary", "a", 201)]
    window = looking.look().window
    assert window is not None
    assert window.canary.requests == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no answer"),
        (b"no JSON", "no JSON"),
        (b'{"status": "error"}', "instant vector"),
        (b'{"data": {"result": [{"metric": {}}]}}', "instant vector"),
        (b'{"data": {"result": [{"metric": {"__name__": "x"}, "value": [0, "x"]}]}}', "instant vector"),
        (b'{"data": {"result": []}}', "no series"),
        (b'{"data": {"result": [{"metric": {"__name__": "x"}, "value": [0, "NaN"]}]}}', "no series"),
    ],
)
def test_no_usable_answer_is_no_data_and_says_why(prometheus: Prometheus, body: bytes, said: str) -> None:
    looking = observer(prometheus)
    prometheus.body = body
    seen = looking.look()
    assert seen.window is None
    assert said in seen.text


def test_an_outage_between_two_looks_loses_no_request(prometheus: Prometheus) -> None:
    looking = observer(prometheus)
    prometheus.series = [requests("canary", "a", 1)]
    looking.look()
    prometheus.body = b""
    assert looking.look().window is None
    prometheus.body, prometheus.time = None, 60.0
    prometheus.series = [requests("canary", "a", 11)]
    window = looking.look().window
    assert window is not None
    assert (window.canary.requests, window.seconds) == (10, 60)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1"])
def test_values_that_are_no_counts_are_left_out(prometheus: Prometheus, value: str) -> None:
    looking = observer(prometheus)
    for number in (1, 2):
        prometheus.series = [requests("canary", "a", number), requests("canary", "b", value)]
        seen = looking.look()
    assert seen.window is not None
    assert seen.window.canary.requests == 1


def test_a_name_cannot_break_out_of_the_query(prometheus: Prometheus) -> None:
    observer(prometheus, 'a"} or vector(1) #\\').look()
    from urllib.parse import unquote_plus

    assert 'model_name="a\\"} or vector(1) #\\\\"' in unquote_plus(prometheus.asked[0])


def test_a_prometheus_that_is_slow_is_no_data_and_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observation, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        looking = Observer(f"http://127.0.0.1:{silent.getsockname()[1]}", "m", "production", BOUNDS)
        begin = time.monotonic()
        seen = looking.look()
    assert time.monotonic() - begin < 5
    assert seen.window is None
    assert "timed out" in seen.text
