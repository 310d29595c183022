"""Behaviour under load: who waits, who is refused, who is ended."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from mlops_runtime.serving.admission import Admission
from mlops_runtime.serving.callers import Callers, Token, caller
from mlops_runtime.serving.problems import Problem
from mlops_runtime.serving.settings import RateLimit

from tests.runtime.serving.fake import FakeEngine, made
from tests.runtime.serving.running import Running, running, until


async def asked(url: str, bodies: list[dict[str, Any]], path: str = "/predict") -> list[httpx.Response]:
    """Answers to requests that are all sent at once."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        return list(await asyncio.gather(*(client.post(path, json=body) for body in bodies)))


def connected(server: Running, body: dict[str, Any], path: str = "/predict") -> socket.socket:
    """A connection on which a request was sent and nothing was read."""
    place = urlsplit(server.url)
    content = json.dumps(body).encode()
    connection = socket.create_connection((place.hostname or "", place.port or 0), timeout=10)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
    connection.sendall(head.encode() + content)
    return connection


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"prompt": "!hang"}),
        ("/v1/completions", {"prompt": "a!hang", "stream": True}),
        ("/v1/completions", {"prompt": "!hang", "n": 3}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "!hang"}], "n": 2, "stream": True}),
        ("/predict", {"prompts": ["!hang", "!hang"]}),
    ],
)
def test_a_client_that_vanishes_frees_its_places(path: str, body: dict[str, Any]) -> None:
    engine = FakeEngine(slots=3)
    with running(made(engine)) as server:
        connection = connected(server, body, path)
        until(lambda: engine.running)
        connection.close()
        until(lambda: engine.running == 0 and server.sample("model_requests_total", status="cancelled") == 1)
        assert server.service.admission.active == server.service.admission.waiting == 0
        assert server.sample("model_requests_total") == 1


def test_a_client_that_vanishes_in_the_queue_is_not_answered() -> None:
    engine = FakeEngine(slots=1)
    with running(made(engine, timeout=20.0)) as server:
        first = connected(server, {"prompt": "!hang"})
        until(lambda: engine.running == 1)
        second = connected(server, {"prompt": "second"})
        until(lambda: server.sample("model_queue_depth") == 1)
        assert server.sample("model_active_requests") == 1
        second.close()
        until(lambda: server.sample("model_queue_depth") == 0)
        first.close()
        until(lambda: server.sample("model_active_requests") == 0)
        assert engine.asked == 1
        assert server.post("/predict", {"prompt": "third"}).status_code == 200


def test_the_deadline_ends_a_request_and_frees_its_place() -> None:
    engine = FakeEngine(slots=2)
    with running(made(engine, timeout=0.4)) as server:
        begin = time.monotonic()
        found = server.post("/predict", {"prompt": "!hang"})
        assert (found.status_code, found.json()["error"]["code"]) == (504, "timeout")
        assert 0.3 < time.monotonic() - begin < 2
        with httpx.stream("POST", server.url + "/v1/completions", json={"prompt": "a!hang", "stream": True}) as answer:
            answer.read()
            assert answer.status_code == 504
        assert engine.running == 0
        assert server.sample("model_requests_total", status="timeout") == 2
        assert server.sample("model_inference_duration_seconds_count") == 2


def test_a_stream_that_began_tells_of_its_deadline_in_an_event() -> None:
    engine = FakeEngine(slots=2, step=0.15)
    with running(made(engine, timeout=0.5)) as server:
        text = server.post("/v1/completions", {"prompt": "abcdefgh", "stream": True}).text
        events = [line.removeprefix("data: ") for line in text.splitlines() if line]
        assert json.loads(events[0])["choices"][0]["text"] == "<"
        assert json.loads(events[-1])["error"]["code"] == "timeout"
        assert server.sample("model_requests_total", status="timeout") == 1
        assert engine.running == 0


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    with running(made(FakeEngine(), timeout=0.4)) as server:
        place = urlsplit(server.url)
        with socket.create_connection((place.hostname or "", place.port or 0), timeout=10) as connection:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            assert connection.recv(65536).startswith(b"HTTP/1.1 408")


def test_overload_is_refused_accepted_requests_keep_their_deadline_and_memory_is_bounded() -> None:
    # 2 places of 140 ms are 14 answers a second; at least five times as many come.
    engine = FakeEngine(slots=2, step=0.02)
    with running(made(engine, queue=8, timeout=4.0)) as server:
        for _ in range(3):
            assert server.post("/predict", {"prompt": "warm"}).status_code == 200
        memory = psutil.Process(os.getpid())

        async def flood() -> tuple[Counter[int], list[int]]:
            codes: Counter[int] = Counter()
            sizes = []
            limits = httpx.Limits(max_connections=None)

            async def one(client: httpx.AsyncClient) -> None:
                found = await client.post("/predict", json={"prompt": "flood"})
                codes[found.status_code] += 1
                if found.status_code == 429:
                    assert int(found.headers["retry-after"]) >= 1

            async with httpx.AsyncClient(base_url=server.url, timeout=30, limits=limits) as client:
                tasks = []
                end = time.monotonic() + 2
                while time.monotonic() < end:
                    tasks += [asyncio.create_task(one(client)) for _ in range(8)]
                    sizes.append(memory.memory_info().rss)
                    await asyncio.sleep(0.05)
                await asyncio.gather(*tasks)
            return codes, sizes

        codes, sizes = asyncio.run(flood())
        assert set(codes) == {200, 429}
        assert codes[200] > 10
        assert codes[429] > codes[200]
        # Seconds as the server sees them: the clients share its process here.
        within = server.sample("model_inference_duration_seconds_bucket", le="4.0")
        assert within == server.sample("model_inference_duration_seconds_count") == codes[200] + 3
        assert engine.most == 2
        assert sizes[-1] - sizes[len(sizes) // 2] < 20 << 20
        assert server.sample("model_requests_rejected_total", reason="queue_full") == codes[429]
        assert server.sample("model_queue_depth") == server.sample("model_active_requests") == 0
        begin = time.monotonic()
        assert server.post("/predict", {"prompt": "after"}).status_code == 200
        assert time.monotonic() - begin < 5


def test_a_queue_too_slow_for_the_deadline_refuses_before_it_is_full() -> None:
    engine = FakeEngine(slots=1, step=0.1)
    with running(made(engine, queue=1000, timeout=1.9)) as server:
        assert server.post("/predict", {"prompt": "abc"}).status_code == 200
        found = asyncio.run(asked(server.url, [{"prompt": "abc"}] * 12))
        codes = Counter(one.status_code for one in found)
        assert codes[429] >= 8
        assert codes[504] == 0
        assert codes[200] >= 1
        refused = next(one for one in found if one.status_code == 429)
        assert "expected in" in refused.json()["error"]["message"]


def test_failing_requests_take_no_others() -> None:
    engine = FakeEngine(slots=8, step=0.005)
    with running(made(engine, queue=100)) as server:
        kinds = ["fine", "x!broken", "x!crash", "x!refuse"]
        found = asyncio.run(asked(server.url, [{"prompt": kinds[number % 4]} for number in range(64)]))
        codes = [one.status_code for one in found]
        assert [codes[number::4] for number in range(4)] == [[200] * 16, [503] * 16, [500] * 16, [400] * 16]
        assert all(one.json()["generated_text"] == "<fine>" for one in found[::4])
        assert "secret" not in "".join(one.text for one in found)
        assert engine.running == 0


def test_several_answers_are_admitted_together_or_not_at_all() -> None:
    async def work() -> None:
        admission = Admission(2, 2)
        with admission.entered(3, time.monotonic() + 9) as tickets:
            assert admission.waiting == 3
            with pytest.raises(Problem, match="queue is full"), admission.entered(2, time.monotonic() + 9):
                pass
            assert admission.waiting == 3
            async with admission.place(tickets[0]):
                assert (admission.active, admission.waiting) == (1, 2)
        assert (admission.active, admission.waiting) == (0, 0)
        with pytest.raises(Problem, match="5 answers at once"), admission.entered(5, time.monotonic() + 9):
            pass

    asyncio.run(work())


def test_places_go_to_who_came_first_and_cancelled_ones_to_the_next() -> None:
    async def work() -> None:
        admission = Admission(1, 9)
        order: list[int] = []
        gate = asyncio.Event()

        async def one(number: int) -> None:
            with admission.entered(1, time.monotonic() + 9) as (ticket,):
                async with admission.place(ticket):
                    order.append(number)
                    await gate.wait()

        tasks = [asyncio.create_task(one(number)) for number in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks[1].cancel()
        gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert order == [0, 2, 3, 4]
        assert (admission.active, admission.waiting) == (0, 0)

    asyncio.run(work())


def test_a_place_given_to_someone_who_is_cancelled_at_that_moment_is_not_lost() -> None:
    async def work() -> None:
        admission = Admission(1, 9)

        async def one() -> None:
            with admission.entered(1, time.monotonic() + 9) as (ticket,):
                async with admission.place(ticket):
                    await asyncio.Event().wait()

        first, second = asyncio.create_task(one()), asyncio.create_task(one())
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert (admission.active, admission.waiting) == (0, 0)

    asyncio.run(work())


def test_answers_that_are_cut_off_make_the_queue_look_no_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("mlops_runtime.serving.admission.time.monotonic", lambda: now[0])

    async def place(admission: Admission, seconds: float, cut: bool) -> None:
        with admission.entered(1, now[0] + 9999) as (ticket,):
            async with admission.place(ticket):
                now[0] += seconds
                if cut:
                    raise TimeoutError

    async def work() -> None:
        admission = Admission(1, 9)
        await place(admission, 1.0, False)
        before = admission._expected(1)
        with pytest.raises(TimeoutError):
            await place(admission, 0.1, True)
        assert admission._expected(1) == before, "who goes early says nothing"
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await place(admission, 10.0, True)
        assert admission._expected(1) > 8

    asyncio.run(work())


def test_callers_get_their_rate_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    callers = Callers(RateLimit(2, 10.0, None), lambda: now[0])
    for _ in range(2):
        callers.count("a")
    with pytest.raises(Problem) as refused:
        callers.count("a")
    assert refused.value.headers["Retry-After"] == "5"
    now[0] = 5.0
    callers.count("a")
    with pytest.raises(Problem):
        callers.count("a")
    monkeypatch.setattr("mlops_runtime.serving.callers.REMEMBERED", 100)
    for number in range(1000):
        callers.count(str(number))
    assert len(callers._ends) == 100


def test_callers_are_told_apart_by_header_then_by_what_the_nearest_proxy_says() -> None:
    forwarded = {b"x-forwarded-for": b"6.6.6.6, 8.8.8.8"}
    assert caller({b"x-user-id": b"u"}, "10.0.0.1", "x-user-id") == caller({b"x-user-id": b"u"}, "1.1.1.1", "x-user-id")
    assert caller(forwarded, "10.0.0.1", "x-user-id") == "8.8.8.8"
    assert caller(forwarded, "9.9.9.9", None) == "9.9.9.9"
    assert caller(forwarded, "", None) == ""


def test_tokens_are_compared_by_their_digests() -> None:
    token = Token("s3cret")
    token.check(b"Bearer s3cret")
    for wrong in (None, b"", b"Bearer", b"Bearer s3cre", b"Bearer s3cretx", b"s3cret", "Bearer ß".encode()):
        with pytest.raises(Problem):
            token.check(wrong)
    assert "s3cret" not in repr(vars(token))
