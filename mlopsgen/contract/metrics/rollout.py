"""What the rollout controller exports."""

from __future__ import annotations

from mlopsgen.contract.metrics.family import MODEL, Family

RESULT = ("promoted", "rolled_back")

REASON = ("error_rate", "latency_p95", "rating", "error_rate_against_champion", "latency_against_champion")
"""Judgements that end a canary; `unavailable` (its servers do not come up), `deadline` and `manual` end it too."""

GATE = REASON
VERDICT = ("pass", "fail", "hold")

FAMILIES: tuple[Family, ...] = (
    Family("model_rollout_active", "gauge", "1 while a canary takes traffic, else 0.", "", (MODEL,), source="rollout"),
    Family(
        "model_rollout_weight",
        "gauge",
        "Share of the traffic that the canary gets.",
        "share",
        (MODEL,),
        source="rollout",
    ),
    Family(
        "model_rollout_step",
        "gauge",
        "Position of the current step, from 1; 0 without a canary.",
        "",
        (MODEL,),
        source="rollout",
    ),
    Family(
        "model_rollout_step_timestamp_seconds",
        "gauge",
        "When the current step began; 0 without a canary.",
        "seconds since 1970",
        (MODEL,),
        source="rollout",
    ),
    Family(
        "model_rollouts_total",
        "counter",
        "Rollouts ended, by how.",
        "rollouts",
        (MODEL, ("result", RESULT)),
        source="rollout",
    ),
    Family(
        "model_rollout_rollbacks_total",
        "counter",
        "Canaries taken back, by what ended them.",
        "rollouts",
        (MODEL, ("reason", (*REASON, "unavailable", "deadline", "manual"))),
        source="rollout",
    ),
    Family(
        "model_rollout_verdicts_total",
        "counter",
        "Looks at a canary, by gate and outcome.",
        "looks",
        (MODEL, ("gate", GATE), ("verdict", VERDICT)),
        source="rollout",
    ),
)
