"""Fixtures of the tests with MLflow."""

from tests.runtime.tracking.store import empty_store, model, project, tiny_models

__all__ = ["empty_store", "model", "project", "tiny_models"]
