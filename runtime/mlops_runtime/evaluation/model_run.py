"""The MLflow run that trained the model: what is measured later is kept with it.

The run's own facts (stage, notes, status, duration, machine) stay those of its training. Trouble with the server is
said and changes nothing else: the reports are files of the pipeline, and registration keeps them with the run as well.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_runtime.tracking import facts, server
from mlopsgen.contract import files, registry

if TYPE_CHECKING:
    from mlflow import MlflowClient


class ModelRun(NamedTuple):
    """A run that is there.

    Attributes:
        client: of its server.
        run_id: in MLflow.
        step: the last step of the training, at which metrics are recorded.
    """

    client: MlflowClient
    run_id: str
    step: int

    def log_metrics(self, report: Mapping[str, Any], suite: str | None = None) -> None:
        """Record the numbers of a report, nested ones with dotted names, not finite ones too.

        Args:
            report: content of it.
            suite: stands before the names, since others measure `tokens_per_second` and the like as well.
        """
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        numbers = {
            key: value
            for key, value in facts.flat({suite: report} if suite else report).items()
            if type(value) in (int, float)
        }
        metrics = [Metric(key, float(value), now, self.step) for key, value in numbers.items()]
        self._told("metrics", lambda: self.client.log_batch(self.run_id, metrics=metrics))

    def log_artifact(self, path: str) -> None:
        """Keep a file, under its own name at the top level of the run, where the next model's gate looks for it."""
        self._told(path, lambda: self.client.log_artifact(self.run_id, os.path.abspath(path)))

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Keep a table; one that is there stays, since MLflow would add the same rows to it again."""
        file = f"{name}.json"
        content = {column: [row[index] for row in rows] for index, column in enumerate(columns)}

        def send() -> None:
            if file not in {found.path for found in self.client.list_artifacts(self.run_id)}:
                self.client.log_table(self.run_id, content, file)

        self._told(f"table {name}", send)

    def _told(self, what: str, send: Any) -> None:
        try:
            send()
        except Exception as error:  # whatever a server or an artifact store raises, the measurement stands
            _say(f"{what} not kept with the run: {server.shown(' '.join(str(error).split()))[:300]}")


def find() -> ModelRun | None:
    """The run that trained `models/model`, by the digest that it noted.

    Returns:
        None where there is none, or the server does not answer, which is said on standard error.
    """
    if not server.exists(server.uri()):
        return None
    from mlops_runtime.errors import Mistaken
    from mlops_runtime.registry.content import digest

    noted = digest(files.MODEL)
    try:
        with server.answering():
            client = server.client()
            experiment = client.get_experiment_by_name(server.experiment())
            if experiment is None:
                return None
            query = f"tags.{registry.TAG_MODEL_DIGEST} = '{noted}'"
            found = client.search_runs([experiment.experiment_id], query, max_results=1)
    except Mistaken as error:
        _say(f"{error}; this measurement is not tracked")
        return None
    return ModelRun(client, found[0].info.run_id, int(found[0].data.metrics.get("steps", 0))) if found else None


def _say(text: str) -> None:
    print(f"tracking: {text}", file=sys.stderr, flush=True)
