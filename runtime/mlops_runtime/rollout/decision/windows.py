"""What was seen of a rollout: counts of both sides, between two looks or over any longer time."""

from __future__ import annotations

from typing import NamedTuple

STARS = (1, 2, 3, 4, 5)


class Arm(NamedTuple):
    """One side, champion or canary.

    Attributes:
        requests: requests that count: answered, failed or timed out.
        failed: those that failed or timed out.
        latency: requests per bucket of the latency histogram, not cumulative; the last one is above all bounds.
        ratings: how often users gave 1, 2, 3, 4 and 5 stars.
    """

    requests: int
    failed: int
    latency: tuple[int, ...]
    ratings: tuple[int, int, int, int, int]


class Window(NamedTuple):
    """Both sides over the same `seconds`."""

    seconds: float
    champion: Arm
    canary: Arm


def nothing(buckets: int) -> Window:
    """The window of no time at all, for a histogram of so many buckets."""
    arm = Arm(0, 0, (0,) * buckets, (0, 0, 0, 0, 0))
    return Window(0.0, arm, arm)


def joined(one: Window, other: Window) -> Window:
    """Two windows as one."""
    return Window(one.seconds + other.seconds, _sum(one.champion, other.champion), _sum(one.canary, other.canary))


def checked(window: Window, buckets: int) -> Window:
    """The same window.

    Raises:
        ValueError: its counts cannot be counts: negative, more failures than requests, or of another histogram.
    """
    for name, arm in (("champion", window.champion), ("canary", window.canary)):
        if len(arm.latency) != buckets or len(arm.ratings) != len(STARS):
            raise ValueError(
                f"{name}: {len(arm.latency)} buckets of latency and {len(arm.ratings)} of ratings, "
                f"expected {buckets} and {len(STARS)}"
            )
        if min(arm.failed, *arm.latency, *arm.ratings) < 0 or arm.failed > arm.requests:
            raise ValueError(f"{name}: no counts of one time: {arm}")
    if not 0 <= window.seconds < float("inf"):
        raise ValueError(f"a window of {window.seconds} seconds")
    return window


def _sum(one: Arm, other: Arm) -> Arm:
    a, b, c, d, e = (x + y for x, y in zip(one.ratings, other.ratings, strict=True))
    latency = tuple([x + y for x, y in zip(one.latency, other.latency, strict=True)])
    return Arm(one.requests + other.requests, one.failed + other.failed, latency, (a, b, c, d, e))
