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
