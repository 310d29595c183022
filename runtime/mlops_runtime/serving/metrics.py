"""What the server exports: made from the contract, every label set there from the start."""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from mlops_runtime import exposition
from mlops_runtime.serving.settings import Settings
from mlopsgen.contract.metrics import FAMILIES, REJECTED, STATUS, exported

LATENCY = "model_inference_duration_seconds"
"""The family whose buckets the settings name."""

_HOUR = 3600.0


class Metrics:
    """The families of a deployment, with the series of this server resolved once: counting costs a microsecond.

    Args:
        settings: of the server.
        version: of the model, as the registry numbers it.
    """

    def __init__(self, settings: Settings, version: str) -> None:
        self._started = self._paid = time.monotonic()
        self._price = (settings.gpu_hour or 0.0) * settings.gpu / _HOUR
        self._registry = CollectorRegistry(auto_describe=False)
        self._names = {"model_name": settings.name, "variant": settings.variant}
        families = [f for f in FAMILIES if f.source == "serving" and not exported(f, settings.setup)]
        known = {**{name: [value] for name, value in self._names.items()}, "version": [version]}
        self._made = exposition.metrics(families, self._registry, known, {LATENCY: settings.latency_buckets})
        self.requests = {status: self._series("model_requests_total", status=status) for status in STATUS}
        self.rejected = {reason: self._series("model_requests_rejected_total", reason=reason) for reason in REJECTED}
        self.duration = self._series(LATENCY)
        self.first_token = self._series("model_time_to_first_token_seconds")
        self.input_tokens = self._series("model_input_tokens")
        self.output_tokens = self._series("model_output_tokens")
        self.rating = self._series("model_feedback_rating")
        self._cost = self._series("model_cost_total")
        self._series("model_version_info", version=version).set(1)

    def watch(self, admission: Any) -> None:
        """Read queue depth and active requests where they are kept, when somebody asks."""
        self._series("model_queue_depth").set_function(lambda: admission.waiting)
        self._series("model_active_requests").set_function(lambda: admission.active)

    def memory(self, device: str, used: float, total: float) -> None:
        """Memory of a GPU in bytes."""
        self._series("model_gpu_memory_bytes", device=device).set(used)
        self._series("model_gpu_memory_total_bytes", device=device).set(total)

    def text(self) -> bytes:
        """All of it in the text format."""
        now = time.monotonic()
        self._cost.inc((now - self._paid) * self._price)
        self._paid = now
        return generate_latest(self._registry)

    def _series(self, name: str, **labels: str) -> Any:
        """One series; of a family that this deployment does not export, something that ignores what it is told."""
        made = self._made.get(name)
        return made.labels(**self._names, **labels) if made is not None else _NOTHING


class _Nothing:
    """Stands for a series that is not exported."""

    def inc(self, amount: float = 1) -> None:
        """Nothing."""

    def observe(self, amount: float) -> None:
        """Nothing."""

    def set(self, value: float) -> None:
        """Nothing."""


_NOTHING = _Nothing()
