"""The webhook that hears of drift and decay from the exporter itself, where the settings name one.

Usually none is named: Prometheus sees the same numbers, and Alertmanager calls the webhook for alerts with
`retrain: true`. Named here, it is for deployments without Alertmanager; naming it at both ends starts two trainings.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mlops_runtime.endpoint import Endpoint, Unanswered
from mlops_runtime.quality.drift import Look
from mlops_runtime.quality.scoring import Scores
from mlops_runtime.quality.settings import Settings
from mlops_runtime.serving import logs

DRIFT, DECAY = "ModelInputDrift", "ModelAccuracyLow"
"""Names of the alerts that say the same."""


class Retrain:
    """Tells of each drift and decay once: when it is new, and again when it comes back after it was gone.

    Args:
        settings: of the exporter.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._told: set[tuple[str, str]] = set()

    def hear(self, look: Look | None, scores: Scores | None) -> None:
        """What a cycle found; None for what it could not find out, which changes nothing."""
        if self._settings.retrain is None:
            return
        judged: dict[tuple[str, str], bool] = {}
        for feature, shift in (look.shifts if look is not None else {}).items():
            judged[DRIFT, feature] = shift.state == "drift"
        least = self._settings.min_accuracy
        if scores is not None and least is not None:
            judged[DECAY, ""] = scores.accuracy < least
        self._told -= {reason for reason, holds in judged.items() if not holds}
        new = {reason for reason, holds in judged.items() if holds} - self._told
        if new and self._sent(sorted(new)):
            self._told |= new

    def _sent(self, reasons: list[tuple[str, str]]) -> bool:
        """Whether the webhook took it; if not, the next cycle tries again."""
        assert self._settings.retrain is not None
        try:
            reply = Endpoint(self._settings.retrain).post("", self._body(reasons))
        except Unanswered as error:
            logs.say("retrain not raised", "error", reason=str(error))
            return False
        if reply.status >= 300:
            logs.say("retrain not raised", "error", reason=f"{reply.place} answered {reply.said}")
            return False
        logs.say("retrain raised", reasons=[" ".join(reason).strip() for reason in reasons])
        return True

    def _body(self, reasons: list[tuple[str, str]]) -> Mapping[str, Any]:
        """As Alertmanager's webhook, version 4."""
        common = {
            "model_name": self._settings.name,
            "environment": self._settings.environment,
            "retrain": "true",
        }
        now = datetime.now(UTC).isoformat(timespec="seconds")
        alerts = [
            {
                "status": "firing",
                "labels": {**common, "alertname": name, **({"feature": feature} if feature else {})},
                "annotations": {},
                "startsAt": now,
            }
            for name, feature in reasons
        ]
        return {
            "version": "4",
            "status": "firing",
            "receiver": "retrain",
            "groupKey": "quality",
            "groupLabels": {},
            "commonLabels": common,
            "commonAnnotations": {},
            "externalURL": "",
            "alerts": alerts,
        }
