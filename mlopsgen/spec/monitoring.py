"""Section `monitoring`: objectives, alerts, quality checks, who hears of it."""

from __future__ import annotations

from typing import Literal

from mlopsgen.spec.base import Items, Mistake, Section, field, model_validator
from mlopsgen.spec.scalars import AlertName, Duration, Email, HostPort, MetricName, Path, Share, Text, Url
from mlopsgen.spec.serving import SecretRef

Severity = Literal["critical", "warning", "info"]
Receiver = Literal["slack", "email", "pagerduty"]
Dashboard = Literal["service", "quality", "gpu", "rollout", "training", "cost"]


class LatencyObjective(Section):
    """A latency objective."""

    quantile: Share = field("95%", "Share of requests that must be faster.", unit="share", example="95%")
    max: Duration = field("2s", "Their latency.", unit="duration", example="2s")


class Slo(Section):
    """Service level objectives, alerted on by burn rate."""

    availability: Share = field("99.5%", "Share of requests answered.", unit="share", example="99.5%")
    latency: LatencyObjective = field({}, "Latency objective.", example={"quantile": "95%", "max": "2s"})
    window: Duration = field("30d", "Time over which the budget counts.", unit="duration", example="30d")


class Alert(Section):
    """What every alert has."""

    for_: Duration = field("5m", "How long the condition holds before it fires.", unit="duration", example="5m")
    severity: Severity = field("warning", "Severity.", example="warning")
    retrain: bool = field(False, "Firing starts a retrain.", example=True)


class ShareAbove(Alert):
    """Fires above a share."""

    max: Share = field(..., "Largest healthy value.", unit="share", example="5%")


class DurationAbove(Alert):
    """Fires above a duration."""

    max: Duration = field(..., "Largest healthy value.", unit="duration", example="2s")


class ShareBelow(Alert):
    """Fires below a share."""

    min: Share = field(..., "Smallest healthy value.", unit="share", example="85%")


class NumberAbove(Alert):
    """Fires above a number."""

    max: float = field(..., "Largest healthy value.", unit="distance, 0 to 1", example=0.2, ge=0, le=1)


class TrafficDrop(Alert):
    """Fires when traffic falls against itself some time before."""

    max: Share = field(..., "Largest healthy fall.", unit="share", example="50%")
    compared_to: Duration = field("30m", "How long before.", unit="duration", example="30m")


class CustomAlert(Alert):
    """An alert of one's own."""

    name: AlertName = field(..., "Name, CamelCase.", example="LongAnswers")
    expr: Text = field(
        ...,
        "PromQL; a sample in its result fires. Matchers for the environment and the model are added.",
        example="model_queue_depth > 50",
    )
    summary: Text = field(..., "One line for whoever is called.", example="Half of the answers exceed 400 tokens")
    fires_on: dict[Text, Text] | None = field(
        None,
        "Series and their values, minute by minute in promtool's notation, on which it must fire; makes tests.",
        example={"model_queue_depth": "60+0x30"},
        derived="tested for silence without data only",
    )


class Alerts(Section):
    """Alerts by name; `null` switches one off."""

    latency_p95: DurationAbove | None = field(
        {"max": "2s"}, "95th percentile of latency.", example={"max": "2s", "for": "5m"}
    )
    error_rate: ShareAbove | None = field(
        {"max": "5%", "severity": "critical"}, "Share of failed requests.", example={"max": "5%", "for": "5m"}
    )
    gpu_memory: ShareAbove | None = field(
        {"max": "90%", "for": "2m"}, "GPU memory in use.", example={"max": "90%", "for": "2m"}
    )
    traffic_drop: TrafficDrop | None = field(
        {"max": "50%", "for": "10m"},
        "Fall of the request rate.",
        example={"max": "50%", "compared_to": "30m", "for": "10m"},
    )
    accuracy: ShareBelow | None = field(
        None, "Accuracy on the quality dataset.", example={"min": "85%", "for": "15m", "severity": "critical"}
    )
    drift: NumberAbove | None = field(
        {"max": 0.2, "for": "1h"},
        "Drift score of recent requests.",
        example={"max": 0.2, "for": "1h", "retrain": True},
    )
    custom: Items[CustomAlert] = field(
        (),
        "Alerts of one's own.",
        example=[{"name": "LongAnswers", "expr": "model_queue_depth > 50", "summary": "Queue"}],
    )


class Quality(Section):
    """The quality exporter."""

    every: Duration = field("1h", "Time between two cycles.", unit="duration", example="1h")
    dataset: Path = field(
        "data/processed/validation.jsonl", "Held-out records.", example="data/processed/validation.jsonl"
    )
    samples: int = field(500, "Records per cycle.", unit="records", example=500, ge=1, le=10**7)


class Slack(Section):
    """Messages to a Slack channel."""

    channel: Text = field(..., "Channel.", example="#ml-alerts")
    webhook: SecretRef = field(..., "Incoming webhook.", example={"secret": "slack", "key": "url"})


class EmailReceiver(Section):
    """Messages by e-mail."""

    to: Items[Email] = field(..., "Recipients.", example=["ml-oncall@acme.dev"], min_length=1)
    smarthost: HostPort = field(..., "SMTP server.", example="smtp.acme.dev:587")
    from_: Email = field(..., "Sender.", example="alerts@acme.dev")
    auth: SecretRef | None = field(
        None, "Password; the user is the sender.", example={"secret": "smtp", "key": "password"}
    )


class PagerDuty(Section):
    """Incidents in PagerDuty."""

    routing_key: SecretRef = field(..., "Integration key.", example={"secret": "pagerduty", "key": "routing"})


class Retrain(Section):
    """Who starts a training when an alert with `retrain: true` fires."""

    url: Url | None = field(
        None,
        "Receives Alertmanager's webhook.",
        example="https://hooks.acme.dev/retrain",
        derived="the quality exporter of the last environment",
    )
    auth: SecretRef | None = field(
        None,
        "Bearer token; the quality exporter takes no call without one.",
        example={"secret": "retrain", "key": "token"},
        derived="none is sent",
    )
    max_per_day: int = field(2, "Trainings that alerts may start in 24 hours.", example=2, ge=1, le=1000)
    min_interval: Duration = field("1h", "Time between two of them, at least.", unit="duration", example="6h")


class Notify(Section):
    """Who hears of an alert."""

    slack: Slack | None = field(
        None, "Slack.", example={"channel": "#ml-alerts", "webhook": {"secret": "slack", "key": "url"}}
    )
    email: EmailReceiver | None = field(
        None,
        "E-mail.",
        example={"to": ["ml-oncall@acme.dev"], "smarthost": "smtp.acme.dev:587", "from": "alerts@acme.dev"},
    )
    pagerduty: PagerDuty | None = field(
        None, "PagerDuty.", example={"routing_key": {"secret": "pagerduty", "key": "routing"}}
    )
    retrain: Retrain = field(
        {}, "Receiver of alerts that start a training.", example={"auth": {"secret": "retrain", "key": "token"}}
    )
    routes: dict[Severity, Items[Receiver]] = field(
        {},
        "Receivers per severity. One that is left out goes where the next graver one goes.",
        example={"critical": ["pagerduty", "slack"]},
        derived="every receiver for every severity",
    )

    @model_validator(mode="after")
    def _routes_lead_somewhere(self) -> Notify:
        for severity, receivers in self.routes.items():
            for index, receiver in enumerate(receivers):
                if getattr(self, receiver) is None:
                    raise Mistake(
                        "no_receiver",
                        "the route for {severity} goes to {receiver}, which is not set up",
                        {"severity": severity, "receiver": receiver, "at": f"routes.{severity}.{index}"},
                    )
        return self


class Links(Section):
    """Where links in alerts lead."""

    runbooks: Url | None = field(
        None,
        "Address of the folder of runbooks.",
        example="https://github.com/acme/support-assistant/blob/main/docs/runbooks",
        derived="docs/runbooks, relative to the project",
    )
    grafana: Url | None = field(
        None, "Address of Grafana.", example="https://grafana.acme.dev", derived="the dashboard's file"
    )


class Monitoring(Section):
    """What is watched."""

    scrape_interval: Duration = field("15s", "Time between two scrapes.", unit="duration", example="15s")
    prometheus: Url = field(
        "http://prometheus.monitoring:9090",
        "Prometheus as the cluster reaches it, for autoscaling and rollouts.",
        example="http://prometheus.monitoring:9090",
    )
    alertmanager: Url = field(
        "http://alertmanager.monitoring:9093",
        "Alertmanager as Prometheus reaches it.",
        example="http://alertmanager.monitoring:9093",
    )
    slo: Slo | None = field(None, "Objectives.", example={"availability": "99.5%"})
    alerts: Alerts = field({}, "Alerts.", example={"error_rate": {"max": "5%"}})
    quality: Quality = field({}, "Quality exporter.", example={"every": "1h"})
    notify: Notify = field(
        {}, "Receivers.", example={"slack": {"channel": "#ml-alerts", "webhook": {"secret": "slack", "key": "url"}}}
    )
    links: Links = field({}, "Targets of links in alerts.", example={"grafana": "https://grafana.acme.dev"})
    metrics: Items[MetricName] = field(
        (), "Metrics of other exporters that custom alerts may name.", example=["kube_pod_status_ready"]
    )
    operator: bool = field(False, "ServiceMonitor and PrometheusRule as well.", example=True)
    dashboards: Items[Dashboard] = field(
        ("service", "quality", "gpu", "rollout", "training", "cost"), "Dashboards.", example=["service", "quality"]
    )
