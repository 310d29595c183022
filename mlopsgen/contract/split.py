"""The split between champion and canary as nginx reads it: at rest from the generator, then from a rollout."""

from __future__ import annotations

FINEST = 1e-4
"""Smallest share that nginx can tell from nothing: a hundredth of a percent."""


def split(share: float, testers: bool = False) -> str:
    """`split.conf` for a share of the canary.

    The canary comes first: its users are those whose hash lies below the share, so none leaves it while it grows.
    nginx refuses `0%`, and counts in hundredths of a percent: a smaller share is rounded up to one.

    Args:
        share: from 0 to 1.
        testers: whether there is a canary for testers to see.

    Raises:
        ValueError: the share is outside of that.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"{share} is no share: 0 to 1")
    if share == 0:
        lines = ["* champion;"]
    elif share == 1:
        lines = ["* canary;"]
    else:
        percent = min(max(round(share, 4), FINEST), 1 - FINEST) * 100
        lines = [f"{percent:.2f}% canary;", "* champion;"]
    block = "".join(["split_clients $split_key $split {\n", *(f"    {line}\n" for line in lines), "}\n"])
    return block + f"map $request_id $testers {{\n    default {'canary' if testers else 'champion'};\n}}\n"
