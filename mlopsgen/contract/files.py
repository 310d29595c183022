"""Files that the stages of a pipeline hand to each other, relative to the folder of mlops.yaml."""

from __future__ import annotations

PARAMS = "params.yaml"
PROCESSED = "data/processed"
TRAIN = f"{PROCESSED}/train.jsonl"
VALIDATION = f"{PROCESSED}/validation.jsonl"
MODEL = "models/model"

REPORTS = "reports"
PREPARATION = f"{REPORTS}/data/preparation.json"
DATA_VALIDATION = f"{REPORTS}/data/validation.json"
DATA_VALIDATION_PAGE = f"{REPORTS}/data/validation.html"
DRIFT = f"{REPORTS}/data/drift.json"
DRIFT_PAGE = f"{REPORTS}/data/drift.html"
TRAINING = f"{REPORTS}/training.json"
LOSS = f"{REPORTS}/loss.csv"
LOSS_PICTURE = f"{REPORTS}/loss.png"
EVALUATION = f"{REPORTS}/evaluation.json"
EVALUATION_RECORDS = f"{REPORTS}/evaluation.npz"
"""Losses record by record, so that two models can be compared on the same ones."""
BENCHMARK = f"{REPORTS}/benchmark.json"
BENCHMARK_PICTURE = f"{REPORTS}/benchmark.png"
SAFETY = f"{REPORTS}/safety.json"
SAFETY_OUTCOMES = f"{REPORTS}/safety.jsonl"
"""Outcome of each prompt, by the number of its line; texts are in it only when they are asked for."""
BIAS = f"{REPORTS}/bias.json"
GATES = f"{REPORTS}/gates.json"
REGISTRATION = f"{REPORTS}/registration.json"
SWEEP = f"{REPORTS}/sweep.yaml"

LOSS_COLUMNS = {"x": "step", "train": "train_loss", "validation": "val_loss"}
"""Columns of `LOSS`."""

LOCAL_TRACKING = "mlflow.db"
"""SQLite store of MLflow where `tracking.mlflow.uri` is absent."""


CONFIG_FOLDER = "/etc/mlops"
"""Where pods find their settings."""

TRACKING_SECRET = ("mlflow", "uri")
"""Secret and key with the address of MLflow, where `tracking.mlflow.uri` is absent."""


def release(environment: str) -> str:
    """The file that says which image digest and model version an environment runs; only a release changes it."""
    return f"deploy/{environment}/release.yaml"
