"""What the quality exporter exports. A value that is not known yet, for want of requests or of time, is NaN."""

from __future__ import annotations

from mlopsgen.contract.metrics.family import MODEL, Family
from mlopsgen.contract.metrics.serving import GENERATE

RESULT = ("success", "error")

FAMILIES: tuple[Family, ...] = (
    Family("model_accuracy", "gauge", "Accuracy on the quality dataset.", "share", (MODEL,), source="quality"),
    Family(
        "model_perplexity",
        "gauge",
        "Perplexity on the quality dataset.",
        "",
        (MODEL,),
        source="quality",
        tasks=GENERATE,
    ),
    Family(
        "model_drift_score",
        "gauge",
        "Distance of recent requests from the training data, 0 to 1.",
        "distance",
        (MODEL, ("feature", ())),
        source="quality",
    ),
    Family(
        "model_drift_samples",
        "gauge",
        "Recent requests that the drift score is computed from.",
        "requests",
        (MODEL, ("feature", ())),
        source="quality",
    ),
    Family(
        "model_quality_timestamp_seconds",
        "gauge",
        "When the last cycle ended well; before the first, when the exporter started.",
        "seconds since 1970",
        (MODEL,),
        source="quality",
    ),
    Family(
        "model_quality_cycles_total",
        "counter",
        "Cycles, by how they ended.",
        "cycles",
        (MODEL, ("result", RESULT)),
        source="quality",
    ),
)
