"""Settings of the quality exporter, read at `MLOPS_CONFIG`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from mlops_runtime import settings as file
from mlops_runtime.errors import Mistaken
from mlops_runtime.retrain.settings import Settings as Receiver
from mlops_runtime.retrain.settings import settings as receiver
from mlopsgen.contract import environment, ports


class Settings(NamedTuple):
    """What the exporter is told. No secret is part of it.

    Attributes:
        name: of the model in the registry.
        task: of the model.
        environment: its name.
        server: URL of the served model; a name with several addresses is several replicas.
        model_uri: where the model's small files are when the server says no version.
        every: seconds from the begin of a cycle to that of the next.
        dataset: held-out records, a file of the project.
        samples: records that are scored in a cycle at most.
        features: features of requests by column.
        alpha: false alarms about drift a day, over all features.
        min_effect: distance below which nothing is drift.
        retrain: URL that hears of new drift and decay from here; None where only alerts start trainings.
        min_accuracy: accuracy below which the model has decayed; None where nobody says.
        receiver: of webhooks that start trainings; None where there is none.
        port: of the exporter.
        host: address that it listens at.
    """

    name: str
    task: str
    environment: str
    server: str
    model_uri: str
    every: float
    dataset: str
    samples: int
    features: Mapping[str, Sequence[str]]
    alpha: float
    min_effect: float
    retrain: str | None = None
    min_accuracy: float | None = None
    receiver: Receiver | None = None
    port: int = ports.QUALITY
    host: str = ports.EVERYWHERE

    @property
    def watched(self) -> tuple[str, ...]:
        """Names of the features."""
        return tuple(f"{column}.{name}" for column, names in self.features.items() for name in names)


def read() -> Settings:
    """Settings of this process; the address of the tracking server goes into the environment unless one is there.

    Raises:
        Mistaken: no settings, or settings that are not complete.
    """
    path = os.environ.get(environment.CONFIG)
    if not path:
        raise Mistaken(
            f"{environment.CONFIG} is not set: it names the settings of the exporter, such as local/quality.yaml"
        )
    content = file.content(path)
    try:
        found = _settings(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Mistaken(f"{path} holds no settings of the quality exporter ({error!r}): run `mlopsgen build`") from None
    for key, url in (("server", found.server), ("quality.retrain.url", found.retrain)):
        if url is not None and not _is_url(url):
            raise Mistaken(f"{path}: `{key}` is no URL: such as http://127.0.0.1:8000")
    file.track(content)
    return found


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _settings(content: Mapping[str, Any]) -> Settings:
    model, quality = content["model"], content["quality"]
    drift, retrain = quality["drift"], quality.get("retrain") or {}
    name, given = str(model["name"]), os.environ.get
    least = retrain.get("min_accuracy")
    if float(quality["every"]) <= 0 or int(quality["samples"]) < 1:
        raise ValueError("`every` and `samples` must be above 0")
    return Settings(
        name=name,
        task=str(model["task"]),
        environment=given(environment.ENVIRONMENT) or str(content["environment"]),
        server=str(content["server"]).rstrip("/"),
        model_uri=given(environment.MODEL_URI) or f"models:/{name}@champion",
        every=float(quality["every"]),
        dataset=str(quality["dataset"]),
        samples=int(quality["samples"]),
        features={column: tuple(names) for column, names in (drift["features"] or {}).items()},
        alpha=float(drift["alpha"]),
        min_effect=float(drift["min_effect"]),
        retrain=str(retrain["url"]) if retrain else None,
        min_accuracy=None if least is None else float(least),
        receiver=receiver(name, content["retrain"]) if content.get("retrain") else None,
        port=int(content.get("port") or ports.QUALITY),
        host=str(content.get("host") or ports.EVERYWHERE),
    )
