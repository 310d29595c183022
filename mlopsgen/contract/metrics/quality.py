"""What the quality exporter exports. A value that is not known yet, for want of requests or of time, is NaN."""

from __future__ import annotations

from mlopsgen.contract.metrics.family import MODEL, Family
from mlopsgen.contract.metrics.serving import GENERATE

RESULT = ("success", "error")

SIGN = ("refused", "empty", "malformed", "truncated")
"""What speaks against an answer without knowing the right one."""

MEASURE = ("accuracy", "answers", "log_probability", "rating")
"""What values are computed from: records, recent answers, those of them with log-probabilities, ratings."""

_FEATURE = (MODEL, ("feature", ()))

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
        "Distance of recent requests from the training data, 0 to 1; 0 where chance explains it.",
        "distance",
        _FEATURE,
        source="quality",
    ),
    Family(
        "model_drift_distance",
        "gauge",
        "Distance of recent requests from the training data as measured, 0 to 1; chance alone makes some.",
        "distance",
        _FEATURE,
        source="quality",
    ),
    Family(
        "model_drift_p_value",
        "gauge",
        "Probability of such a distance by chance, corrected for the number of features.",
        "probability",
        _FEATURE,
        source="quality",
    ),
    Family(
        "model_drift_samples",
        "gauge",
        "Recent requests that the drift score is computed from, or would be if they were enough.",
        "requests",
        _FEATURE,
        source="quality",
    ),
    Family(
        "model_answer_share",
        "gauge",
        "Share of recent answers that show a sign of trouble.",
        "share",
        (MODEL, ("sign", SIGN)),
        source="quality",
        tasks=GENERATE,
    ),
    Family(
        "model_answer_log_probability",
        "gauge",
        "Mean log-probability of a token in recent answers.",
        "nats",
        (MODEL,),
        source="quality",
        tasks=GENERATE,
    ),
    Family(
        "model_answer_tokens",
        "gauge",
        "Mean length of recent answers.",
        "tokens",
        (MODEL,),
        source="quality",
        tasks=GENERATE,
    ),
    Family(
        "model_rating",
        "gauge",
        "Mean of users' ratings since the servers started, 1 to 5.",
        "stars",
        (MODEL,),
        source="quality",
    ),
    Family(
        "model_quality_samples",
        "gauge",
        "What the last value of a measure stands on: records, answers or ratings.",
        "samples",
        (MODEL, ("measure", MEASURE)),
        source="quality",
    ),
    Family(
        "model_quality_stale",
        "gauge",
        "1 while values are those of an earlier cycle, since the last one failed; else 0.",
        "",
        (MODEL,),
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
        "model_quality_duration_seconds",
        "gauge",
        "How long the last cycle took.",
        "seconds",
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
