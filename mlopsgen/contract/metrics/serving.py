"""What the serving app exports, for every engine behind it.

Series of closed label sets exist from the start, with 0, so that a ratio has both of its sides before the first error.
"""

from __future__ import annotations

from mlopsgen.contract.metrics.family import BY_VARIANT, LATENCY_BUCKETS, MODEL, TOKEN_BUCKETS, Family

STATUS = ("success", "error", "rejected", "timeout", "cancelled")

FAILED = ("error", "timeout")
"""Statuses that count as errors: the caller asked rightly and got no answer."""

REJECTED = ("queue_full", "rate_limit", "too_long", "invalid", "unauthorized", "draining")
"""Reasons to refuse a request."""

FIRST_TOKEN_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
RATING_BUCKETS = (1.0, 2.0, 3.0, 4.0, 5.0)
GENERATE = ("instruction-tuning", "causal-lm")

_LABELS = (MODEL, BY_VARIANT)
_DEVICE = (MODEL, BY_VARIANT, ("device", ()))
_IN_PROCESS = ("transformers", "vllm")

FAMILIES: tuple[Family, ...] = (
    Family("model_requests_total", "counter", "Requests ended, by how.", "requests", (*_LABELS, ("status", STATUS))),
    Family(
        "model_requests_rejected_total",
        "counter",
        "Requests refused before the model saw them, by reason.",
        "requests",
        (*_LABELS, ("reason", REJECTED)),
    ),
    Family(
        "model_inference_duration_seconds",
        "histogram",
        "Time from request to end of answer.",
        "seconds",
        _LABELS,
        LATENCY_BUCKETS,
    ),
    Family(
        "model_time_to_first_token_seconds",
        "histogram",
        "Time from request to the first token of the answer.",
        "seconds",
        _LABELS,
        FIRST_TOKEN_BUCKETS,
        tasks=GENERATE,
    ),
    Family("model_input_tokens", "histogram", "Tokens of a prompt.", "tokens", _LABELS, TOKEN_BUCKETS),
    Family(
        "model_output_tokens", "histogram", "Tokens of an answer.", "tokens", _LABELS, TOKEN_BUCKETS, tasks=GENERATE
    ),
    Family("model_queue_depth", "gauge", "Waiting requests.", "requests", _LABELS),
    Family("model_active_requests", "gauge", "Requests that the model works on.", "requests", _LABELS),
    Family(
        "model_feedback_rating",
        "histogram",
        "Ratings that users gave to answers, 1 to 5; sum over count is their mean.",
        "stars",
        _LABELS,
        RATING_BUCKETS,
    ),
    Family(
        "model_gpu_memory_bytes",
        "gauge",
        "GPU memory in use on the device, less what the engine has reserved and not filled.",
        "bytes",
        _DEVICE,
        engines=_IN_PROCESS,
        needs="gpu",
    ),
    Family(
        "model_gpu_memory_total_bytes",
        "gauge",
        "GPU memory of the device.",
        "bytes",
        _DEVICE,
        engines=_IN_PROCESS,
        needs="gpu",
    ),
    Family(
        "model_cost_total",
        "counter",
        "Price of the GPUs that the server has held since it started, in `serving.cost.currency`.",
        "currency",
        _LABELS,
        needs="cost",
    ),
    Family("model_version_info", "gauge", "1, labelled with the running version.", "", (*_LABELS, ("version", ()))),
)
