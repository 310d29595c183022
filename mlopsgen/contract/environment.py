"""Environment variables that running parts read."""

from __future__ import annotations

import re

TRACKING_URI = "MLFLOW_TRACKING_URI"
TRACKING_EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
WANDB_API_KEY = "WANDB_API_KEY"
MODEL_URI = "MLOPS_MODEL_URI"
VARIANT = "MLOPS_VARIANT"
ENVIRONMENT = "MLOPS_ENVIRONMENT"
CONFIG = "MLOPS_CONFIG"
"""Path of the settings of a long-running part: `mlopsgen.project.settings` as YAML."""
AUTH_TOKEN = "MLOPS_AUTH_TOKEN"  # noqa: S105
"""Bearer token that the serving app asks for."""
RETRAIN_TOKEN = "MLOPS_RETRAIN_TOKEN"  # noqa: S105
"""Bearer token that the receiver of retraining webhooks asks for."""
GITHUB_TOKEN = "GITHUB_TOKEN"  # noqa: S105
"""Token by which the receiver of retraining webhooks dispatches the workflow; it may write contents."""
ENGINE_API_KEY = "ENGINE_API_KEY"
"""Bearer token that a custom engine asks the serving app for."""

QUIET = {
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""No part calls home."""


def secret_variable(secret: str, key: str) -> str:
    """GitHub secret and environment variable of `{secret: …, key: …}`: `smtp`, `password` is `SMTP_PASSWORD`."""
    return re.sub(r"[^A-Z0-9]+", "_", f"{secret}_{key}".upper())
