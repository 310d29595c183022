"""Serving and what watches it."""

from __future__ import annotations

from collections.abc import Iterator

from mlopsgen.diagnostics import Diagnostic
from mlopsgen.project.checks.view import View
from mlopsgen.spec.tree import Path


def check(view: View) -> Iterator[Diagnostic]:
    """Engine, precision, address and time limits agree."""
    serving, training = view.spec.serving, view.spec.training
    if serving.engine == "transformers" and serving.resources.gpu and training.precision == "fp32":
        help = "train and serve in `bf16`, or use the engine `vllm`"
        also = (("the precision", ("training", "precision")),)
        message = "a GPU serves in fp32 here: half the speed and twice the memory of bf16"
        yield view.finding("W207", message, "serving", "resources", "gpu", help=help, also=also)
    if serving.engine == "custom" and serving.address is None:
        help = "add `address: ENGINE_URL`, the environment variable that holds it"
        yield view.finding("E226", "a custom engine needs an address", "serving", "engine", help=help)
    if serving.engine != "custom" and serving.address is not None:
        also = (("the engine", ("serving", "engine")),)
        message = f"`address` belongs to a custom engine, and the engine is {serving.engine}"
        yield view.finding("E226", message, "serving", "address", help="drop it", also=also, on_key=True)
    yield from _latencies(view)


def _latencies(view: View) -> Iterator[Diagnostic]:
    timeout = view.spec.serving.timeout
    limits: list[tuple[float, Path]] = []
    gate, alert, slo = (
        view.spec.rollout.gates.latency_p95,
        view.spec.monitoring.alerts.latency_p95,
        view.spec.monitoring.slo,
    )
    if gate is not None and gate.max is not None:
        limits.append((gate.max, ("rollout", "gates", "latency_p95", "max")))
    if alert is not None:
        limits.append((alert.max, ("monitoring", "alerts", "latency_p95", "max")))
    if slo is not None:
        limits.append((slo.latency.max, ("monitoring", "slo", "latency", "max")))
    for seconds, path in limits:
        if seconds >= timeout:
            also = (("the timeout", ("serving", "timeout")),)
            message = f"no answer can take {seconds:g} s: requests end at the timeout of {timeout:g} s"
            at = path if view.tree.find(path) is not None else ("serving", "timeout")
            yield view.finding("E220", message, *at, help="lower the limit or raise `serving.timeout`", also=also)
