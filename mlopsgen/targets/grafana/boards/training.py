"""Dashboard `training`: does the run learn, how fast, and what would be lost if it died now."""

from __future__ import annotations

from collections.abc import Iterator

from mlopsgen.contract.promql import aggregate, ratio
from mlopsgen.targets.grafana.model import Board, Limit, Panel, Query, Row
from mlopsgen.targets.grafana.queries import level, mean, quantile, rate
from mlopsgen.targets.grafana.view import View
from mlopsgen.targets.prometheus.lifecycle import MISSED

STEP, PLANNED = "model_training_step", "model_training_steps_planned"
DURATION = "model_training_step_duration_seconds"


def board(view: View) -> Board:
    """The dashboard."""
    return Board(
        "training",
        "Training",
        "Does the run learn, how fast, and what would be lost if it died now.",
        STEP,
        (
            Row("now", "Now", tuple(_now(view))),
            Row("learning", "Learning", tuple(_learning())),
            Row("speed", "Speed", tuple(_speed(view))),
        ),
    )


def unsaved() -> str:
    """Steps since the last checkpoint."""
    return f"{_of(STEP)} - {_of('model_training_checkpoint_step')}"


def _of(name: str) -> str:
    return aggregate("max", level(name), ("model_name",))


def _now(view: View) -> Iterator[Panel]:
    yield Panel(
        key="progress",
        title="Progress",
        text="Steps done of those planned.",
        kind="gauge",
        unit="percentunit",
        high=1,
        queries=(Query(ratio(_of(STEP), _of(PLANNED))),),
    )
    yield Panel(
        key="left",
        title="Time left",
        text="At the speed of now; validation and checkpoints come on top.",
        kind="stat",
        unit="s",
        queries=(Query(f"({_of(PLANNED)} - {_of(STEP)}) * {mean(DURATION, ('model_name',))}"),),
    )
    yield Panel(
        key="epoch",
        title="Epoch",
        text="Passes over the data.",
        kind="stat",
        queries=(Query(_of("model_training_epoch")),),
    )
    yield Panel(
        key="validation-now",
        title="Validation loss",
        text="Of the last validation, per token.",
        kind="stat",
        low=None,
        queries=(Query(aggregate("max", level("model_training_loss", part="validation"))),),
    )
    yield Panel(
        key="unsaved-now",
        title="Would be lost",
        text="What a lost node costs now.",
        kind="stat",
        limit=_stale(view),
        queries=(Query(unsaved()),),
    )


def _learning() -> Iterator[Panel]:
    yield Panel(
        key="loss",
        title="Loss",
        text="Training falls while validation rises: overfitting. A jump: look at the gradient and the learning rate.",
        low=None,
        width=16,
        queries=(Query(aggregate("max", level("model_training_loss"), ("part",)), "{{part}}"),),
    )
    yield Panel(
        key="learning-rate",
        title="Learning rate",
        text="Warm-up, then the scheduler's curve. Anything else is a resumed run that lost its place.",
        unit="sci",
        queries=(Query(_of("model_training_learning_rate"), "{{model_name}}"),),
    )
    yield Panel(
        key="gradient",
        title="Norm of the gradient",
        text="Spikes that grow come before a loss of NaN: lower the learning rate.",
        queries=(Query(_of("model_training_gradient_norm"), "{{model_name}}"),),
    )


def _speed(view: View) -> Iterator[Panel]:
    yield Panel(
        key="tokens",
        title="Tokens per second",
        text="Without padding. A fall with no change in the data: a slow node, a throttled GPU, a starving loader.",
        queries=(Query(rate("model_training_tokens_total", ("model_name",)), "{{model_name}}"),),
    )
    yield Panel(
        key="step-time",
        title="Time of a step",
        text="p95 far above p50: checkpoints, or a node that stalls now and then.",
        unit="s",
        queries=tuple(Query(quantile(share, DURATION), name) for share, name in ((0.5, "p50"), (0.95, "p95"))),
    )
    yield Panel(
        key="steps",
        title="Steps",
        text="A flat line is a run that hangs.",
        queries=(Query(_of(STEP), "done"), Query(_of("model_training_checkpoint_step"), "saved")),
    )
    yield Panel(
        key="unsaved",
        title="Steps not saved",
        text="A saw-tooth as high as training.checkpoint.every. Twice as high: saving fails.",
        limit=_stale(view),
        alerts=("ModelCheckpointStale",),
        queries=(Query(unsaved(), "{{model_name}}"),),
    )


def _stale(view: View) -> Limit:
    return Limit(MISSED * view.project.training.checkpoint.every, "above", "the limit of the alert")
