"""Aliases and tags of the model registry. MLflow refuses `latest` and `v1` as aliases; a semantic version is a tag."""

from __future__ import annotations

CHAMPION = "champion"
CHALLENGER = "challenger"

TAG_SEMANTIC_VERSION = "semantic_version"
TAG_DATA_DIGEST = "data_digest"
TAG_SPEC_DIGEST = "spec_digest"
TAG_COMMIT = "git_commit"
TAG_BASE_REVISION = "base_revision"
TAG_STAGE = "lifecycle"
"""Values: none, staging, production, archived."""

TAG_MODEL_DIGEST = "model_digest"
"""Over the files of the model's folder, on the version and on the run that made it."""
TAG_BASE = "base_model"
TAG_TASK = "task"
TAG_METHOD = "method"
"""Values: lora, full, scratch."""
TAG_REMOVABLE = "removable"
"""`true` on retired versions beyond those that `registry.keep` asks for; nothing removes them by itself."""
TAG_REJECTED = "rejected"
"""On a version that a rollout took back: JSON with `at`, `by` and `reason`."""
LEDGER = "ledger."
"""Begin of the registered model's tags that say what was in production when; see `mlops_runtime.registry.ledger`."""
RETRAIN = "retrain."
"""Begin of the registered model's tags that say which trainings alerts have started."""
