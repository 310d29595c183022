"""`mlops-runtime benchmark`: how fast the model answers, through the engine that serves it.

A closed loop: `concurrency` callers, each of which sends its next request when the last one is answered. Latencies are
those of the engine; a network and a queue come on top. Answers are greedy and at most `NEW_TOKENS` long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mlops_runtime import parameters
from mlops_runtime.errors import Mistaken
from mlops_runtime.evaluation import answering, model_run, report, requests
from mlops_runtime.serving.engines.base import Broken, Engine, Refused, Sampling
from mlopsgen.contract import files

NEW_TOKENS = 64
"""Most tokens of an answer."""

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Timing(NamedTuple):
    """One request.

    Attributes:
        latency: seconds to the end of the answer.
        first: seconds to its first token; None of a classification.
        read: tokens of the prompt; 0 of a classification.
        written: tokens of the answer, its end included.
    """

    latency: float
    first: float | None
    read: int
    written: int


def benchmark() -> dict[str, Any]:
    """Send `benchmark.requests` requests, `benchmark.concurrency` at a time, to `models/model`.

    Writes `reports/benchmark.json`, with times in seconds: `latency_p50`, `_p95`, `_p99` and `_mean`, the same of
    `first_token`, `tokens_per_second` (tokens of answers over the time from the first request to the last answer),
    `requests_per_second` and the conditions; and a picture of the distribution. The engine is warm before the first
    request counts. A model that classifies writes no tokens, so that it has no numbers of them. The report goes to the
    MLflow run that trained the model.

    Returns:
        The report.

    Raises:
        Mistaken: no model, no data, no prompt that the model takes, or a model that fails under this load.
    """
    given = parameters.read("benchmark")["benchmark"]
    count, concurrency = int(given["requests"]), int(given["concurrency"])
    chosen = requests.chosen(answering.about()["rendering"], count)
    timings, seconds = asyncio.run(_measured(chosen, count, concurrency))
    found = numbers(timings, seconds) | {"requests": len(timings), "concurrency": concurrency}
    found |= {"prompts": len(chosen), "refused": count - len(timings)}
    picture(timings)
    report.write(files.BENCHMARK, found)
    run = model_run.find()
    if run is not None:
        run.log_metrics(found, "benchmark")
        run.log_artifact(files.BENCHMARK)
        run.log_artifact(files.BENCHMARK_PICTURE)
    return found


async def _measured(chosen: Sequence[requests.Request], count: int, concurrency: int) -> tuple[list[Timing], float]:
    """Timings of the requests that were taken, and seconds from the first to the last."""
    async with answering.opened(concurrency, NEW_TOKENS) as engine:
        prompts = [await requests.prepared(engine, request, NEW_TOKENS) for request in chosen]

        async def one(index: int) -> Timing | None:
            try:
                return await _timed(engine, prompts[index % len(prompts)])
            except Refused:
                return None
            except Broken as error:
                raise Mistaken(
                    f"the model fails with {concurrency} requests at a time: {error}; lower "
                    "`evaluation.benchmark.concurrency`"
                ) from None

        await answering.each(range(min(concurrency, count)), one, concurrency, "warm-up")
        started = time.perf_counter()
        found = await answering.each(range(count), one, concurrency, "benchmark")
        seconds = time.perf_counter() - started
    timings = [timing for timing in found if timing is not None]
    if not timings:
        raise Mistaken(f"the model takes none of the prompts in {files.VALIDATION}: they are too long for it")
    return timings, seconds


async def _timed(engine: Engine, prompt: str | Sequence[int]) -> Timing:
    started = time.perf_counter()
    if isinstance(prompt, str):
        await engine.classify([prompt])
        return Timing(time.perf_counter() - started, None, 0, 0)
    first, written = None, 0
    async for piece in engine.stream(prompt, Sampling(NEW_TOKENS)):
        written += len(piece.tokens)
        if first is None and written:
            first = time.perf_counter() - started
    return Timing(time.perf_counter() - started, first, len(prompt), written)


def numbers(timings: Sequence[Timing], seconds: float) -> dict[str, float]:
    """The numbers of the report.

    Args:
        timings: one or more.
        seconds: from the first request to the last answer.
    """
    found = _spread("latency", [timing.latency for timing in timings])
    firsts = [timing.first for timing in timings if timing.first is not None]
    if firsts:
        found |= _spread("first_token", firsts)
        found["tokens_per_second"] = sum(timing.written for timing in timings) / seconds
        found["input_tokens_mean"] = sum(timing.read for timing in timings) / len(timings)
        found["output_tokens_mean"] = sum(timing.written for timing in timings) / len(timings)
    return found | {"requests_per_second": len(timings) / seconds, "seconds": seconds}


def _spread(name: str, values: Sequence[float]) -> dict[str, float]:
    import numpy as np

    quantiles = np.quantile(values, list(QUANTILES.values())).tolist()
    found = {f"{name}_{short}": value for short, value in zip(QUANTILES, quantiles, strict=True)}
    return {**found, f"{name}_mean": float(np.mean(values))}


def picture(timings: Sequence[Timing]) -> None:
    """Draw which share of the requests was answered within which time, in `reports/benchmark.png`."""
    import io

    from matplotlib.figure import Figure

    from mlops_runtime.data.atomic import write

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot(xlabel="seconds", ylabel="share of requests", ylim=(0, 1))
    axes.ecdf([timing.latency for timing in timings], label="answer complete")
    firsts = [timing.first for timing in timings if timing.first is not None]
    if firsts:
        axes.ecdf(firsts, label="first token")
    for share in QUANTILES.values():
        axes.axhline(share, linestyle=":", color="grey", linewidth=1)
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    write(files.BENCHMARK_PICTURE, stream.getvalue())


def summary(found: Mapping[str, Any]) -> str:
    """The report in one line for people."""
    parts = [f"latency {short} {found[f'latency_{short}']:.3f} s" for short in QUANTILES]
    if "tokens_per_second" in found:
        parts.append(f"first token p50 {found['first_token_p50']:.3f} s")
        parts.append(f"{found['tokens_per_second']:.0f} tokens/s")
    parts.append(f"{found['requests_per_second']:.1f} requests/s")
    refused = f"; {found['refused']} more were too long" if found["refused"] else ""
    under = f"{found['requests']} requests, {found['concurrency']} at a time"
    return f"{files.BENCHMARK}: {', '.join(parts)} ({under}{refused})"
