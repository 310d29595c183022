"""A run in MLflow."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_runtime.tracking import facts, server
from mlops_runtime.tracking.delivery import Delivery
from mlopsgen.contract import registry

if TYPE_CHECKING:
    from mlflow import MlflowClient

PARAMETERS = 100
"""Parameters of a batch; MLflow takes no more."""

CONTEXT = {"train": "training", "validation": "validation"}
"""What MLflow calls the parts of the data."""

SMALL = (".json", ".jinja", ".md")
"""Files of a model that are kept with the run; weights come with registration, and from DVC before it."""


class MlflowTracker:
    """Records one run; nothing here waits for the server but making a new run.

    Args:
        client: of the server.
        run_id: of a run that is there.
        resumed: whether it was there before this process.
    """

    def __init__(self, client: MlflowClient, run_id: str, resumed: bool = False) -> None:
        self.run_id = self._id = run_id
        self._client, self._resumed = client, resumed
        self._delivery = Delivery(lambda metrics: client.log_batch(run_id, metrics=metrics))
        self._monitor: Any = None
        self._known: set[str] = set()

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Record parameters, nested ones with dotted names. MLflow keeps the first value of a parameter."""
        from mlflow.entities import Param

        given = {key: value for key, value in facts.flat(parameters).items() if value is not None}
        new = [Param(key, str(value)) for key, value in given.items() if key not in self._known]
        for start in range(0, len(new), PARAMETERS):
            self._later("parameters", self._client.log_batch, self._id, params=new[start : start + PARAMETERS])
        self._known |= {param.key for param in new}

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record metrics of a step."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._delivery.metrics([Metric(key, float(value), now, step) for key, value in metrics.items()])

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Record tags; a later value replaces an earlier one."""
        from mlflow.entities import RunTag

        batch = [RunTag(key, value) for key, value in tags.items()]
        self._later("tags", self._client.log_batch, self._id, tags=batch)

    def log_datasets(self, datasets: Mapping[str, facts.Dataset]) -> None:
        """Record the parts of the data: file, digest, size; and one digest for all as a tag."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        # MLflow takes 36 characters of a digest; the whole one is a parameter.
        inputs = []
        for name, part in datasets.items():
            source, profile = json.dumps({"uri": part.path}), json.dumps({"num_rows": part.records})
            dataset = Dataset(name, part.digest[:32], "local", source, None, profile)
            inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", CONTEXT.get(name, name))]))
        self._later("datasets", self._client.log_inputs, self._id, inputs)
        self.log_parameters(
            {
                f"data.{name}.{key}": getattr(part, key)
                for name, part in datasets.items()
                for key in ("records", "digest")
            }
        )
        digest = facts.data_digest({name: part.digest for name, part in datasets.items()})
        self.log_tags({registry.TAG_DATA_DIGEST: digest})

    def log_artifact(self, path: str) -> None:
        """Keep a file or folder with the run, under its own name."""
        self._keep(path, None)

    def log_model(self, folder: str) -> None:
        """Record which model came out: its digest, by which `register` finds the run, and its small files."""
        from mlops_runtime.registry.content import digest

        self._later(folder, lambda: self._client.set_tag(self._id, registry.TAG_MODEL_DIGEST, digest(folder)))
        for name in sorted(os.listdir(folder)):
            if name.endswith(SMALL) and not name.startswith("tokenizer"):
                self._keep(os.path.join(folder, name), "model")

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Keep a table with the run, such as sample predictions."""
        content = {column: [row[index] for row in rows] for index, column in enumerate(columns)}
        self._later(f"table {name}", self._client.log_table, self._id, content, f"{name}.json")

    def watch(self, model: Any) -> None:
        """Nothing: MLflow has no watch over gradients."""

    def begin(self) -> None:
        """Mark the run as running and record what the machine does: CPU, memory, disk, network, GPUs."""
        if self._resumed:
            self._later("status", self._client.update_run, self._id, status="RUNNING")
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        node = os.environ.get("GROUP_RANK") if int(os.environ.get("GROUP_WORLD_SIZE", "1")) > 1 else None
        self._monitor = SystemMetricsMonitor(  # type: ignore[no-untyped-call]
            self._id,
            resume_logging=self._resumed,
            node_id=f"node_{node}" if node else None,
            tracking_uri=self._client.tracking_uri,
        )
        self._monitor.start()

    def end(self, status: str) -> None:
        """Send what is left and close the run as `FINISHED`, `FAILED` or `KILLED`."""
        if self._monitor is not None:
            self._monitor.finish()
        self._later("status", self._client.set_terminated, self._id, status)
        self._delivery.close()

    def known(self, parameters: Mapping[str, str]) -> None:
        """Parameters that the run has already; they are not sent again."""
        self._known |= set(parameters)

    def _keep(self, path: str, folder: str | None) -> None:
        send = self._client.log_artifacts if os.path.isdir(path) else self._client.log_artifact
        if os.path.isdir(path):
            folder = os.path.join(folder or "", os.path.basename(path.rstrip("/")))
        self._later(path, send, self._id, os.path.abspath(path), folder)

    def _later(self, what: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        self._delivery.call(what, lambda: call(*arguments, **named))


def attached(
    run_id: str | None, identity: str | None, name: str, tags: Mapping[str, str], resumed: bool
) -> MlflowTracker:
    """A tracker of an earlier run that goes on, or of a new one.

    Args:
        run_id: of the earlier run. When the server does not know it, a new one begins.
        identity: of the earlier run, when its id is not known: the last one goes on if it did not finish.
        name: of a new run.
        tags: of the run.
        resumed: whether the last one of the identity goes on even if it finished.

    Raises:
        Mistaken: the server does not answer.
    """
    with server.answering():
        client = server.client()
        run = _earlier(client, run_id, identity, resumed)
        if run is not None:
            tracker = MlflowTracker(client, run.info.run_id, resumed=True)
            tracker.known(run.data.params)
            tracker.log_tags(tags)
            return tracker
        made = server.patient(client.create_run, experiment_id(client), tags=dict(tags), run_name=name)
    return MlflowTracker(client, made.info.run_id)


def _earlier(client: MlflowClient, run_id: str | None, identity: str | None, resumed: bool) -> Any:
    from mlflow.exceptions import MlflowException

    if run_id is not None:
        try:
            return client.get_run(run_id)
        except MlflowException as error:
            if not server.absent(error):
                raise
    if identity is None:
        return None
    found = client.search_runs([experiment_id(client)], f"tags.{facts.IDENTITY} = '{identity}'", max_results=1)
    return found[0] if found and (resumed or found[0].info.status != "FINISHED") else None


def experiment_id(client: MlflowClient) -> str:
    """Id of the project's experiment, which is made when it is not there.

    Raises:
        MlflowException: the server does not answer, or the experiment was deleted.
    """
    from mlflow.exceptions import MlflowException

    name = server.experiment()
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:
            found = client.get_experiment_by_name(name)  # another process made it in the meantime
            if found is None:
                raise
    return str(found.experiment_id)
