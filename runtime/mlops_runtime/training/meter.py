"""What Prometheus sees of a running training: the first process answers on `TRAINER` when it runs in an environment."""

from __future__ import annotations

import os
from typing import Any

import click
from prometheus_client import CollectorRegistry, start_http_server

from mlops_runtime.exposition import metrics
from mlopsgen.contract.environment import ENVIRONMENT
from mlopsgen.contract.metrics.trainer import FAMILIES
from mlopsgen.contract.ports import TRAINER


class Meter:
    """Metrics of a run.

    Args:
        model: its name in the registry.
        steps: of the whole run.
    """

    def __init__(self, model: str, steps: int) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._model = model
        self._metrics = metrics(FAMILIES, self._registry, {"model_name": (model,)})
        self._of("steps_planned").set(steps)
        self._server: Any = None

    def start(self, port: int = TRAINER) -> None:
        """Answer, where `MLOPS_ENVIRONMENT` says that somebody may ask. A port that is taken ends no training."""
        if not os.environ.get(ENVIRONMENT):
            return
        try:
            self._server, _ = start_http_server(port, registry=self._registry)
        except OSError as error:
            click.echo(f"no metrics at port {port}: {error.strerror}", err=True)

    def close(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def resumed(self, step: int, epoch: float) -> None:
        """The run goes on from a checkpoint."""
        self._of("step").set(step)
        self._of("epoch").set(epoch)
        self._of("checkpoint_step").set(step)

    def advanced(
        self, step: int, epoch: float, loss: float, rate: float, norm: float, tokens: int, seconds: float
    ) -> None:
        """A step was done.

        Args:
            step: steps done.
            epoch: passes over the data done.
            loss: of the step, nats per token.
            rate: learning rate.
            norm: of the gradient.
            tokens: of the step, without padding.
            seconds: that it took.
        """
        for name, value in (("step", step), ("epoch", epoch), ("learning_rate", rate), ("gradient_norm", norm)):
            self._of(name).set(value)
        self._of("loss", "train").set(loss)
        self._of("tokens_total").inc(tokens)
        self._of("step_duration_seconds").observe(seconds)

    def validated(self, loss: float) -> None:
        """The validation part was scored."""
        self._of("loss", "validation").set(loss)

    def saved(self, step: int) -> None:
        """A checkpoint is complete and stored."""
        self._of("checkpoint_step").set(step)

    def _of(self, name: str, *labels: str) -> Any:
        return self._metrics[f"model_training_{name}"].labels(self._model, *labels)
