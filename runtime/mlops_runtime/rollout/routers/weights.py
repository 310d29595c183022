"""Two weights that stand for a share: the canary's first, the champion's second."""

from __future__ import annotations

from collections.abc import Iterable

from mlops_runtime.errors import Mistaken

SMALLEST = 100
"""Sum of the weights at rest; Argo CD and people expect percents."""

LARGEST = 10_000
"""A sum in which a hundredth of a percent is one."""


def total(steps: Iterable[float]) -> int:
    """The sum of both weights in which every step is a whole number, or nearly so.

    Routers that keep users tell them apart by a hash modulo the sum: while the sum stays, nobody leaves the canary as
    it grows.
    """
    wanted = tuple(steps)
    found = SMALLEST
    while found < LARGEST and any(abs(step * found - round(step * found)) > 1e-6 for step in wanted):
        found *= 10
    return found


def pair(share: float, whole: int) -> tuple[int, int]:
    """Weights of canary and champion.

    A share above 0 is never nothing, and one below 1 never everything.

    Raises:
        ValueError: the share is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"{share} is no share: 0 to 1")
    canary = round(share * whole)
    if 0 < share < 1:
        canary = min(max(canary, 1), whole - 1)
    return canary, whole - canary


def share(canary: object, champion: object, place: str) -> float:
    """The canary's share that two weights stand for.

    Raises:
        Mistaken: they are no weights.
    """
    if not (isinstance(canary, int) and isinstance(champion, int)) or canary < 0 or champion < 0:
        raise Mistaken(f"{place}: {canary!r} and {champion!r} are no weights of canary and champion")
    return canary / (canary + champion) if canary + champion else 0.0
