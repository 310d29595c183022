"""Queries that a runbook shows, by kind of alert: what to look at, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mlopsgen.contract.metrics import FAILED, exported
from mlopsgen.contract.promql import (
    UP,
    aggregate,
    family,
    increase,
    mean,
    quantile,
    rate,
    ratio,
    selector,
    total,
    window,
)
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import job
from mlopsgen.project.telemetry import setup
from mlopsgen.targets.prometheus.hardware import spellings

Look = tuple[str, str]

REQUESTS = "model_requests_total"
LATENCY = "model_inference_duration_seconds"


class _Here:
    """Families of one environment."""

    def __init__(self, project: Project, environment: Environment) -> None:
        self.project, self.environment = project, environment
        self._setup = setup(project, environment)

    def has(self, *names: str) -> bool:
        """Whether the environment exports all of them."""
        return not any(exported(family(name), self._setup) for name in names)

    def labels(self, **more: Any) -> dict[str, Any]:
        """What selects the environment's series."""
        return {"environment": self.environment.name, "model_name": str(self.project.model.name), **more}

    def span(self, seconds: float = 300) -> str:
        """A window, four scrapes long at least."""
        return window(seconds, self.environment.monitoring.scrape_interval)

    def level(self, name: str, **more: Any) -> str:
        """Present value of a gauge."""
        if family(name).source == "dcgm":
            return " or ".join(spellings(family(name), self.environment))
        return selector(family(name), self.labels(**more))

    def rate(self, name: str, *by: str, part: Any = "", **more: Any) -> str:
        """Growth per second, summed."""
        return total(rate(family(name), self.span(), self.labels(**more), part), by)

    def grown(self, name: str, *by: str, seconds: float = 3600, part: Any = "", **more: Any) -> str:
        """Growth over a window, summed."""
        return total(increase(family(name), self.span(seconds), self.labels(**more), part), by)

    def mean(self, name: str, *by: str) -> str:
        """Mean of what was observed."""
        return mean(family(name), self.span(), self.labels(), by)

    def quantile(self, share: float, name: str, *by: str) -> str:
        """Quantile of what was observed."""
        return quantile(share, family(name), self.span(), self.labels(), by)

    def up(self, *parts: Any) -> str:
        """Which targets answer scrapes."""
        names = tuple(str(job(self.project, part)) for part in parts)
        return selector(UP, {"environment": self.environment.name, "job": names})


def queries(kind: str, project: Project, environment: Environment) -> list[Look]:
    """Titles and queries of a kind of runbook, for one environment."""
    return list(_LOOKS[kind](_Here(project, environment)))


def _failed(here: _Here, *by: str) -> str:
    return ratio(here.rate(REQUESTS, *by, status=FAILED), here.rate(REQUESTS, *by))


def _errors(here: _Here) -> Iterator[Look]:
    yield "Which variant fails:", _failed(here, "variant")
    yield "Which pods fail:", _failed(here, "pod")
    yield "How they fail:", here.rate(REQUESTS, "status")
    yield from _slower(here)


def _slower(here: _Here) -> Iterator[Look]:
    yield "95th percentile of latency by variant, in seconds:", here.quantile(0.95, LATENCY, "variant")


def _latency(here: _Here) -> Iterator[Look]:
    yield from _slower(here)
    yield "The same by pod:", here.quantile(0.95, LATENCY, "pod")
    yield "Waiting requests by pod:", aggregate("max", here.level("model_queue_depth"), ("pod",))
    if here.has("model_time_to_first_token_seconds"):
        yield (
            "Time to the first token: waiting and prefill, without the length of the answer:",
            here.quantile(0.95, "model_time_to_first_token_seconds", "variant"),
        )
    if here.has("model_output_tokens"):
        yield "Tokens per answer:", here.mean("model_output_tokens", "variant")
    yield "Tokens per prompt:", here.mean("model_input_tokens", "variant")
    if here.has("vllm:kv_cache_usage_perc"):
        yield "Use of the key-value cache:", aggregate("max", here.level("vllm:kv_cache_usage_perc"), ("pod",))


def _traffic(here: _Here) -> Iterator[Look]:
    yield "Requests a second:", here.rate(REQUESTS, "model_name")
    yield "Requests refused, by reason:", here.rate("model_requests_rejected_total", "reason")
    yield "Servers that answer scrapes:", aggregate("sum", here.up("serving"))


def _gpu_memory(here: _Here) -> Iterator[Look]:
    by = ("pod", "device")
    used, whole = (
        aggregate("max", here.level(name), by) for name in ("model_gpu_memory_bytes", "model_gpu_memory_total_bytes")
    )
    yield "Share in use by pod and GPU:", f"{used} / {whole}"
    yield "Requests in work by pod:", aggregate("sum", here.level("model_active_requests"), ("pod",))
    yield "Tokens per prompt:", here.mean("model_input_tokens", "variant")
    yield from _versions(here)


def _versions(here: _Here) -> Iterator[Look]:
    yield "Versions that run:", aggregate("count", here.level("model_version_info"), ("variant", "version"))


def _queue(here: _Here) -> Iterator[Look]:
    yield "Waiting requests by pod:", aggregate("max", here.level("model_queue_depth"), ("pod",))
    yield "Requests in work by pod:", aggregate("sum", here.level("model_active_requests"), ("pod",))
    yield "Requests a second:", here.rate(REQUESTS, "variant")
    yield "Requests refused, by reason:", here.rate("model_requests_rejected_total", "reason")


def _servers(here: _Here) -> Iterator[Look]:
    yield "Targets and whether they answer:", here.up("serving")
    yield "Requests a second, as last seen:", here.rate(REQUESTS, "pod")


def _burn(here: _Here) -> Iterator[Look]:
    yield "Share of failed requests:", _failed(here, "variant")
    yield from _slower(here)
    yield "How requests end:", here.rate(REQUESTS, "status")
    yield from _versions(here)


def _accuracy(here: _Here) -> Iterator[Look]:
    yield "Accuracy:", here.level("model_accuracy")
    if here.has("model_perplexity"):
        yield "Perplexity:", here.level("model_perplexity")
    yield "Drift by feature:", aggregate("max", here.level("model_drift_score"), ("feature",))
    yield "Users' ratings by variant:", here.mean("model_feedback_rating", "variant")
    yield from _versions(here)


def _drift(here: _Here) -> Iterator[Look]:
    yield "Drift by feature:", aggregate("max", here.level("model_drift_score"), ("feature",))
    yield "Requests behind the score:", aggregate("min", here.level("model_drift_samples"), ("feature",))
    yield "Accuracy:", here.level("model_accuracy")
    yield "Tokens per prompt:", here.mean("model_input_tokens")


def _quality_stale(here: _Here) -> Iterator[Look]:
    yield "Seconds since the last cycle:", f"time() - {here.level('model_quality_timestamp_seconds')}"
    yield "Cycles by how they ended:", here.grown("model_quality_cycles_total", "result", seconds=86400)


def _canary(here: _Here) -> Iterator[Look]:
    if here.has("model_rollout_verdicts_total"):
        yield "Looks at the canary:", here.grown("model_rollout_verdicts_total", "gate", "verdict")
        yield "Its share of the traffic:", here.level("model_rollout_weight")
    yield "Requests in an hour by variant:", here.grown(REQUESTS, "variant")
    yield "Ratings in an hour by variant:", here.grown("model_feedback_rating", "variant")


def _checkpoint(here: _Here) -> Iterator[Look]:
    yield "Steps done:", here.level("model_training_step")
    yield "Step of the last checkpoint:", here.level("model_training_checkpoint_step")
    yield "Seconds per step:", here.mean("model_training_step_duration_seconds")


def _cost(here: _Here) -> Iterator[Look]:
    day = 86400.0
    parts = [name for name in ("model_input_tokens", "model_output_tokens") if here.has(name)]
    tokens = " + ".join(here.grown(name, seconds=day, part="_sum") for name in parts)
    yield "Price of the last day by variant:", here.grown("model_cost_total", "variant", seconds=day)
    yield "Price per 1,000 tokens:", f"1000 * {ratio(here.grown('model_cost_total', seconds=day), f'({tokens})')}"
    yield "Requests a second:", here.rate(REQUESTS, "variant")


def _xid(here: _Here) -> Iterator[Look]:
    yield "GPUs with their last error:", f"({here.level('DCGM_FI_DEV_XID_ERRORS')}) > 0"
    yield "Memory rows that could not be remapped:", here.level("DCGM_FI_DEV_ROW_REMAP_FAILURE")
    yield "Temperature:", here.level("DCGM_FI_DEV_GPU_TEMP")


def _heat(here: _Here) -> Iterator[Look]:
    yield "Temperature:", here.level("DCGM_FI_DEV_GPU_TEMP")
    yield "Clock, in MHz: it falls when the GPU slows down:", here.level("DCGM_FI_DEV_SM_CLOCK")
    yield "Power, in watts:", here.level("DCGM_FI_DEV_POWER_USAGE")


def _exporter(here: _Here) -> Iterator[Look]:
    yield "Targets and whether they answer:", here.up("quality", "rollout")


def _absent(here: _Here) -> Iterator[Look]:
    yield "Targets and whether they answer:", here.up("serving", "quality", "rollout")
    yield "Versions that run, when servers are scraped at all:", here.level("model_version_info")


def _custom(here: _Here) -> Iterator[Look]:
    yield "Requests a second by how they ended:", here.rate(REQUESTS, "status")
    yield from _slower(here)
    yield from _versions(here)


_LOOKS: dict[str, Callable[[_Here], Iterator[Look]]] = {
    "errors": _errors,
    "latency": _latency,
    "traffic": _traffic,
    "gpu-memory": _gpu_memory,
    "queue": _queue,
    "servers-down": _servers,
    "burn": _burn,
    "accuracy": _accuracy,
    "drift": _drift,
    "quality-stale": _quality_stale,
    "canary": _canary,
    "checkpoint": _checkpoint,
    "cost": _cost,
    "xid": _xid,
    "heat": _heat,
    "exporter": _exporter,
    "absent": _absent,
    "custom": _custom,
}
