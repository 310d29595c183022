"""Command lines that runbooks tell to run."""

from __future__ import annotations

from mlopsgen.contract import ports
from mlopsgen.contract.commands import command
from mlopsgen.project import deploy
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import Component, named, selector
from mlopsgen.spec.traced import join
from mlopsgen.targets.github.names import RELEASE, RETRAIN
from mlopsgen.targets.github.names import named as workflow


def commands(project: Project, environment: Environment) -> dict[str, str | None]:
    """Command lines by what they do; None where the project has no such thing."""
    kubectl = join("kubectl --namespace ", environment.namespace)
    champion = join("deployment/", named(project, "champion"))
    if deploy.argo(environment):
        champion = join("rollout/", project.name)
    return {
        "pods": join(kubectl, " get pods --output wide --selector ", _chosen(project, "serving")),
        "events": join(kubectl, " get events --sort-by .lastTimestamp"),
        "logs": _logs(project, kubectl, "serving"),
        "quality_logs": _logs(project, kubectl, "quality"),
        "rollout_logs": _logs(project, kubectl, "rollout") if deploy.controlled(environment) else None,
        "training_logs": _logs(project, kubectl, "training"),
        "exporters": join(
            kubectl,
            " get pods --selector 'app.kubernetes.io/name=",
            project.name,
            ",app.kubernetes.io/component in (quality, rollout)'",
        ),
        "scale": join(kubectl, " scale ", champion, " --replicas NUMBER"),
        "autoscaler": join(kubectl, " get horizontalpodautoscaler"),
        "restart": _restart(project, environment, kubectl, champion),
        "routing": join(kubectl, " get ", ROUTES[environment.rollout.engine], ",service,networkpolicy"),
        "metrics": join(
            "kubectl get --raw /api/v1/namespaces/", environment.namespace, "/pods/POD:", _metrics(environment)
        ),
        "smoke": join(command("smoke"), " --url ", environment.url) if environment.url is not None else None,
        "abort": _abort(project, environment),
        "release": _workflow(
            project,
            RELEASE,
            join("--field environment=", environment.name, " --field model_version=VERSION"),
        ),
        "retrain": _workflow(project, RETRAIN, "--field reason=WHY"),
    }


ROUTES = {
    "istio": "virtualservice,destinationrule",
    "gateway-api": "httproute",
    "argo-rollouts": "virtualservice,destinationrule",
    "nginx": "configmap",
}
"""Kinds that hold the routing of each `rollout.engine`."""


def silence(project: Project, environment: Environment, alert: str) -> str:
    """The command line that silences an alert in an environment for two hours."""
    return join(
        "amtool silence add --alertmanager.url ",
        environment.monitoring.alertmanager,
        ' --author "$USER" --duration 2h --comment WHY alertname=',
        alert,
        " project=",
        project.name,
        " environment=",
        environment.name,
    )


def _chosen(project: Project, component: Component) -> str:
    return join(*_joined([join(name, "=", value) for name, value in selector(project, component).items()]))


def _joined(parts: list[str]) -> list[str]:
    return [piece for part in parts for piece in (",", part)][1:]


def _logs(project: Project, kubectl: str, component: Component) -> str:
    return join(kubectl, " logs --prefix --tail 200 --selector ", _chosen(project, component))


def _metrics(environment: Environment) -> str:
    return join(environment.serving.port, "/proxy", ports.METRICS)


def _restart(project: Project, environment: Environment, kubectl: str, champion: str) -> str:
    if deploy.argo(environment):
        return join("kubectl argo rollouts --namespace ", environment.namespace, " restart ", project.name)
    return join(kubectl, " rollout restart ", champion)


def _abort(project: Project, environment: Environment) -> str | None:
    if deploy.argo(environment):
        return join("kubectl argo rollouts --namespace ", environment.namespace, " abort ", project.name)
    if not deploy.controlled(environment):
        return None
    return join(command("rollout"), " abort --environment ", environment.name)


def _workflow(project: Project, name: str, fields: str) -> str | None:
    if not project.targets.github:
        return None
    return join("gh workflow run ", workflow(project, name), ".yaml ", fields)
