"""Dashboard `quality`: are the answers still good, and are the questions still those that the model learned from."""

from __future__ import annotations

from collections.abc import Iterator

from mlopsgen.contract.promql import aggregate
from mlopsgen.targets.grafana.model import Board, Limit, Panel, Query, Row
from mlopsgen.targets.grafana.queries import RANGE, age, increase, level, mean, rate
from mlopsgen.targets.grafana.view import View
from mlopsgen.targets.prometheus.lifecycle import MISSED


def board(view: View) -> Board:
    """The dashboard."""
    return Board(
        "quality",
        "Quality",
        "Are the answers still good, and are the questions still those that the model learned from.",
        "model_quality_timestamp_seconds",
        (
            Row("now", "Now", tuple(_now(view))),
            Row("answers", "Answers", tuple(_answers(view))),
            Row("requests", "Requests", tuple(_requests(view))),
            Row("exporter", "Exporter", tuple(_exporter(view))),
        ),
    )


def _now(view: View) -> Iterator[Panel]:
    yield Panel(
        key="accuracy-now",
        title="Accuracy",
        text="On the quality dataset, at the last cycle. Empty until the first cycle has ended.",
        kind="stat",
        unit="percentunit",
        limit=view.alert("accuracy"),
        queries=(Query(aggregate("min", level("model_accuracy"))),),
    )
    yield Panel(
        key="drift-now",
        title="Largest drift",
        text="Distance of the feature that moved most; 0 where chance explains all of them. Which one: see below.",
        kind="stat",
        limit=view.alert("drift"),
        queries=(Query(aggregate("max", level("model_drift_score"))),),
    )
    yield Panel(
        key="rating-now",
        title="Rating",
        text="Mean of users' ratings, 1 to 5, over the time shown. Few users rate: look at their number.",
        kind="stat",
        now=True,
        low=1,
        high=5,
        limit=view.gate("rating"),
        queries=(Query(mean("model_feedback_rating", window=RANGE)),),
    )
    yield Panel(
        key="ratings-now",
        title="Ratings",
        text="How many ratings the mean stands on. Below 30 it says little.",
        kind="stat",
        now=True,
        queries=(Query(increase("model_feedback_rating", window=RANGE)),),
    )
    yield Panel(
        key="age-now",
        title="Last cycle ended before",
        text="Older than two cycles: every other number here is out of date.",
        kind="stat",
        unit="s",
        limit=_stale(view),
        queries=(Query(aggregate("max", age("model_quality_timestamp_seconds"))),),
    )


def _answers(view: View) -> Iterator[Panel]:
    yield Panel(
        key="accuracy",
        title="Accuracy on the quality dataset",
        text="A step down at a release: the version. A slow fall with drift: the world has moved, train again.",
        unit="percentunit",
        low=None,
        high=1,
        limit=view.alert("accuracy"),
        alerts=("ModelAccuracyLow",),
        queries=(Query(level("model_accuracy"), "{{model_name}} {{pod}}"),),
    )
    yield Panel(
        key="perplexity",
        title="Perplexity on the quality dataset",
        text="Lower is better. It moves before accuracy does.",
        low=1,
        queries=(Query(level("model_perplexity"), "{{model_name}} {{pod}}"),),
    )
    yield Panel(
        key="signs",
        title="Signs of trouble in answers",
        text="Share of recent answers. No right answer is needed to see them: they move first.",
        unit="percentunit",
        high=1,
        queries=(Query(level("model_answer_share"), "{{sign}} {{pod}}"),),
    )
    yield Panel(
        key="certainty",
        title="Log-probability of answers",
        text="Mean over tokens. A fall: the model is asked what it knows less about.",
        low=None,
        high=0,
        queries=(Query(level("model_answer_log_probability"), "{{model_name}} {{pod}}"),),
    )
    yield Panel(
        key="rating",
        title="Rating by variant",
        text="Ratings of canary and champion over the same time may be compared; of different weeks, hardly.",
        low=1,
        high=5,
        limit=view.gate("rating"),
        queries=(Query(mean("model_feedback_rating", ("variant",)), "{{variant}}"),),
    )


def _requests(view: View) -> Iterator[Panel]:
    yield Panel(
        key="drift",
        title="Drift by feature",
        text="Distance of recent requests from the training data, 0 where chance explains it. One feature: a new kind "
        "of caller.",
        width=16,
        high=1,
        limit=view.alert("drift"),
        alerts=("ModelInputDrift",),
        queries=(Query(aggregate("max", level("model_drift_score"), ("feature",)), "{{feature}}"),),
    )
    yield Panel(
        key="drift-samples",
        title="Requests behind the drift score",
        text="Below 100 nothing is judged: requests wait for more.",
        kind="bargauge",
        now=True,
        queries=(Query(aggregate("min", level("model_drift_samples"), ("feature",)), "{{feature}}"),),
    )


def _exporter(view: View) -> Iterator[Panel]:
    yield Panel(
        key="cycles",
        title="Cycles per hour",
        text="Any error: read the exporter's log.",
        stacked=True,
        width=12,
        queries=(Query(f"{rate('model_quality_cycles_total', ('result',))} * 3600", "{{result}}"),),
    )
    yield Panel(
        key="age",
        title="Age of the last cycle",
        text="A saw-tooth is health; a ramp is an exporter that hangs.",
        unit="s",
        width=12,
        limit=_stale(view),
        alerts=("ModelQualityStale",),
        queries=(Query(age("model_quality_timestamp_seconds"), "{{pod}}"),),
    )
    yield Panel(
        key="samples",
        title="What the numbers stand on",
        text="Records, answers and ratings of the last cycle. A mean of few says little.",
        kind="bargauge",
        now=True,
        width=12,
        queries=(Query(aggregate("min", level("model_quality_samples"), ("measure",)), "{{measure}}"),),
    )


def _stale(view: View) -> Limit:
    return Limit(MISSED * view.last.monitoring.quality.every, "above", f"the limit of the alert in {view.last.name}")
