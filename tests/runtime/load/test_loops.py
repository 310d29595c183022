"""The loops and the numbers, on a server that is a clock."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from mlops_runtime.errors import Mistaken
from mlops_runtime.load import loops, plan, report
from mlops_runtime.load.caller import OK, Sample
from mlops_runtime.load.plan import Plan, Request


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when everybody sleeps: no test waits, and times are exact."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        select = self._selector.select  # type: ignore[attr-defined]

        def jump(timeout: float | None = None) -> object:
            self._now += timeout or 0.0
            return select(0)

        self._selector.select = jump  # type: ignore[attr-defined]

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._now


class Server:
    """A caller whose server takes requests one by one, `work` seconds each, and stands still from 2 s to 4 s."""

    def __init__(self, work: float = 0.1, outcome: str = OK, wait: float = 0.0, stall: bool = False) -> None:
        self.work, self.outcome, self.wait, self.stall = work, outcome, wait, stall
        self.samples: list[Sample] = []
        self.requests: list[Request] = []
        self.free = 0.0
        self.most = self.running = 0

    @property
    def now(self) -> float:
        """Of the clock."""
        return asyncio.get_running_loop().time()

    async def ask(self, request: Request, due: float) -> Sample:
        """Wait for the turn, then for the work."""
        self.requests.append(request)
        self.running += 1
        self.most = max(self.most, self.running)
        sent = self.now
        begin = max(sent, self.free)
        if self.stall and 2.0 <= begin < 4.0:
            begin = 4.0
        self.free = begin + self.work
        await asyncio.sleep(self.free - sent)
        self.running -= 1
        return Sample(due, sent, begin, self.now, 3, self.outcome, self.wait)


def ran(work: object) -> None:
    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(work)  # type: ignore[arg-type]


PLAN = Plan(["a", "b", "c"], (4, 9), seed=5)


def test_a_closed_loop_keeps_its_clients_busy_and_no_more() -> None:
    server = Server()
    ran(loops.closed(server, PLAN, 3, 20, None, server.samples.append))
    assert (len(server.samples), server.most) == (20, 3)
    assert server.requests == [PLAN[number] for number in range(20)]
    assert all(sample.sent == sample.due for sample in server.samples)
    assert sorted(sample.latency for sample in server.samples)[10] == pytest.approx(0.3)


def test_a_closed_loop_ends_with_its_time_and_answers_what_is_in_flight() -> None:
    server = Server(work=0.4)
    ran(loops.closed(server, PLAN, 1, None, 1.0, server.samples.append))
    assert [round(sample.end, 6) for sample in server.samples] == [0.4, 0.8, 1.2]


def test_a_refused_client_waits_as_long_as_it_is_asked_to() -> None:
    server = Server(work=0.0, outcome="429", wait=2.0)
    ran(loops.closed(server, PLAN, 1, None, 5.0, server.samples.append))
    assert [sample.sent for sample in server.samples] == [0.0, 2.0, 4.0]
    server = Server(work=0.0, outcome="429", wait=600.0)
    ran(loops.closed(server, PLAN, 1, 2, None, server.samples.append))
    assert [sample.sent for sample in server.samples] == [0.0, loops.WAIT]


def test_an_open_loop_sends_at_its_times_whatever_the_server_does() -> None:
    server = Server(work=1.0)
    ran(loops.opened(server, PLAN, 50.0, 30, None, server.samples.append))
    times = PLAN.arrivals(50.0)
    expected = [next(times) for _ in range(30)]
    assert sorted(sample.due for sample in server.samples) == pytest.approx(expected)
    assert sorted(sample.sent for sample in server.samples) == pytest.approx(expected)
    assert server.most > 20


def test_arrivals_are_a_poisson_process() -> None:
    times = PLAN.arrivals(20.0)
    gaps = np.diff([next(times) for _ in range(20_000)])
    assert gaps.mean() == pytest.approx(1 / 20, rel=0.03)
    assert gaps.std() == pytest.approx(1 / 20, rel=0.03)
    server = Server(work=0.0)
    ran(loops.opened(server, PLAN, 20.0, None, 50.0, server.samples.append))
    assert 880 < len(server.samples) < 1120


def test_a_stall_is_charged_to_every_request_that_it_delays() -> None:
    """Coordinated omission: the closed loop sees one slow request, the open loop all that came meanwhile."""
    waiting, loose = Server(0.01, stall=True), Server(0.01, stall=True)
    ran(loops.closed(waiting, PLAN, 1, None, 10.0, waiting.samples.append))
    ran(loops.opened(loose, PLAN, 40.0, None, 10.0, loose.samples.append))
    assert report.numbers(waiting.samples)["latency"]["p95"] == pytest.approx(0.01)
    assert report.numbers(loose.samples)["latency"]["p95"] > 1.0


def test_lateness_of_the_generator_counts() -> None:
    found = report.numbers([Sample(1.0, 3.0, 4.0, 5.0, 5, OK)])
    assert (found["latency"]["max"], found["first_token"]["max"], found["lag"]["p99"]) == (4.0, 3.0, 2.0)
    assert report.late(found)
    assert not report.late(report.numbers([Sample(1.0, 1.01, 4.0, 5.0, 5, OK)]))


def test_numbers_are_of_answered_requests_and_errors_are_counted() -> None:
    samples = [Sample(float(n), float(n), n + 0.1, n + 0.5, 5, OK) for n in range(10)]
    samples += [Sample(9.0, 9.0, None, 9.1, 0, "429"), Sample(9.0, 9.0, None, 19.5, 0, "timeout")]
    found = report.numbers(samples)
    assert (found["requests"], found["answered"], found["errors"]) == (12, 10, {"429": 1, "timeout": 1})
    assert found["seconds"] == 19.5
    assert found["requests_per_second"] == pytest.approx(10 / 19.5)
    assert found["tokens_per_second"] == pytest.approx(50 / 19.5)
    assert found["latency"]["p99"] == pytest.approx(0.5)
    assert found["per_token"]["mean"] == pytest.approx(0.1)
    nothing = report.numbers(samples[-1:])
    assert "latency" not in nothing
    assert not report.late(nothing)
    about = {"model": "tiny", "load": "1 client", "interrupted": False, "unfinished": 0}
    shown = dict(report.facts({**about, **found}))
    assert (shown["errors"], shown["answered"]) == ("1 × 429, 1 × timeout", "10, 0.51 a second")
    assert "stopped" not in shown
    late = report.numbers([Sample(1.0, 3.0, 4.0, 5.0, 5, OK)])
    assert "the generator was late" in dict(report.facts({**about, **late}))["beware"]


def test_requests_follow_from_the_seed() -> None:
    assert [PLAN[n] for n in range(50)] == [Plan(["a", "b", "c"], (4, 9), seed=5)[n] for n in range(50)]
    assert {PLAN[n].max_tokens for n in range(200)} == set(range(4, 10))
    assert [PLAN[n] for n in range(50)] != [Plan(["a", "b", "c"], (4, 9), seed=6)[n] for n in range(50)]
    texts = plan.builtin(1)
    assert {len(text.split()) for text in texts} == set(plan.LENGTHS)
    assert texts == plan.builtin(1) != plan.builtin(2)


def test_prompts_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"prompt": "one"}\n{"text": "two"}\n\n')
    (tmp_path / "b.txt").write_text("three\n\n four \n")
    assert plan.read(str(tmp_path / "a.jsonl")) == ["one", "two"]
    assert plan.read(str(tmp_path / "b.txt")) == ["three", "four"]
    (tmp_path / "c.jsonl").write_text('{"prompt": "one"}\n{"question": "two"}\n')
    (tmp_path / "d.txt").write_text("\n")
    for name, told in (("c.jsonl", "c.jsonl:2: expected"), ("d.txt", "holds no prompt"), ("e", "there is no")):
        with pytest.raises(Mistaken, match=told):
            plan.read(str(tmp_path / name))


@pytest.mark.parametrize("text", ["0", "", "a", "9-4", "-4", "4-"])
def test_lengths_are_a_number_or_a_range(text: str) -> None:
    assert (plan.tokens("64"), plan.tokens("16-256")) == ((64, 64), (16, 256))
    with pytest.raises(Mistaken, match="a number such as 64, or a range"):
        plan.tokens(text)
