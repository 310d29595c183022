"""Runbooks: one page per alert, with all rules of its name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlopsgen.contract.promql import duration, family
from mlopsgen.project.model import Environment, Project
from mlopsgen.spec.traced import Text, join, merged, traced
from mlopsgen.targets.alertmanager import told
from mlopsgen.targets.docs import looks
from mlopsgen.targets.docs.commands import commands, silence
from mlopsgen.targets.prometheus.model import Alert
from mlopsgen.targets.prometheus.rules import RUNBOOKS, groups, links
from mlopsgen.targets.prometheus.slo import BURNS

KINDS = {
    "ModelErrorRateHigh": "errors",
    "ModelLatencyHigh": "latency",
    "ModelTrafficDrop": "traffic",
    "ModelGpuMemoryHigh": "gpu-memory",
    "ModelQueueFull": "queue",
    "ModelServerDown": "servers-down",
    "ModelAccuracyLow": "accuracy",
    "ModelInputDrift": "drift",
    "ModelQualityStale": "quality-stale",
    "ModelCanaryStalled": "canary",
    "ModelCheckpointStale": "checkpoint",
    "ModelCostOverBudget": "cost",
    "GpuXidError": "xid",
    "GpuTooHot": "heat",
    "ModelExporterDown": "exporter",
    "ModelMetricAbsent": "absent",
    **{f"Model{what}Burn{each.name}": "burn" for what in ("Availability", "Latency") for each in BURNS},
}
"""Templates below `templates/docs/runbooks/` by alert; an alert of the spec's own is `custom`."""

SEVERITIES = ("critical", "warning", "info")
UP = "../../"
"""From the folder of runbooks to that of mlops.yaml."""


@dataclass(frozen=True, slots=True)
class Page:
    """The runbook of an alert: its rules, of which there are several where environments differ."""

    project: Project
    name: str
    alerts: tuple[Alert, ...]

    @property
    def kind(self) -> str:
        """Name of its template."""
        return "custom" if self.alerts[0].category == "custom" else KINDS[self.name]

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.name}.md"

    @property
    def environment(self) -> Environment:
        """The last environment in which it can fire: the one that examples are about."""
        found = [each for alert in self.alerts for each in places(self.project, alert)]
        return max(found, key=self.project.environments.index)

    @property
    def severity(self) -> str:
        """The gravest severity first."""
        found = {str(alert.severity) for alert in self.alerts}
        return ", ".join(each for each in SEVERITIES if each in found)

    @property
    def summary(self) -> Text:
        """What it says, with the names of labels in place of their values."""
        first, *others = self.alerts
        shared = {
            name: value for name, value in first.labels.items() if all(o.labels.get(name) == value for o in others)
        }
        return readable(first.summary, first, shared)


def pages(project: Project) -> list[Page]:
    """All runbooks, in the order of the rules."""
    found: dict[str, list[Alert]] = {}
    for group in groups(project, project.environments):
        for alert in group.alerts:
            found.setdefault(alert.name, []).append(alert)
    return [Page(project, name, tuple(alerts)) for name, alerts in found.items()]


def context(page: Page, names: Collection[str]) -> dict[str, Any]:
    """What a runbook's template takes.

    Args:
        page: the runbook.
        names: alerts that have one.
    """
    project, last = page.project, page.environment
    rules = () if page.kind == "absent" else page.alerts
    return {
        "name": page.name,
        "summary": page.summary,
        "severity": page.severity,
        "receivers": ", ".join(told(last.monitoring.notify, page.severity.partition(",")[0])) or "nobody yet",
        "category": page.alerts[0].category,
        "dashboard": _dashboard(page),
        "retrain": any(alert.retrain for alert in page.alerts),
        "rules": [_rule(project, alert) for alert in rules] or [_absence(page)],
        "queries": [
            {"title": title, "lines": lines(query)} for title, query in looks.queries(page.kind, project, last)
        ],
        "metrics": list(_metrics(page)),
        "burn": _burn(page, names),
        "limits": _limits(project, last),
        "run": commands(project, last),
        "silence": silence(project, last, page.name),
        "spec": _spec(project),
    }


def index(project: Project, found: list[Page]) -> dict[str, Any]:
    """What the template of the list of runbooks takes."""
    categories = dict.fromkeys(page.alerts[0].category for page in found)
    return {
        "name": project.name,
        "groups": [
            {
                "title": category.capitalize(),
                "pages": [
                    {"link": f"[{page.name}]({page.file})", "severity": page.severity, "summary": page.summary}
                    for page in found
                    if page.alerts[0].category == category
                ],
            }
            for category in categories
        ],
        "rules": f"{UP}monitoring/rules.yaml",
        "routing": f"{UP}monitoring/alertmanager.yaml",
        "spec": _spec(project),
    }


def path(page: Page) -> str:
    """Path of a runbook."""
    return f"{RUNBOOKS}/{page.file}"


def places(project: Project, alert: Alert) -> list[Environment]:
    """Environments in which a rule can fire: those that its labels or its expression name."""
    own = alert.labels.get("environment")
    named = {own} if own else set()
    for names in re.findall(r'environment=~?"([^"]*)"', alert.expr):
        named |= set(names.split("|"))
    found = [each for each in project.environments if each.name in named]
    return found or list(project.environments)


def lines(text: str) -> list[Text]:
    """A query in lines that can be printed."""
    printable = "".join(each if each.isprintable() or each == "\n" else " " for each in str(text))
    return [traced(line, *merged(text)) for line in printable.split("\n") if line.strip()]


_LABEL = re.compile(r"\$([a-z][A-Za-z_]*)|\$UUID")
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")


def readable(text: str, alert: Alert, known: Mapping[str, str]) -> Text:
    """A text of an alert as Markdown: the value and labels that are not `known` by their names."""
    if alert.literal:
        return markdown(text)
    shown = _LABEL.sub(lambda m: str(known.get(m[0][1:], f"*{m[0][1:].replace('_', ' ')}*")), str(text))
    result: Text = traced(shown, *merged(text, *alert.sources))
    return result


def markdown(text: str) -> Text:
    """A text of a person on one line, nothing in it special to Markdown."""
    line = "".join(each for each in " ".join(str(text).split()) if each.isprintable())
    result: Text = traced(_SPECIAL.sub(r"\\\1", line), *merged(text))
    return result


def _rule(project: Project, alert: Alert) -> dict[str, Any]:
    return {
        "environments": " and ".join(each.name for each in places(project, alert)),
        "hold": traced(duration(alert.for_), *merged(alert.for_)),
        "description": readable(alert.description, alert, alert.labels),
        "lines": lines(traced(alert.expr, *merged(*alert.sources))),
    }


def _absence(page: Page) -> dict[str, Any]:
    """One rule for all of them: they differ in their metric only."""
    alert = page.alerts[0]
    environments = dict.fromkeys(each.name for each in page.project.environments)
    return {
        "environments": " and ".join(environments),
        "hold": duration(alert.for_),
        "description": "nothing exports one of the metrics below. For the first of them:",
        "lines": lines(alert.expr),
    }


def _metrics(page: Page) -> Iterator[dict[str, str]]:
    for name in dict.fromkeys(alert.labels.get("metric", "") for alert in page.alerts):
        if name:
            yield {"name": name, "help": family(name).help}


def _dashboard(page: Page) -> str | None:
    url = links(page.project, page.alerts[0]).get("dashboard_url")
    if url is None:
        return None
    name = page.alerts[0].dashboard
    return join("[", name, "](", url if "://" in url else f"{UP}monitoring/dashboards/{name}.json", ")")


def _burn(page: Page, names: Collection[str]) -> dict[str, Any] | None:
    slo = page.environment.monitoring.slo
    if page.kind != "burn" or slo is None:
        return None
    [burn] = [each for each in BURNS if page.name.endswith(each.name)]
    hours = slo.window / burn.factor / 3600
    latency = page.alerts[0].category == "latency"
    near = "ModelLatencyHigh" if latency else "ModelErrorRateHigh"
    return {
        "speed": f"{burn.factor:g} times as fast as that" if burn.factor > 1 else "just as fast as that, for days",
        "page": burn.severity == "critical",
        "gone": f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:.0f} days",
        "latency": latency,
        "see": f" The runbook of [{near}]({near}.md) says how." if near in names else "",
    }


def _limits(project: Project, environment: Environment) -> dict[str, Any]:
    serving, quality, rollout = environment.serving, environment.monitoring.quality, environment.rollout
    slo = environment.monitoring.slo
    spans = {
        "every": quality.every,
        "hold": rollout.hold,
        "deadline": rollout.deadline,
        "window": slo.window if slo is not None else 0.0,
    }
    return {
        "queue": serving.queue,
        "max_input_tokens": serving.max_input_tokens,
        "max_output_tokens": serving.max_output_tokens,
        "samples": quality.samples,
        "dataset": quality.dataset,
        "min_requests": rollout.min_requests,
        "checkpoint": project.training.checkpoint.every,
        **{name: traced(duration(value), *merged(value)) for name, value in spans.items()},
    }


def _spec(project: Project) -> str:
    return f"[{project.spec_file}]({UP}{project.spec_file})"
