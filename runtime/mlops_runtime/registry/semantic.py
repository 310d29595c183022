"""Semantic versions of models: major for another base, minor for other data or training, patch for the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlopsgen.contract import registry

FIRST = "1.0.0"

MAJOR = (registry.TAG_BASE, registry.TAG_BASE_REVISION, registry.TAG_TASK)
MINOR = (registry.TAG_DATA_DIGEST, registry.TAG_SPEC_DIGEST, registry.TAG_METHOD)
"""Tags whose change raises the part."""

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)\Z")


def following(before: Mapping[str, str] | None, tags: Mapping[str, str]) -> str:
    """The semantic version of a model.

    Args:
        before: tags of the version registered before it; None for the first one.
        tags: of the model.
    """
    found = _VERSION.match((before or {}).get(registry.TAG_SEMANTIC_VERSION, ""))
    if before is None or found is None:
        return FIRST
    major, minor, patch = map(int, found.groups())
    if any(before.get(tag) != tags.get(tag) for tag in MAJOR):
        return f"{major + 1}.0.0"
    if any(before.get(tag) != tags.get(tag) for tag in MINOR):
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"
