"""Alertmanager: who hears of which alert, what is grouped and what is muted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlopsgen.contract import ports
from mlopsgen.contract.promql import matchers
from mlopsgen.project.alerts import every
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import named
from mlopsgen.project.plain import plain
from mlopsgen.render.files import File
from mlopsgen.spec.monitoring import Monitoring, Notify
from mlopsgen.spec.serving import SecretRef
from mlopsgen.spec.traced import join, merged, traced

SECRETS = "/etc/alertmanager/secrets"
"""Where Secrets are mounted, one folder each."""

SEVERITIES = ("critical", "warning", "info")
RECEIVERS = ("slack", "email", "pagerduty")

NOTHING: dict[str, Any] = dict.fromkeys((*RECEIVERS, "retrain"))

PACE = {"critical": ("5s", "1h"), "warning": ("30s", "4h"), "info": ("5m", "24h")}
"""How long the first message waits for others, and how often a lasting alert is told again."""


def files(project: Project) -> Iterable[File]:
    """`monitoring/alertmanager.yaml`."""
    yield File(path="monitoring/alertmanager.yaml", template="alertmanager/alertmanager.yaml", context=context(project))


def context(project: Project) -> dict[str, Any]:
    """What the template takes."""
    parties = _parties(project)
    routes, receivers = [], []
    for environments in parties:
        notify = environments[0].monitoring.notify
        suffix = join("-", "-".join(each.name for each in environments)) if len(parties) > 1 else ""
        here = []
        if any(retrains(each.monitoring) for each in environments):
            name = join("retrain", suffix)
            here.append({"name": name, "kind": "retrain"})
            receivers.append({**NOTHING, "name": name, "retrain": _retrain(project, notify)})
        for severity in SEVERITIES:
            chosen = told(notify, severity)
            if chosen:
                name, (wait, again) = join(severity, suffix), PACE[severity]
                here.append({"name": name, "kind": "severity", "severity": severity, "wait": wait, "again": again})
                receivers.append({**NOTHING, "name": name, **_integrations(notify, chosen)})
        if here:
            labels: dict[str, Any] = {"project": project.name}
            if len(parties) > 1:
                labels["environment"] = tuple(each.name for each in environments)
            routes.append({"matchers": _each(labels), "routes": [_route(each) for each in here]})
    return {"routes": routes, "receivers": receivers, "grafana": project.monitoring.links.grafana}


def told(notify: Notify, severity: str) -> list[str]:
    """Receivers of a severity: as routed; a severity without a route goes where the next graver one goes."""
    if not notify.routes:
        return [name for name in RECEIVERS if getattr(notify, name) is not None]
    graver = SEVERITIES[: SEVERITIES.index(severity) + 1]
    found = next((notify.routes[each] for each in reversed(graver) if each in notify.routes), ())
    return list(dict.fromkeys(found))


def retrains(given: Monitoring) -> bool:
    """Whether any alert starts a training."""
    return any(alert.retrain for _, alert in every(given.alerts))


def _parties(project: Project) -> list[tuple[Environment, ...]]:
    """Environments that tell the same people."""
    found: dict[str, list[Environment]] = {}
    for each in project.environments:
        found.setdefault(repr((plain(each.monitoring.notify), retrains(each.monitoring))), []).append(each)
    return [tuple(each) for each in found.values()]


def _route(given: dict[str, Any]) -> dict[str, Any]:
    if given["kind"] == "retrain":
        return {"receiver": given["name"], "matchers": ['retrain="true"'], "retrain": True}
    return {**given, "receiver": given["name"], "matchers": [f'severity="{given["severity"]}"'], "retrain": False}


def _each(labels: dict[str, Any]) -> list[Any]:
    """A matcher per label."""
    return [traced(matchers({name: value})[1:-1], *merged(value)) for name, value in labels.items()]


def _integrations(notify: Notify, chosen: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in chosen:
        found[name] = {"slack": _slack, "email": _email, "pagerduty": _pagerduty}[name](notify)
    return found


def _slack(notify: Notify) -> dict[str, Any]:
    assert notify.slack is not None
    return {"channel": notify.slack.channel, "file": secret_file(notify.slack.webhook)}


def _email(notify: Notify) -> dict[str, Any]:
    given = notify.email
    assert given is not None
    return {
        "to": traced(", ".join(given.to), *merged(*given.to)),
        "from": given.from_,
        "smarthost": given.smarthost,
        "file": secret_file(given.auth) if given.auth is not None else None,
    }


def _pagerduty(notify: Notify) -> dict[str, Any]:
    assert notify.pagerduty is not None
    return {"file": secret_file(notify.pagerduty.routing_key)}


def _retrain(project: Project, notify: Notify) -> dict[str, Any]:
    given, last = notify.retrain, project.environments[-1]
    url = given.url or join(
        "http://", named(project, "quality"), ".", last.namespace, f":{ports.QUALITY}", ports.RETRAIN
    )
    return {"url": url, "file": secret_file(given.auth) if given.auth is not None else None}


def secret_file(given: SecretRef) -> Any:
    """Where the entry of a Secret lies."""
    return join(SECRETS, "/", given.secret, "/", given.key)
