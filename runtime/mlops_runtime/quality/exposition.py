"""What the exporter shows: the families of the contract, NaN where nothing is known."""

from __future__ import annotations

import math
import time

from prometheus_client import CollectorRegistry, generate_latest

from mlops_runtime import exposition
from mlops_runtime.quality.drift import Look
from mlops_runtime.quality.recent import Answers
from mlops_runtime.quality.scoring import Scores
from mlops_runtime.quality.settings import Settings
from mlopsgen.contract.metrics import FAMILIES, Setup, exported
from mlopsgen.contract.metrics.quality import MEASURE, RESULT, SIGN

_KNOWN = ("model_quality_stale", "model_quality_samples", "model_drift_samples")
"""Gauges whose first value is 0, and right."""


class Values:
    """The exported values. Each setter shows a cycle's findings; what no cycle has found yet is NaN.

    Args:
        settings: of the exporter.
    """

    def __init__(self, settings: Settings) -> None:
        setup = Setup("transformers", settings.task)
        families = [one for one in FAMILIES if one.source == "quality" and not exported(one, setup)]
        self._model = {"model_name": settings.name}
        self._judged: set[str] = set()
        known = {"model_name": [settings.name], "feature": settings.watched}
        self._registry = CollectorRegistry(auto_describe=False)
        self._made = exposition.metrics(families, self._registry, known)
        closed = {"sign": SIGN, "measure": MEASURE, "feature": settings.watched}
        for family in families:
            if family.kind == "gauge" and family.name not in _KNOWN:
                label = next((name for name, _ in family.labels if name != "model_name"), None)
                for value in closed.get(label or "", ()):
                    self._set(family.name, math.nan, **{str(label): value})
                if label is None:
                    self._set(family.name, math.nan)
        self._set("model_quality_timestamp_seconds", time.time())

    def scores(self, found: Scores) -> None:
        """Accuracy and perplexity."""
        self._set("model_accuracy", found.accuracy)
        if found.perplexity is not None:
            self._set("model_perplexity", found.perplexity)
        self._set("model_quality_samples", found.records, measure="accuracy")

    def answers(self, found: Answers) -> None:
        """Signs of the answers since the last cycle."""
        count, (known, total) = found.number, found.logprob
        for sign, shown in found.signs.items():
            self._set("model_answer_share", _mean(shown, count), sign=sign)
        self._set("model_answer_tokens", _mean(found.tokens, count))
        self._set("model_answer_log_probability", _mean(total, known))
        self._set("model_quality_samples", count, measure="answers")
        self._set("model_quality_samples", known, measure="log_probability")

    def rating(self, count: int, total: float) -> None:
        """Number and sum of users' ratings."""
        self._set("model_rating", _mean(total, count))
        self._set("model_quality_samples", count, measure="rating")

    def drift(self, found: Look) -> None:
        """A look at drift; where nothing was judged, the last values stay, and before the first, requests that wait."""
        for feature, records in found.records.items():
            if feature in found.shifts or feature not in self._judged:
                self._set("model_drift_samples", records, feature=feature)
        for feature, shift in found.shifts.items():
            judged = shift.state != "not enough data"
            (self._judged.add if judged else self._judged.discard)(feature)
            score = shift.distance if shift.state == "drift" else 0.0
            self._set("model_drift_score", score if judged else math.nan, feature=feature)
            self._set("model_drift_distance", shift.distance if judged else math.nan, feature=feature)
            self._set("model_drift_p_value", shift.p_holm if judged else math.nan, feature=feature)

    def ended(self, seconds: float, failed: bool) -> None:
        """A cycle ended, after so many seconds."""
        success, error = RESULT
        self._set("model_quality_duration_seconds", seconds)
        self._set("model_quality_stale", float(failed))
        self._made["model_quality_cycles_total"].labels(**self._model, result=error if failed else success).inc()
        if not failed:
            self._set("model_quality_timestamp_seconds", time.time())

    def known(self) -> dict[str, float]:
        """Every gauge that has a value, named as MLflow takes it: `model_drift_score.prompt.length`."""
        found = {}
        for family in self._registry.collect():
            for sample in family.samples if family.type == "gauge" else ():
                more = [value for label, value in sample.labels.items() if label != "model_name"]
                if not math.isnan(sample.value):
                    found[".".join([sample.name, *more])] = float(sample.value)
        return found

    def text(self) -> bytes:
        """All of it in the text format."""
        return generate_latest(self._registry)

    def _set(self, name: str, value: float, **labels: str) -> None:
        if name in self._made:
            self._made[name].labels(**self._model, **labels).set(value)


def _mean(total: float, count: int) -> float:
    return total / count if count else math.nan
