"""What a difference between two outputs does to what runs, by class, worst first."""

from __future__ import annotations

from collections.abc import Iterable

from mlopsgen.review.documents import Files
from mlopsgen.review.effects import alerts, cluster, pipeline, rest, workflows
from mlopsgen.review.effects.effect import CLASSES, RANK, Effect

__all__ = ["CLASSES", "RANK", "Effect", "effects", "totals"]


def effects(base: Files, head: Files, kept: frozenset[str] = frozenset()) -> list[Effect]:
    """Everything that follows, worst first.

    Args:
        base: what is there.
        head: what shall be there.
        kept: files that are the user's once they are written: only that one comes counts.
    """
    there = kept & base.content.keys() & head.content.keys()
    base, head = (
        Files({key: content for key, content in files.content.items() if key not in there}) for files in (base, head)
    )
    found = [
        *cluster.effects(base, head),
        *pipeline.effects(base, head),
        *alerts.effects(base, head),
        *workflows.effects(base, head),
        *rest.effects(base, head),
    ]
    return sorted(found, key=lambda effect: (RANK[effect.kind], effect.environment, effect.text))


def totals(found: Iterable[Effect]) -> dict[str, int]:
    """How much of each class there is, in the unit of the class; classes without any are left out."""
    sums = dict.fromkeys(CLASSES, 0)
    for effect in found:
        sums[effect.kind] += effect.number
    return {kind: number for kind, number in sums.items() if number}
