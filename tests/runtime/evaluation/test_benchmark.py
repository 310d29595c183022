"""`mlops-runtime benchmark`, with the engine that serves and with one that shows how it is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from mlops_runtime.errors import Mistaken
from mlops_runtime.evaluation import benchmark, requests
from mlops_runtime.evaluation.benchmark import Timing
from mlops_runtime.serving.engines.base import Piece, Sampling

from tests.runtime.evaluation.trained import Scripted, broken, gated, kept, params, ran, scripted, tracked

Project = Callable[[str], Path]

TIMES = ("p50", "p95", "p99", "mean")


def asked(requests: int = 12, concurrency: int = 3, **limits: object) -> None:
    params(benchmark={"requests": requests, "concurrency": concurrency, **limits})


@pytest.mark.parametrize("task", ["instruction-tuning", "causal-lm"])
def test_a_model_that_writes(task: str, trained: Project) -> None:
    trained(task)
    asked(latency_p95={"max": 60.0}, tokens_per_second={"min": 0.001})
    run_id = tracked()
    found, said = ran("benchmark")
    assert (found["requests"], found["concurrency"], found["prompts"], found["refused"]) == (12, 3, 12, 0)
    for name in ("latency", "first_token"):
        p50, p95, p99, mean = (found[f"{name}_{short}"] for short in TIMES)
        assert 0 < p50 <= p95 <= p99
        assert 0 < mean <= p99
    assert found["first_token_p50"] <= found["latency_p50"]
    assert found["latency_p99"] <= found["seconds"]
    assert 1 <= found["output_tokens_mean"] <= benchmark.NEW_TOKENS
    written = found["output_tokens_mean"] * found["requests"]
    assert found["tokens_per_second"] == pytest.approx(written / found["seconds"])
    assert f"{found['latency_p95']:.3f} s" in said
    assert Path("reports/benchmark.png").read_bytes().startswith(b"\x89PNG")
    code, gates = gated()
    assert code == 0
    assert gates["latency_p95"]["value"] == found["latency_p95"]
    numbers, artifacts = kept(run_id)
    assert numbers["benchmark.tokens_per_second"] == pytest.approx(found["tokens_per_second"])
    assert numbers["tokens_per_second"] == 7
    assert {"benchmark.json", "benchmark.png"} <= artifacts


def test_a_model_that_classifies_has_no_tokens_to_judge(trained: Project) -> None:
    trained("text-classification")
    asked(latency_p95={"max": 60.0}, tokens_per_second={"min": 0.001})
    found, said = ran("benchmark")
    assert found["latency_p95"] > 0
    assert found["requests_per_second"] == pytest.approx(12 / found["seconds"])
    assert "tokens" not in said
    code, gates = gated()
    assert (code, gates["latency_p95"]["passed"], gates["tokens_per_second"]["passed"]) == (1, True, False)


def test_as_many_requests_at_a_time_as_are_asked_for(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer ends before three requests are under way, and there are never four."""

    class Gate(Scripted):
        under_way, most = 0, 0

        async def stream(self, tokens: Sequence[int], sampling: Sampling) -> AsyncIterator[Piece]:
            self.asked.append("")
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            deadline = asyncio.get_running_loop().time() + 20
            while self.most < 3 and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0)
            yield Piece("a", (5,))
            yield Piece("", (0,), finish="stop")
            self.under_way -= 1

    engine = scripted(monkeypatch, Gate())
    trained("instruction-tuning")
    asked(requests=40)
    found, _ = ran("benchmark")
    assert engine.most == 3
    assert len(engine.asked) == 3 + 40, "three warm up and do not count"
    assert (found["requests"], found["prompts"], found["output_tokens_mean"]) == (40, 30, 2)
    assert engine.closed


def test_the_warm_up_does_not_count(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))

    class Slow(Scripted):
        async def stream(self, tokens: Sequence[int], sampling: Sampling) -> AsyncIterator[Piece]:
            for _ in range(100 if len(self.asked) < 2 else 0):
                next(clock)
            async for piece in super().stream(tokens, sampling):
                yield piece

    scripted(monkeypatch, Slow(lambda _: "ab"))
    trained("instruction-tuning")
    asked(requests=5, concurrency=2)
    found, _ = ran("benchmark")
    assert found["latency_p99"] < 20


def test_the_first_token_is_no_empty_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))

    class Late(Scripted):
        async def stream(self, tokens: Sequence[int], sampling: Sampling) -> AsyncIterator[Piece]:
            yield Piece("", ())
            for _ in range(10):
                next(clock)
            yield Piece("a", (5,), finish="stop")

    timing = asyncio.run(benchmark._timed(Late(), [1, 2, 3]))
    assert timing == Timing(12.0, 11.0, 3, 1)


def test_percentiles_are_numpys() -> None:
    times = np.random.default_rng(0).gamma(2.0, 0.1, 500)
    timings = [Timing(float(time), float(time) / 2, 10, 4) for time in times]
    found = benchmark.numbers(timings, 25.0)
    for short, percent in (("p50", 50), ("p95", 95), ("p99", 99)):
        assert found[f"latency_{short}"] == pytest.approx(np.percentile(times, percent))
        assert found[f"first_token_{short}"] == pytest.approx(np.percentile(times, percent) / 2)
    assert found["latency_mean"] == pytest.approx(times.mean())
    assert (found["tokens_per_second"], found["requests_per_second"]) == (80.0, 20.0)
    assert (found["input_tokens_mean"], found["output_tokens_mean"]) == (10, 4)


def test_prompts_are_what_users_send(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = scripted(monkeypatch, Scripted(longest=benchmark.NEW_TOKENS + 20))
    trained("instruction-tuning")
    asked(requests=30, concurrency=1)
    ran("benchmark")
    lines = Path("data/processed/validation.jsonl").read_text().splitlines()
    prompts = [json.loads(line)["prompt"][-20:] for line in lines]
    assert engine.asked[1:] == prompts


def test_of_a_chat_the_answer_is_left_to_the_model(project: Path) -> None:
    said = [{"role": role, "content": text} for role, text in (("user", "a"), ("assistant", "b"), ("user", "c"))]
    (project / "data/processed").mkdir(parents=True)
    record = {"id": "0" * 16, "said": [*said, {"role": "assistant", "content": "d"}]}
    (project / "data/processed/validation.jsonl").write_text(json.dumps(record))
    (found,) = requests.chosen({"task": "instruction-tuning", "roles": {"messages": "said"}}, 5)
    assert found.content == said


def test_half_of_a_text_is_the_prompt() -> None:
    engine = Scripted()
    found = asyncio.run(requests.prepared(engine, requests.Request("causal-lm", "abcdefg"), 4))
    assert found == [ord(character) for character in "abc"]


def test_a_sample_is_uniform_and_repeatable() -> None:
    assert requests.sampled(range(3), 5) == [0, 1, 2]
    assert requests.sampled(iter(range(1000)), 5) == requests.sampled(range(1000), 5)
    drawn = [one for seed in range(400) for one in requests.sampled(range(50), 5, seed)]
    counts = np.bincount(drawn, minlength=50)
    assert counts.min() > 15
    assert counts.max() < 70


def test_a_model_that_fails_under_the_load(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = scripted(monkeypatch, Scripted(broken))
    trained("instruction-tuning")
    asked()
    with pytest.raises(Mistaken, match=r"fails with 3 requests at a time: out of memory; lower `evaluation\.benchmark"):
        ran("benchmark")
    assert engine.closed
    assert not Path("reports/benchmark.json").exists()


def test_texts_that_are_too_long_are_counted_apart(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, Scripted())
    folder = trained("text-classification")
    path = folder / "data/processed/validation.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()][:4]
    lines[0]["text"] = "unspeakable"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    asked(requests=8)
    found, said = ran("benchmark")
    assert (found["requests"], found["refused"]) == (6, 2)
    assert "2 more were too long" in said
    path.write_text(json.dumps(lines[0]) + "\n")
    with pytest.raises(Mistaken, match=r"takes none of the prompts in data/processed/validation\.jsonl"):
        ran("benchmark")


def test_without_a_model_or_data(trained: Project) -> None:
    folder = trained("causal-lm")
    asked()
    (folder / "data/processed/validation.jsonl").unlink()
    with pytest.raises(Mistaken, match="run `dvc repro prepare` first"):
        ran("benchmark")
    (folder / "models/model/mlops.json").unlink()
    with pytest.raises(Mistaken, match="run `dvc repro train`"):
        ran("benchmark")
