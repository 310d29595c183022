"""Dashboard `rollout`: the canary beside the champion, and what the controller makes of them."""

from __future__ import annotations

from collections.abc import Iterator

from mlopsgen.contract.metrics import VARIANT
from mlopsgen.contract.promql import aggregate, duration
from mlopsgen.targets.grafana.boards.service import LATENCY, REQUESTS, failed
from mlopsgen.targets.grafana.model import Board, Limit, Panel, Query, Row
from mlopsgen.targets.grafana.queries import RANGE, increase, level, mean, quantile, rate
from mlopsgen.targets.grafana.view import View
from mlopsgen.targets.prometheus.lifecycle import HOLDS

TITLES = {"champion": "Champion", "canary": "Canary"}


def board(view: View) -> Board:
    """The dashboard."""
    return Board(
        "rollout",
        "Rollout",
        "The canary beside the champion, and what the controller makes of them.",
        "model_version_info",
        (
            Row("state", "State", tuple(_state(view))),
            Row("side-by-side", "Side by side, over the time shown", tuple(_sides(view))),
            Row("compared", "Compared", tuple(_compared(view))),
            Row("decisions", "Decisions", tuple(_decisions())),
        ),
    )


def _state(view: View) -> Iterator[Panel]:
    yield Panel(
        key="active",
        title="Canary",
        text="When a canary took traffic.",
        kind="state-timeline",
        words=((0, "none", "transparent"), (1, "under way", "orange")),
        low=None,
        width=12,
        height=5,
        queries=(Query(aggregate("max", level("model_rollout_active"), ("model_name",)), "{{model_name}}"),),
    )
    yield Panel(
        key="weight",
        title="Share of the traffic",
        text="Steps up are passed gates; a fall to zero in between is a rollback. A long flat line: held for want of "
        "requests.",
        unit="percentunit",
        high=1,
        width=8,
        height=5,
        alerts=("ModelCanaryStalled",),
        queries=(Query(aggregate("max", level("model_rollout_weight"), ("model_name",)), "{{model_name}}"),),
    )
    hold, began = view.last.rollout.hold, level("model_rollout_step_timestamp_seconds")
    yield Panel(
        key="step-age",
        title="In this step since",
        text=f"A step lasts {duration(hold)} at least in {view.last.name}. Far beyond it: too few requests to judge, "
        "or a gate that holds.",
        kind="stat",
        unit="s",
        height=5,
        limit=Limit(HOLDS * hold, "above", f"the limit of the alert in {view.last.name}"),
        queries=(Query(aggregate("max", f"(time() - {began}) * {level('model_rollout_active')}")),),
    )


def _sides(view: View) -> Iterator[Panel]:
    for variant in VARIANT:
        yield Panel(
            key=f"{variant}-requests",
            title=f"{TITLES[variant]}: requests",
            text=f"Below {view.last.rollout.min_requests} requests in a step the canary is held, neither passed nor "
            "failed.",
            kind="stat",
            now=True,
            width=3,
            queries=(Query(increase(REQUESTS, window=RANGE, variant=variant)),),
        )
        yield Panel(
            key=f"{variant}-errors",
            title=f"{TITLES[variant]}: error rate",
            text="With few requests a difference is chance: the controller's test knows, the eye does not.",
            kind="stat",
            now=True,
            unit="percentunit",
            width=3,
            limit=view.gate("error_rate"),
            queries=(Query(failed(window=RANGE, variant=variant)),),
        )
        yield Panel(
            key=f"{variant}-latency",
            title=f"{TITLES[variant]}: latency p95",
            text="A canary with few servers and a cold cache is slower at first.",
            kind="stat",
            unit="s",
            width=3,
            limit=view.gate("latency_p95"),
            queries=(Query(quantile(0.95, LATENCY, variant=variant)),),
        )
        yield Panel(
            key=f"{variant}-rating",
            title=f"{TITLES[variant]}: rating",
            text="Mean of users' ratings, 1 to 5.",
            kind="stat",
            now=True,
            width=3,
            low=1,
            high=5,
            limit=view.gate("rating"),
            queries=(Query(mean("model_feedback_rating", window=RANGE, variant=variant)),),
        )


def _compared(view: View) -> Iterator[Panel]:
    by, name = ("variant",), "{{variant}}"
    yield Panel(
        key="requests",
        title="Requests",
        text="The canary's share should follow its weight; if not, look at the routing.",
        unit="reqps",
        queries=(Query(rate(REQUESTS, by, variant=None), name),),
    )
    yield Panel(
        key="errors",
        title="Error rate",
        text="Both rise together: not the canary's fault.",
        unit="percentunit",
        limit=view.gate("error_rate"),
        queries=(Query(failed(by, variant=None), name),),
    )
    yield Panel(
        key="latency",
        title="Latency p95",
        text="Compare at the same time only: load moves both.",
        unit="s",
        limit=view.gate("latency_p95"),
        queries=(Query(quantile(0.95, LATENCY, by, variant=None), name),),
    )
    yield Panel(
        key="rating",
        title="Rating",
        text="Users rate late: the newest points move still.",
        low=1,
        high=5,
        limit=view.gate("rating"),
        queries=(Query(mean("model_feedback_rating", by, variant=None), name),),
    )
    yield Panel(
        key="output-tokens",
        title="Tokens per answer",
        text="A version that talks more is slower and dearer at the same quality.",
        queries=(Query(mean("model_output_tokens", by, variant=None), name),),
    )
    yield Panel(
        key="queue",
        title="Waiting requests",
        text="A canary that queues is too small for its share: its latency says nothing about the version.",
        limit=Limit(view.last.serving.queue, "above", "the length at which a server answers 429"),
        queries=(Query(aggregate("max", level("model_queue_depth", variant=None), by), name),),
    )


def _decisions() -> Iterator[Panel]:
    yield Panel(
        key="verdicts",
        title="Looks at the canary in the time shown",
        text="By gate and outcome. hold: not enough samples yet. The first fail of a hard limit ends the canary.",
        kind="bargauge",
        now=True,
        width=12,
        queries=(
            Query(increase("model_rollout_verdicts_total", ("gate", "verdict"), window=RANGE), "{{gate}} {{verdict}}"),
        ),
    )
    yield Panel(
        key="ended",
        title="Rollouts ended in the time shown",
        text="Promoted against taken back.",
        kind="bargauge",
        now=True,
        width=6,
        queries=(Query(increase("model_rollouts_total", ("result",), window=RANGE), "{{result}}"),),
    )
    yield Panel(
        key="rollbacks",
        title="Taken back in the time shown, by reason",
        text="deadline: held too long in all. manual: somebody aborted.",
        kind="bargauge",
        now=True,
        width=6,
        queries=(Query(increase("model_rollout_rollbacks_total", ("reason",), window=RANGE), "{{reason}}"),),
    )
