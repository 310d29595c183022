"""Fixtures of the tests with MLflow, and of those with trained models."""

from tests.runtime.evaluation.trained import trained, trained_projects
from tests.runtime.tracking.store import empty_store, model, project, tiny_models

__all__ = ["empty_store", "model", "project", "tiny_models", "trained", "trained_projects"]
