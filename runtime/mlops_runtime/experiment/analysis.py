"""Outcomes in, decision out: everything that a report says, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlops_runtime.errors import Mistaken
from mlops_runtime.experiment import balance, decision, judgement
from mlops_runtime.experiment.assignment import CANARY, CHAMPION
from mlops_runtime.experiment.estimate import Units
from mlops_runtime.experiment.judgement import Judgement
from mlops_runtime.experiment.metrics import METRICS
from mlops_runtime.experiment.outcomes import Outcomes
from mlops_runtime.experiment.planning import Plan, planned
from mlops_runtime.experiment.settings import Settings
from mlops_runtime.experiment.stages import Stages, shown

LOOKS = 60
"""Looks that the pictures show."""


def analyzed(outcomes: Outcomes, settings: Settings, stages: Stages, method: str) -> dict[str, Any]:
    """The analysis.

    Args:
        outcomes: of the servers' logs.
        settings: of the experiment.
        stages: of the rollout.
        method: that the decision rests on, one of `decision.METHODS`.

    Raises:
        Mistaken: an arm had several versions of the model.
    """
    _demand_one_version(outcomes)
    plan = planned(settings)
    units = {name: outcomes.units(name) for name in METRICS}
    found = {name: judgement.judged(METRICS[name], one, settings, plan) for name, (one, _) in units.items()}
    low, high, both = outcomes.seen()
    balances, p = balance.judged(low, high, list(stages.shares))
    made = decision.decided(settings, plan, found, p, outcomes.end - outcomes.begin, method)
    users, moved = outcomes.people()
    main, times = units[settings.metric]
    return {
        "decision": {**made._asdict(), "method": method},
        "settings": settings._asdict(),
        "plan": {name: {**arms._asdict(), "total": arms.total} for name, arms in plan._asdict().items()},
        "outcomes": {
            "lines": outcomes.lines,
            "counted": outcomes.records,
            "outside": outcomes.outside,
            "begin": shown(outcomes.begin),
            "end": shown(outcomes.end),
        },
        "versions": {
            name: next(iter(seen), None) for name, seen in zip((CHAMPION, CANARY), outcomes.versions, strict=True)
        },
        "users": {"total": users, "in_both_arms": sum(both), "moved_by_the_schedule": moved},
        "balance": {
            "p": p,
            "alarm": p < balance.ALARM,
            "stages": [
                {"begin": shown(begin), **one._asdict(), "in_both_arms": mixed}
                for begin, one, mixed in zip(stages.begins, balances, both, strict=True)
            ],
        },
        "metrics": {name: judgement.document(one) for name, one in found.items()},
        "latency_quantiles": outcomes.latencies.document(settings.alpha),
        "looks": looks(main, times, settings, plan),
    }


def _demand_one_version(outcomes: Outcomes) -> None:
    for name, seen in zip((CHAMPION, CANARY), outcomes.versions, strict=True):
        if len(seen) > 1:
            counts = ", ".join(f"version {version} ({count:,} outcomes)" for version, count in sorted(seen.items()))
            raise Mistaken(
                f"the {name} was more than one model: {counts}; name the time of one experiment by --since and --until"
            )


def looks(units: Units, times: Any, settings: Settings, plan: Plan) -> list[dict[str, Any]]:
    """What was known after a part of the users, in the order in which they came.

    Args:
        units: of the metric.
        times: when each came.
        settings: of the experiment.
        plan: its users.

    Returns:
        For at most `LOOKS` numbers of users: `time`, `users`, means of both arms and half of their intervals (fixed
        time), the difference and half of the confidence sequence's width; in the metric's own scale, logarithms for
        latency.
    """
    from scipy.stats import norm  # type: ignore[import-untyped]

    metric, made = METRICS[settings.metric], []
    z = float(norm.isf(settings.alpha / 2))
    for size in np.unique(np.linspace(0, len(times), LOOKS + 1).astype(int))[1:].tolist():
        one: Judgement = judgement.judged(metric, units.first(size), settings, plan)
        if one.estimate is None:
            continue
        reach = [z * variance**0.5 for variance in one.estimate.variances]
        made.append(
            {
                "time": shown(float(times[size - 1])),
                "users": size,
                CHAMPION: [one.estimate.means[0], reach[0]],
                CANARY: [one.estimate.means[1], reach[1]],
                "difference": [one.estimate.difference, one.radius],
            }
        )
    return made


def facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a report says beside the metrics."""
    outcomes, users, plan = found["outcomes"], found["users"], found["plan"]
    rows = [
        ("project", found["settings"]["project"]),
        ("versions", f"champion {found['versions'][CHAMPION]}, canary {found['versions'][CANARY]}"),
        ("time", f"{outcomes['begin']} to {outcomes['end']}"),
        ("outcomes", f"{outcomes['counted']:,}, of {users['total']:,} users"),
        ("planned", f"{plan['fixed']['total']:,} users for one look, {plan['sequence']['total']:,} for many"),
    ]
    if outcomes["outside"]:
        rows.append(("outside", f"{outcomes['outside']:,} outcomes lie outside of the stages and times"))
    if users["in_both_arms"]:
        rows.append(("in both arms", f"{users['in_both_arms']:,} users within one stage: left out"))
    if users["moved_by_the_schedule"]:
        rows.append(("moved", f"{users['moved_by_the_schedule']:,} users from one stage to the next"))
    return rows
