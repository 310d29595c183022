"""Context of `ml-retrain.yaml`."""

from __future__ import annotations

from typing import Any

from mlopsgen.project.model import Project
from mlopsgen.spec.monitoring import Alert, Monitoring
from mlopsgen.spec.traced import join
from mlopsgen.targets.github import access, steps
from mlopsgen.targets.github.names import RETRAIN, TRAIN, call


def wanted(project: Project) -> bool:
    """Whether anything outside of GitHub starts a retrain: drift, decay, or an alert that asks for it."""
    if {"drift", "decay"} & set(project.ci.retrain_on) or project.data.drift.action == "retrain":
        return True
    places = (project.monitoring, *(each.monitoring for each in project.environments))
    return any(_retrains(monitoring) for monitoring in places)


def _retrains(monitoring: Monitoring) -> bool:
    alerts = monitoring.alerts
    named = [value for value in alerts.__dict__.values() if isinstance(value, Alert)]
    return any(alert.retrain for alert in (*named, *alerts.custom))


def context(project: Project) -> dict[str, Any]:
    """What the template takes."""
    return steps.common(project, RETRAIN) | {
        "condition": join(
            "github.event_name == 'workflow_dispatch' || github.event.client_payload.project == '", project.name, "'"
        ),
        "workflow": call(project, TRAIN),
        "secrets": access.values(access.every(project)),
    }
