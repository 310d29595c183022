"""Tracking: every run with its parameters, metrics, data, code, machine and model.

In MLflow and, when the spec says so, in W&B beside it.

Trouble with the network never ends a training (`delivery`). Only the beginning of a new run waits for the server.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from mlops_runtime import parameters as project
from mlops_runtime.errors import Mistaken
from mlops_runtime.tracking import facts
from mlops_runtime.tracking.facts import IDENTITY, Dataset
from mlopsgen.contract import files, registry

__all__ = ["Dataset", "NullTracker", "Tracker", "start"]

RUN_ID = "MLFLOW_RUN_ID"
"""Variable by which MLflow hands a run to a process; a search hands each trial its own."""


class Tracker(Protocol):
    """What training needs of tracking.

    Attributes:
        run_id: the run's id in MLflow; None where nothing is tracked.
    """

    run_id: str | None

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Record parameters; nested ones get dotted names."""

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Record tags; a later value replaces an earlier one."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record metrics of an optimizer step."""

    def log_artifact(self, path: str) -> None:
        """Keep a file or a folder with the run."""

    def log_model(self, folder: str) -> None:
        """Record the model that came out."""

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Keep a table with the run, such as sample predictions: input, prediction, label."""

    def watch(self, model: Any) -> None:
        """Record histograms of the gradients, where the tracker can."""


class NullTracker:
    """Tracks nothing: for processes beside the first one, and where a run that goes on cannot be tracked."""

    run_id: str | None = None

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Nothing."""

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Nothing."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Nothing."""

    def log_artifact(self, path: str) -> None:
        """Nothing."""

    def log_model(self, folder: str) -> None:
        """Nothing."""

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Nothing."""

    def watch(self, model: Any) -> None:
        """Nothing."""


class _Both:
    """MLflow first, W&B beside it; when W&B fails, it is left out from then on."""

    def __init__(self, first: Any, second: Any) -> None:
        self._first, self._second = first, second
        self.run_id = first.run_id

    def __getattr__(self, name: str) -> Any:
        def both(*arguments: Any, **named: Any) -> None:
            getattr(self._first, name)(*arguments, **named)
            if self._second is None:
                return
            try:
                getattr(self._second, name)(*arguments, **named)
            except Exception as error:  # whatever its client raises, training goes on
                _say(f"W&B is left out from here on, `{name}` failed: {' '.join(str(error).split())[:200]}")
                self._second = None

        return both


def _say(text: str) -> None:
    print(f"tracking: {text}", file=sys.stderr, flush=True)


@contextmanager
def start(
    stage: str,
    parameters: Mapping[str, Any],
    *,
    datasets: Mapping[str, Dataset] | None = None,
    spec_digest: str | None = None,
    notes: str | None = None,
    run_id: str | None = None,
    identity: str | None = None,
    resumed: bool = False,
) -> Iterator[Tracker]:
    """A run that is open inside the block and closed behind it, as finished, failed or killed by how the block ends.

    It goes on with an earlier one: that of `run_id`, else of `MLFLOW_RUN_ID`, else the last one of the same `identity`
    if it did not finish, or if its work goes on here. Otherwise it is new.

    Args:
        stage: the command, such as `train`.
        parameters: sections of `params.yaml` that made the run.
        datasets: parts of the data by name: `train`, `validation`.
        spec_digest: of what decides the result.
        notes: for people; shown with the run.
        run_id: in MLflow.
        identity: the same for runs of which one goes on where the other stopped.
        resumed: whether work of an earlier process goes on: in its run, even a finished one, which has the curve; and
            untracked when the server does not answer.

    Raises:
        Mistaken: the server does not answer, and this is the beginning: better now than after hours of training.
    """
    if os.environ.get("RANK", "0") != "0":
        yield NullTracker()
        return
    try:
        tracker = _opened(stage, parameters, spec_digest, notes, run_id or os.environ.get(RUN_ID), identity, resumed)
    except Mistaken as error:
        if not resumed:
            raise
        _say(f"{error}; this part of the run is not tracked")
        yield NullTracker()
        return
    status = "FAILED"
    try:
        tracker.log_parameters(parameters)
        if datasets:
            tracker.log_datasets(datasets)
        for path in (project.SPEC, files.PARAMS, "dvc.lock"):
            if os.path.exists(path):
                tracker.log_artifact(path)
        tracker.begin()
        yield tracker
        status = "FINISHED"
    except (KeyboardInterrupt, SystemExit) as error:
        status = "FINISHED" if isinstance(error, SystemExit) and not error.code else "KILLED"
        raise
    finally:
        tracker.end(status)


def _opened(
    stage: str,
    parameters: Mapping[str, Any],
    spec_digest: str | None,
    notes: str | None,
    run_id: str | None,
    identity: str | None,
    resumed: bool,
) -> Any:
    from mlops_runtime.tracking.mlflow import attached

    about = project.project()
    known = facts.flat(parameters)
    commit = facts.commit()
    note = notes or f"{stage} of {about['name']}" + (f" at {commit[:12]}" if commit else "")
    tags: dict[str, str | None] = {
        "project": about["name"],
        "owner": about["owner"],
        "team": about["owner"],
        "stage": stage,
        IDENTITY: identity,
        registry.TAG_TASK: known.get("model.task"),
        registry.TAG_SPEC_DIGEST: spec_digest,
        registry.TAG_COMMIT: commit,
        "mlflow.note.content": note,
        "mlflow.user": facts.person(),
        "mlflow.source.name": stage,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit,
        **{f"environment.{key}": value for key, value in facts.machine().items()},
    }
    given = {key: str(value) for key, value in tags.items() if value is not None}
    name = facts.run_name(stage, parameters)
    tracker = attached(run_id, identity, name, given, resumed)
    wandb = about["tracking"]["wandb"]
    if wandb is None:
        return tracker
    from mlops_runtime.tracking.wandb import WandbTracker

    return _Both(tracker, WandbTracker(wandb, tracker.run_id, name, given, note, about["name"]))
