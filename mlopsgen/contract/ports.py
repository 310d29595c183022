"""Ports and HTTP paths of the running parts."""

from __future__ import annotations

SERVING = 8000
QUALITY = 8001
ROLLOUT = 8002
TRAINER = 8003
DCGM = 9400

EVERYWHERE = "0.0.0.0"  # noqa: S104
"""Address that parts listen at where their settings name no `host`: in a pod, others must reach them."""

HEALTH = "/healthz"
READY = "/readyz"
METRICS = "/metrics"
PREDICT = "/predict"
COMPLETIONS = "/v1/completions"
CHAT = "/v1/chat/completions"
MODELS = "/v1/models"
VERSION = "/version"
FEEDBACK = "/feedback"
FEATURES = "/internal/features"
"""Of the serving app: counts of recent requests and answers, without their text."""
RETRAIN = "/retrain"
"""Of the quality exporter: takes Alertmanager's webhook and starts a training."""
