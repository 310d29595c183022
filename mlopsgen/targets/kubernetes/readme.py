"""Context of `README.md`: what the cluster must have, and what moves by itself."""

from __future__ import annotations

from typing import Any, NamedTuple

from mlopsgen.project import deploy
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import named
from mlopsgen.project.routing import MESHED, gateway, sticky
from mlopsgen.spec.traced import join
from mlopsgen.targets.kubernetes import addresses, secrets
from mlopsgen.targets.kubernetes.controller import WEIGHTS
from mlopsgen.targets.kubernetes.serving import engine_map


class Expected(NamedTuple):
    """Something that these manifests use and do not bring."""

    kind: str
    name: str
    key: str
    why: str


def context(project: Project, environment: Environment) -> dict[str, Any]:
    """What the template takes."""
    engine = environment.rollout.engine
    moved = None
    if deploy.controlled(environment):
        moved = {"group": WEIGHTS[engine][0], "kind": KINDS[engine], "name": project.name}
    elif deploy.argo(environment):
        moved = {"group": "networking.istio.io", "kind": "VirtualService", "name": project.name}
    return {
        "project": project.name,
        "environment": environment.name,
        "folder": deploy.folder(environment),
        "namespace": environment.namespace,
        "expected": expected(project, environment),
        "secrets": _by_hand(project, environment),
        "moved": moved,
        "remote": project.data.remote,
        "reachable": "://" in project.data.remote,
        "volume": "://" not in project.training.checkpoint.store,
        "gateway": gateway(environment)[0] if engine in MESHED and sticky(environment) is not None else None,
        "pointer": POINTERS.get("istio" if deploy.argo(environment) else engine),
        "canary": named(project, "canary") if deploy.controlled(environment) else None,
        "scaled": environment.serving.replicas.scale_on is not None,
        "champion": named(project, "champion"),
    }


def _by_hand(project: Project, environment: Environment) -> list[dict[str, Any]]:
    """Secrets that a person creates."""
    if environment.secret_store is not None:
        return []
    every = secrets.needed(project, environment)
    return [{"name": each.name, "keys": each.keys} for each in every if not each.optional]


KINDS = {"istio": "VirtualService", "gateway-api": "HTTPRoute", "nginx": "ConfigMap"}
POINTERS = {"istio": "/spec/http", "gateway-api": "/spec/rules", "nginx": "/data"}
"""Where the weights stand in the object that holds them."""


def expected(project: Project, environment: Environment) -> list[Expected]:
    """Everything that must be there before the first `kubectl apply`."""
    serving = environment.serving
    found = [Expected("Namespace", environment.namespace, "", "Pod Security `restricted`")]
    for each in secrets.needed(project, environment):
        if environment.secret_store is None:
            why = join(each.why, "; optional") if each.optional else each.why
            found += [Expected("Secret", each.name, key, why) for key in each.keys or ("",)]
    if environment.secret_store is not None:
        store = environment.secret_store
        found.append(Expected(store.kind, store.name, "", "where External Secrets finds the Secrets"))
        found.append(_crd("externalsecrets.external-secrets.io", "External Secrets 0.17 or newer"))
    if serving.address is not None:
        found.append(Expected("ConfigMap", engine_map(project), serving.address, "address of the engine"))
    found += _routing(project, environment)
    if serving.replicas.scale_on is not None and serving.replicas.autoscaler == "keda":
        found.append(_crd("scaledobjects.keda.sh", "KEDA 2.16 or newer"))
    if serving.replicas.scale_on is not None and serving.replicas.autoscaler == "hpa":
        why = "a metrics adapter that serves `model_queue_depth` of the pods"
        found.append(Expected("APIService", "v1beta1.custom.metrics.k8s.io", "", why))
    space = addresses.namespace(environment.monitoring.prometheus)
    if space is not None:
        service = addresses.host(environment.monitoring.prometheus).partition(".")[0]
        found.append(Expected("Service", join(space, "/", service), "", "Prometheus"))
    if environment.monitoring.operator and project.targets.prometheus:
        found.append(_crd("podmonitors.monitoring.coreos.com", "Prometheus Operator"))
        found.append(_crd("prometheusrules.monitoring.coreos.com", "Prometheus Operator"))
    if project.training.engine == "jobset":
        found.append(_crd("jobsets.jobset.x-k8s.io", "JobSet 0.10 or newer, for training"))
    if project.training.engine == "trainjob":
        found.append(_crd("trainjobs.trainer.kubeflow.org", "Kubeflow Trainer 2.3 or newer, for training"))
        found.append(Expected("ClusterTrainingRuntime", "torch-distributed", "", "comes with Kubeflow Trainer"))
    return found


def _routing(project: Project, environment: Environment) -> list[Expected]:
    """What splits the traffic, and where it comes in."""
    engine, found = environment.rollout.engine, []
    if not deploy.routed(project):
        if deploy.controlled(environment):
            found.append(Expected(KINDS[engine], project.name, "", "the weights; `targets.routing` is off"))
        return found
    if engine in MESHED:
        found.append(_crd("virtualservices.networking.istio.io", "Istio 1.28 or newer"))
        found.append(_crd("destinationrules.networking.istio.io", "Istio"))
        found.append(_crd("authorizationpolicies.security.istio.io", "Istio"))
        if sticky(environment) is not None or environment.serving.rate_limit is not None:
            found.append(_crd("envoyfilters.networking.istio.io", "Istio"))
    if engine == "gateway-api":
        found.append(_crd("httproutes.gateway.networking.k8s.io", "Gateway API 1.2 or newer"))
    if deploy.argo(environment):
        found.append(_crd("rollouts.argoproj.io", "Argo Rollouts 1.8.2 or newer"))
        found.append(_crd("analysistemplates.argoproj.io", "Argo Rollouts"))
    if engine != "nginx":
        found.append(Expected("Gateway", environment.rollout.gateway, "", "where requests come in"))
    return found


def _crd(name: str, why: str) -> Expected:
    return Expected("CustomResourceDefinition", name, "", why)
