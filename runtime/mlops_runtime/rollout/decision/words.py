"""Numbers as people read them."""

from __future__ import annotations

from math import exp


def duration(seconds: float) -> str:
    """`40 s`, `4 min`, `2.5 h`, `3 days`."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    for limit, unit, name in ((3600, 60, "min"), (2 * 86400, 3600, "h")):
        if seconds < limit - unit / 2:
            value = seconds / unit
            return f"{value:.0f} {name}" if value >= 10 or name == "min" else f"{round(value, 1):g} {name}"
    return f"{seconds / 86400:.0f} days"


def share(value: float) -> str:
    """`0.52%`, `5%`."""
    return f"{100 * value:.3g}%"


def of(part: int, whole: int) -> str:
    """`3 of 200 (1.5%)`."""
    return f"{part} of {whole} ({share(part / whole)})" if whole else "0 of 0"


def chance(log_evidence: float) -> str:
    """A natural logarithm of evidence as the chance of a sound canary to look as bad at any look: `1 in 4,000`."""
    if log_evidence <= 0:
        return "1 in 1"
    return f"1 in {exp(log_evidence):,.0f}" if log_evidence < 20 else "less than 1 in 100 million"
