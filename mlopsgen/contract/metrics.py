"""Metric families that running parts export. Rules, panels and gates may name only these."""

from __future__ import annotations

from typing import Literal, NamedTuple

STATUS = ("success", "error", "rejected", "timeout", "cancelled")
VARIANT = ("champion", "canary")

LATENCY_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds in seconds; answers of a language model can take minutes."""

TOKEN_BUCKETS = (1.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0)


class Family(NamedTuple):
    """One metric family.

    Attributes:
        name: as exported; counters end in `_total`.
        kind: Prometheus type.
        help: one sentence.
        unit: of the value.
        labels: label names; those with a closed set of values name it.
        buckets: upper bounds of a histogram.
        source: the part that exports it.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    unit: str
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    buckets: tuple[float, ...] = ()
    source: Literal["serving", "quality"] = "serving"


_MODEL = ("model_name", ())
_VARIANT = ("variant", VARIANT)

FAMILIES: tuple[Family, ...] = (
    Family("model_requests_total", "counter", "Requests answered.", "requests", (_MODEL, _VARIANT, ("status", STATUS))),
    Family(
        "model_inference_duration_seconds",
        "histogram",
        "Time from request to end of answer.",
        "seconds",
        (_MODEL, _VARIANT),
        LATENCY_BUCKETS,
    ),
    Family("model_input_tokens", "histogram", "Tokens of a prompt.", "tokens", (_MODEL, _VARIANT), TOKEN_BUCKETS),
    Family("model_output_tokens", "histogram", "Tokens of an answer.", "tokens", (_MODEL, _VARIANT), TOKEN_BUCKETS),
    Family("model_queue_depth", "gauge", "Waiting requests.", "requests", (_MODEL, _VARIANT)),
    Family("model_gpu_memory_bytes", "gauge", "GPU memory in use.", "bytes", (("device", ()),)),
    Family(
        "model_version_info", "gauge", "1, labelled with the running version.", "", (_MODEL, _VARIANT, ("version", ()))
    ),
    Family("model_accuracy", "gauge", "Accuracy on the quality dataset.", "share", (_MODEL,), (), "quality"),
    Family("model_perplexity", "gauge", "Perplexity on the quality dataset.", "", (_MODEL,), (), "quality"),
    Family(
        "model_drift_score", "gauge", "Drift of recent requests.", "distance", (_MODEL, ("feature", ())), (), "quality"
    ),
)
