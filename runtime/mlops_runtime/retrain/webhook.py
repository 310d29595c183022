"""What Alertmanager's webhook says, version 4.

Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

import json
from typing import Any

SHOWN = 10
"""Alerts that a reason names."""

LENGTH = 80
"""Characters of a label that a reason shows."""

LABELS = ("alertname", "environment", "model_name", "feature")


class Unreadable(Exception):
    """The body is no webhook of Alertmanager; the text says why."""


def reasons(body: bytes) -> list[str]:
    """Alerts in it that fire and ask for a training, in words, each once.

    Raises:
        Unreadable: the body is something else.
    """
    try:
        alerts = json.loads(body)["alerts"]
        found = [_reason(alert["labels"]) for alert in alerts if _asks(alert)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unreadable("expected the JSON of an Alertmanager webhook with `alerts`") from None
    return list(dict.fromkeys(found))[:SHOWN]


def _asks(alert: dict[str, Any]) -> bool:
    return bool(alert["status"] == "firing" and alert["labels"].get("retrain") == "true")


def _reason(labels: dict[str, Any]) -> str:
    name, *more = (str(labels[label])[:LENGTH] for label in LABELS if label in labels)
    text = f"{name} ({', '.join(more)})" if more else name
    return "".join(char if char.isprintable() else "?" for char in text)
