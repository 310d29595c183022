"""What accounts in the cluster may do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlopsgen.review.parts import items, mappings

ROLES = ("Role", "ClusterRole")


def widened(old: Any, new: Any) -> list[str]:
    """Leaves that a role gives and did not give before, in words; none for other kinds."""
    if new.get("kind") not in ROLES:
        return []
    return sorted(set(_granted(new)) - set(_granted(old)))


def _granted(role: Any) -> Iterator[str]:
    for rule in mappings(role.get("rules")):
        for resource in items(rule.get("resources")):
            for group in items(rule.get("apiGroups")) or [""]:
                for verb in items(rule.get("verbs")):
                    for name in items(rule.get("resourceNames")) or ["any"]:
                        yield f"{verb} {f'{group}/' if group else ''}{resource} {name}"
