"""The webhook that hears of drift and decay from the exporter itself, where the settings name one.

Usually none is named: Prometheus sees the same numbers, and Alertmanager calls the webhook for alerts with
`retrain: true`. Named here, it is for deployments without Alertmanager; naming it at both ends starts two trainings.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from mlops_runtime.endpoint import Endpoint, Unanswered
from mlops_runtime.quality.drift import Look
from mlops_runtime.quality.scoring import Scores
from mlops_runtime.quality.settings import Settings
from mlops_runtime.serving import logs

DRIFT, DECAY = "ModelInputDrift", "ModelAccuracyLow"
"""Names of the alerts that say the same."""

QUIET = 86_400.0
"""Seconds in which the same is told once at most: what comes and goes at a limit would start a training each time."""


class Retrain:
    """Tells of each drift and decay once as long as it lasts, and of one that comes back after `QUIET` at the earliest.

    Args:
        settings: of the exporter.
        token: bearer token of the webhook; None where it asks for none.
        clock: seconds.
    """

    def __init__(self, settings: Settings, token: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._endpoint = Endpoint(settings.retrain, token) if settings.retrain is not None else None
        self._lasting: set[tuple[str, str]] = set()
        self._told: dict[tuple[str, str], float] = {}

    def hear(self, look: Look | None, scores: Scores | None) -> None:
        """What a cycle found; None for what it could not find out, which changes nothing."""
        if self._endpoint is None:
            return
        judged: dict[tuple[str, str], bool] = {}
        for feature, shift in (look.shifts if look is not None else {}).items():
            judged[DRIFT, feature] = shift.state == "drift"
        least = self._settings.min_accuracy
        if scores is not None and least is not None:
            judged[DECAY, ""] = scores.accuracy < least
        self._lasting -= {reason for reason, holds in judged.items() if not holds}
        now, holding = self._clock(), {reason for reason, holds in judged.items() if holds}
        new = {one for one in holding - self._lasting if now - self._told.get(one, -math.inf) >= QUIET}
        if new and self._sent(self._endpoint, sorted(new)):
            self._lasting |= new
            self._told |= dict.fromkeys(new, now)

    def _sent(self, endpoint: Endpoint, reasons: list[tuple[str, str]]) -> bool:
        """Whether the webhook took it; if not, the next cycle tries again."""
        try:
            reply = endpoint.post("", self._body(reasons))
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
