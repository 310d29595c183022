"""What vLLM exports. The serving app passes it on at its own `/metrics`, with `model_name` that of the registry.

Names after the metrics of vLLM 0.33; those of 0.32 are the same. What vLLM exports only where a switch of its own asks
for it is not part of this. vLLM counts no errors: the app in front of it does.
"""

from __future__ import annotations

from mlopsgen.contract.metrics.family import MODEL, TOKEN_BUCKETS, Family, Kind, Labels

VERSION = "0.32, 0.33"

_ENGINE = ("engine", ())
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def _family(
    name: str, kind: Kind, help: str, unit: str, labels: Labels = (), buckets: tuple[float, ...] = ()
) -> Family:
    return Family(
        f"vllm:{name}",
        kind,
        help,
        unit,
        (MODEL, _ENGINE, *labels),
        buckets,
        source="vllm",
        engines=("vllm",),
        version=VERSION,
    )


FAMILIES: tuple[Family, ...] = (
    _family("num_requests_running", "gauge", "Requests in the current batch.", "requests"),
    _family("num_requests_waiting", "gauge", "Requests that wait for a place in the batch.", "requests"),
    _family(
        "num_requests_waiting_by_reason",
        "gauge",
        "Waiting requests, by what they wait for.",
        "requests",
        (("reason", ()),),
    ),
    _family("kv_cache_usage_perc", "gauge", "Share of the key-value cache that is filled, 0 to 1.", "share"),
    _family(
        "engine_sleep_state", "gauge", "1 for the state of sleep that the engine is in.", "", (("sleep_state", ()),)
    ),
    _family("prompt_tokens_total", "counter", "Prompt tokens processed.", "tokens"),
    _family("generation_tokens_total", "counter", "Tokens generated.", "tokens"),
    _family("request_success_total", "counter", "Requests that ended, by why.", "requests", (("finished_reason", ()),)),
    _family("num_preemptions_total", "counter", "Requests thrown out of the batch for want of cache.", "requests"),
    _family("prefix_cache_queries_total", "counter", "Tokens looked up in the prefix cache.", "tokens"),
    _family("prefix_cache_hits_total", "counter", "Tokens found in the prefix cache.", "tokens"),
    _family("admission_rejections_total", "counter", "Requests refused, by reason.", "requests")._replace(
        labels=(MODEL, ("reason", ()))
    ),
    _family("estimated_flops_per_gpu_total", "counter", "Operations done, as estimated.", "operations"),
    _family("time_to_first_token_seconds", "histogram", "Time to the first token.", "seconds", (), _SECONDS),
    _family("inter_token_latency_seconds", "histogram", "Time between two tokens.", "seconds", (), _SECONDS),
    _family(
        "request_time_per_output_token_seconds",
        "histogram",
        "Mean time per token of a request.",
        "seconds",
        (),
        _SECONDS,
    ),
    _family("e2e_request_latency_seconds", "histogram", "Time of a request.", "seconds", (), _SECONDS),
    _family("request_queue_time_seconds", "histogram", "Time in the queue.", "seconds", (), _SECONDS),
    _family("request_prefill_time_seconds", "histogram", "Time of prefill.", "seconds", (), _SECONDS),
    _family("request_decode_time_seconds", "histogram", "Time of decoding.", "seconds", (), _SECONDS),
    _family("request_inference_time_seconds", "histogram", "Time in the batch.", "seconds", (), _SECONDS),
    _family("request_prompt_tokens", "histogram", "Tokens of a prompt.", "tokens", (), TOKEN_BUCKETS),
    _family("request_generation_tokens", "histogram", "Tokens of an answer.", "tokens", (), TOKEN_BUCKETS),
)
