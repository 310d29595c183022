"""Cycles kept in MLflow: one run for each version of the model in an environment, one step for each cycle."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from mlops_runtime.quality.settings import Settings
from mlops_runtime.serving import logs
from mlops_runtime.tracking import server

TAG = "quality.of"
"""Tag by which the run of a version is found again: `ENVIRONMENT/NAME/VERSION`."""


def keep(settings: Settings, version: str, values: Mapping[str, float]) -> None:
    """Log a cycle's values; the step is the number of the cycle since 1970, so that a new start goes on with it.

    Trouble of any kind is logged and changes nothing else.
    """
    try:
        if server.exists(server.uri()):
            _keep(settings, version, values)
    except Exception as error:  # whatever a server or a client raises, the exporter goes on
        logs.say("untracked", "warning", reason=server.shown(" ".join(str(error).split()))[:300])


def _keep(settings: Settings, version: str, values: Mapping[str, float]) -> None:
    with server.answering():
        from mlflow.entities import Metric

        client = server.client()
        run, now = _run(client, f"{settings.environment}/{settings.name}/{version}"), time.time()
        step = int(now // settings.every)
        metrics = [Metric(name, value, int(now * 1000), step) for name, value in values.items()]
        server.patient(client.log_batch, run, metrics=metrics)


def _run(client: Any, wanted: str) -> str:
    """Id of the run of a version, made where there is none."""
    from mlflow.exceptions import MlflowException

    name = server.experiment()
    experiment = server.patient(client.get_experiment_by_name, name)
    if experiment is None:
        try:
            identity = client.create_experiment(name)
        except MlflowException:
            identity = client.get_experiment_by_name(name).experiment_id  # another process made it in the meantime
    else:
        identity = experiment.experiment_id
    query = f"tags.`{TAG}` = '{wanted}'"
    found = server.patient(client.search_runs, [identity], query, max_results=1)
    if found:
        return str(found[0].info.run_id)
    run = client.create_run(identity, tags={TAG: wanted}, run_name=f"quality {wanted}")
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)
