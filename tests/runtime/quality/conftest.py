"""Fixtures: trained projects with their MLflow, and settings of an exporter."""

from __future__ import annotations

from tests.runtime.evaluation.trained import trained, trained_projects
from tests.runtime.tracking.store import empty_store, project

__all__ = ["empty_store", "project", "trained", "trained_projects"]
