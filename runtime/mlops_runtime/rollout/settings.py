"""Settings of the rollout controller: the file that `MLOPS_CONFIG` names, or what `mlopsgen build` wrote for an
environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlops_runtime import settings as file
from mlops_runtime.errors import Mistaken
from mlopsgen.contract import environment as names
from mlopsgen.contract import ports

LOCAL = "local"
"""Name of the environment that `mlopsgen up` runs."""

RUNNING = ".mlops/run/rollout.yaml"
"""Settings with the ports of a machine that `mlopsgen up` runs."""

FASTEST = 1.0
"""Seconds between two looks at least."""


class Settings(NamedTuple):
    """What the controller is told. No secret is part of it.

    Attributes:
        model: its name in the registry.
        environment: its name, and the value of the label `environment`.
        keep: retired versions of the model that are kept.
        engine: what splits the traffic.
        rollout: section `rollout` of the settings, for the judgement.
        buckets: upper bounds of the latency histogram, in seconds.
        scrape_interval: seconds between two scrapes of Prometheus.
        prometheus: its URL.
        cluster: names in the cluster; None on one machine.
        local: addresses and files on one machine; None in a cluster.
        port: of the controller's metrics.
        host: address that they are shown at.
    """

    model: str
    environment: str
    keep: int
    engine: str
    rollout: Mapping[str, Any]
    buckets: tuple[float, ...]
    scrape_interval: float
    prometheus: str
    cluster: Mapping[str, Any] | None
    local: Mapping[str, Any] | None
    port: int
    host: str = ports.EVERYWHERE

    @property
    def pace(self) -> float:
        """Seconds between two looks: evidence against a canary counts as soon as Prometheus has it."""
        return max(FASTEST, min(float(self.rollout["check_every"]), self.scrape_interval))

    @property
    def steps(self) -> tuple[float, ...]:
        """Shares of the canary, step by step."""
        return tuple(float(step) for step in self.rollout["steps"])


def read(environment: str | None) -> Settings:
    """Settings of this process; the address of the tracking server goes into the environment unless one is there.

    Args:
        environment: its name; None where `MLOPS_CONFIG` names a file.

    Raises:
        Mistaken: no settings, or settings that are not complete.
    """
    path, content = _content(environment)
    try:
        found = _settings(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Mistaken(
            f"{path} holds no settings of the rollout controller ({error!r}): run `mlopsgen build`"
        ) from None
    file.track(content)
    return found


def _content(environment: str | None) -> tuple[str, Any]:
    configured = os.environ.get(names.CONFIG)
    if environment is None:
        if not configured:
            raise Mistaken("say which environment: `--environment NAME`, such as `--environment local`")
        return configured, file.content(configured)
    if environment == LOCAL:
        path = RUNNING if os.path.exists(RUNNING) else "local/rollout.yaml"
        _demand(path, environment)
        return path, file.content(path)
    path = f"deploy/{environment}/controller.yaml"
    _demand(path, environment)
    return path, _embedded(path)


def _demand(path: str, environment: str) -> None:
    if not os.path.exists(path):
        known = sorted(os.listdir("deploy")) if os.path.isdir("deploy") else []
        raise Mistaken(
            f"there is no {path}: {environment} has no rollout controller, or this is not the folder of mlops.yaml"
            + (f" (environments here: {', '.join(known)})" if known else "")
        )


def _embedded(path: str) -> Any:
    """Settings in the ConfigMap that a pod of the environment gets."""
    from io import StringIO

    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    reader = YAML(typ="safe", pure=True)
    try:
        with open(path, encoding="utf-8") as stream:
            for document in reader.load_all(stream):
                if document and document.get("kind") == "ConfigMap":
                    return YAML(typ="safe", pure=True).load(StringIO(document["data"]["settings.yaml"]))
    except (OSError, UnicodeDecodeError, YAMLError, KeyError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise Mistaken(f"{path} cannot be read ({reason}): run `mlopsgen build`") from None
    raise Mistaken(f"{path} holds no settings: run `mlopsgen build`")


def _settings(content: Mapping[str, Any]) -> Settings:
    rollout = content["rollout"]
    found = Settings(
        model=str(content["model"]["name"]),
        environment=os.environ.get(names.ENVIRONMENT) or str(content["environment"]),
        keep=int(content["registry"]["keep"]),
        engine=str(rollout["engine"]),
        rollout=rollout,
        buckets=tuple(float(bound) for bound in rollout["latency_buckets"]),
        scrape_interval=float(rollout["scrape_interval"]),
        prometheus=str(content["prometheus"]).rstrip("/"),
        cluster=content.get("cluster"),
        local=content.get("local"),
        port=int(content.get("port") or ports.ROLLOUT),
        host=str(content.get("host") or ports.EVERYWHERE),
    )
    if not found.steps or found.pace <= 0 or (found.cluster is None) == (found.local is None):
        raise ValueError("no steps, or no place")
    return found
