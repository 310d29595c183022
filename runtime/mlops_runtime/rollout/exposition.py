"""What the controller shows at `/metrics`: the families of the contract."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from mlops_runtime import exposition
from mlops_runtime.rollout.decision import Judgement
from mlops_runtime.rollout.state import State
from mlopsgen.contract.metrics import FAMILIES


class Values:
    """The exported values.

    Args:
        model: value of `model_name`.
    """

    def __init__(self, model: str) -> None:
        self._labels = {"model_name": model}
        self._registry = CollectorRegistry(auto_describe=False)
        families = [family for family in FAMILIES if family.source == "rollout"]
        self._made = exposition.metrics(families, self._registry, {"model_name": [model]})

    def show(self, state: State | None) -> None:
        """A rollout as it is; None for none."""
        active = state is not None and state.active
        self._set("model_rollout_active", float(active))
        self._set("model_rollout_weight", state.weight if state is not None and active else 0.0)
        self._set("model_rollout_step", float(state.step + 1) if state is not None and active else 0.0)
        self._set("model_rollout_step_timestamp_seconds", state.step_began if state is not None and active else 0.0)

    def judged(self, judgement: Judgement) -> None:
        """One look."""
        for finding in judgement.findings:
            verdicts = self._made["model_rollout_verdicts_total"]
            verdicts.labels(**self._labels, gate=finding.gate, verdict=finding.verdict).inc()

    def ended(self, state: State) -> None:
        """The end of a rollout."""
        self._made["model_rollouts_total"].labels(**self._labels, result=state.phase).inc()
        if state.phase == "rolled_back":
            self._made["model_rollout_rollbacks_total"].labels(**self._labels, reason=state.reason).inc()

    def text(self) -> bytes:
        """All of it in the text format."""
        return generate_latest(self._registry)

    def _set(self, name: str, value: float) -> None:
        self._made[name].labels(**self._labels).set(value)
