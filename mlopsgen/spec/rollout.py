"""Section `rollout`: how a new version takes over the traffic."""

from __future__ import annotations

from typing import Literal

from mlopsgen.spec.base import Bounds, Items, Section, field
from mlopsgen.spec.scalars import Duration, Header, HeaderValue, ObjectRef, Share


class Sticky(Section):
    """What identifies a user, so that they stay on one version."""

    header: Header = field(..., "Request header with the user's id.", example="x-user-id")


class Testers(Section):
    """Requests that always go to the canary."""

    header: Header = field(..., "Request header.", example="user-group")
    value: HeaderValue = field(..., "Its value.", example="beta-testers")


class Ratio(Section):
    """A limit relative to the champion over the same time."""

    max_ratio: float = field(..., "Canary's value over the champion's.", unit="ratio", example=1.2, gt=1, le=1000)


class RolloutGates(Section):
    """Hard limits, each judged on enough samples."""

    error_rate: Bounds[Share] | None = field(None, "Share of failed requests.", unit="share", example={"max": "5%"})
    latency_p95: Bounds[Duration] | None = field(
        None, "95th percentile of latency.", unit="duration", example={"max": "2s"}
    )
    rating: Bounds[float] | None = field(None, "Mean rating, 1 to 5.", unit="stars", example={"min": 3.5})


class RolloutAgainstChampion(Section):
    """Sequential test against the champion over the same time."""

    error_rate: Ratio | None = field(None, "Share of failed requests.", example={"max_ratio": 2})
    latency_p95: Ratio | None = field(None, "95th percentile of latency.", example={"max_ratio": 1.2})
    alpha: Share = field(
        "1%", "Chance to roll back an equal canary, over the whole rollout.", unit="share", example="1%"
    )


class Rollout(Section):
    """The canary."""

    engine: Literal["istio", "gateway-api", "argo-rollouts", "nginx"] = field(
        "gateway-api", "What splits the traffic in the cluster.", example="istio"
    )
    gateway: ObjectRef = field(
        "gateway/public",
        "Gateway of the cluster through which requests come in, for `istio`, `argo-rollouts` and `gateway-api`.",
        example="istio-ingress/public",
    )
    steps: Items[Share] = field(
        ("5%", "10%", "25%", "50%", "100%"),
        "Canary's share, step by step; rises and ends at 100%.",
        unit="share",
        example=["5%", "25%", "100%"],
        min_length=1,
        max_length=50,
    )
    hold: Duration = field("10m", "Time at each step, at least.", unit="duration", example="10m")
    check_every: Duration = field("1m", "Time between two looks.", unit="duration", example="1m")
    min_requests: int = field(
        200,
        "A step with fewer canary requests is held: neither passed nor failed.",
        unit="requests",
        example=200,
        ge=1,
        le=10**9,
    )
    expected_rate: float | None = field(
        None,
        "Requests a second in all; lets the compiler say how long a regression can go unseen.",
        unit="requests per second",
        example=10,
        gt=0,
        le=1e9,
    )
    gates: RolloutGates = field(
        {"error_rate": {"max": "5%"}, "latency_p95": {"max": "2s"}},
        "Hard limits.",
        example={"error_rate": {"max": "5%"}},
    )
    against_champion: RolloutAgainstChampion | None = field(
        None, "Test against the champion.", example={"error_rate": {"max_ratio": 2}}
    )
    testers: Testers | None = field(
        None, "Requests that always see the canary.", example={"header": "user-group", "value": "beta-testers"}
    )
    sticky: Sticky | None = field(
        None,
        "Keeps a user on one version, and once on the canary there while it grows.",
        example={"header": "x-user-id"},
    )
    deadline: Duration = field("6h", "Held longer than this in all: roll back.", unit="duration", example="6h")
