"""Panels on vLLM's own metrics."""

from __future__ import annotations

from mlopsgen.contract.promql import aggregate, ratio
from mlopsgen.targets.grafana.model import Panel, Query
from mlopsgen.targets.grafana.queries import level, quantile, rate


def panels() -> tuple[Panel, ...]:
    """What the engine knows and the app in front of it does not."""
    return (
        Panel(
            key="vllm-batch",
            title="Batch and waiting",
            text="Waiting above zero for minutes while the batch stays at its size: the engine is full.",
            queries=(
                Query(aggregate("sum", level("vllm:num_requests_running")), "in the batch"),
                Query(aggregate("sum", level("vllm:num_requests_waiting")), "waiting"),
            ),
        ),
        Panel(
            key="vllm-cache",
            title="Key-value cache in use",
            text="Near 100% the engine throws requests out of the batch and computes them again.",
            unit="percentunit",
            high=1,
            queries=(Query(aggregate("max", level("vllm:kv_cache_usage_perc"), ("pod",)), "{{pod}}"),),
        ),
        Panel(
            key="vllm-preemptions",
            title="Requests thrown out of the batch",
            text="Anything steady above zero wastes GPU time: fewer sequences at once, or more memory for the cache.",
            unit="reqps",
            queries=(Query(rate("vllm:num_preemptions_total", ("pod",)), "{{pod}}"),),
        ),
        Panel(
            key="vllm-token-latency",
            title="Time between tokens",
            text="What a reader sees as speed. It rises with the batch.",
            unit="s",
            queries=tuple(
                Query(quantile(share, "vllm:inter_token_latency_seconds"), name)
                for share, name in ((0.5, "p50"), (0.95, "p95"))
            ),
        ),
        Panel(
            key="vllm-prefix",
            title="Prompt tokens found in the prefix cache",
            text="A fall after a release: the beginning of the prompts has changed.",
            unit="percentunit",
            high=1,
            queries=(
                Query(ratio(rate("vllm:prefix_cache_hits_total"), rate("vllm:prefix_cache_queries_total")), "hits"),
            ),
        ),
        Panel(
            key="vllm-where",
            title="Where the time goes, p95",
            text="Queue: more servers. Prefill: long prompts. Decode: long answers or a big batch.",
            unit="s",
            queries=(
                Query(quantile(0.95, "vllm:request_queue_time_seconds"), "queue"),
                Query(quantile(0.95, "vllm:request_prefill_time_seconds"), "prefill"),
                Query(quantile(0.95, "vllm:request_decode_time_seconds"), "decode"),
            ),
        ),
    )
