"""Section `experiment`: A/B test of the challenger."""

from __future__ import annotations

from typing import Literal

from mlopsgen.spec.base import Section, field
from mlopsgen.spec.rollout import Sticky
from mlopsgen.spec.scalars import Duration, Share


class Experiment(Section):
    """A share of the users sees the challenger until the question is settled."""

    traffic: Share = field("10%", "Share of users on the challenger.", unit="share", example="10%")
    sticky: Sticky = field(..., "What identifies a user.", example={"header": "x-user-id"})
    metric: Literal["rating", "success", "latency"] = field("rating", "Outcome compared.", example="rating")
    alpha: Share = field("5%", "Chance to see a difference where there is none.", unit="share", example="5%")
    power: Share = field("80%", "Chance to see a difference of `min_effect`.", unit="share", example="80%")
    min_effect: float = field(0.2, "Effect worth shipping.", unit="Cohen's d", example=0.2, gt=0, le=10)
    min_samples: int = field(30, "Users per arm before anything is said.", unit="users", example=30, ge=2, le=10**9)
    max_duration: Duration = field("7d", "The test ends after this.", unit="duration", example="7d")
