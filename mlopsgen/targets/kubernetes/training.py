"""Training in the cluster: a folder of its own, for a run is started and ends; nothing keeps it as Git says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlopsgen.contract import release as facts
from mlopsgen.contract.ports import TRAINER
from mlopsgen.project import deploy
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import labels, named, selector
from mlopsgen.project.routing import MESHED
from mlopsgen.render.files import File
from mlopsgen.spec.traced import join, merged, traced
from mlopsgen.targets.kubernetes import addresses, network
from mlopsgen.targets.kubernetes import training_pod as pods
from mlopsgen.targets.kubernetes.pods import scraped

RETRIES = 3
"""How often a run that failed is tried again, from its last checkpoint."""

KEPT = 24 * 3600
"""Seconds that an ended run stays, so that its logs can be read."""

MISTAKEN = 2
"""Exit code of the runtime when the project is wrong: trying again would not help."""

SET = "n"
"""The set of pods in a JobSet. Short, for the names of pods hold it and may have 63 characters."""

CONTAINERS = "spec.template.spec.containers.*.image", "spec.template.spec.initContainers.*.image"

ENGINES = {
    "job": ("Job", CONTAINERS),
    "jobset": ("JobSet", tuple(f"spec.replicatedJobs.*.template.{path}" for path in CONTAINERS)),
    "trainjob": ("TrainJob", ("spec.trainer.image",)),
}
"""Kind of each engine, and where images stand in it."""

UNDISTURBED = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
"""Annotations by which autoscalers leave a pod where it is: moving it costs the steps since the last checkpoint."""

IDENTITY = {
    "s3": [("169.254.170.23/32", 80)],
    "gs": [("169.254.169.252/32", 988), ("169.254.169.254/32", 80)],
}
"""Where pods get credentials of their cloud: EKS Pod Identity; GKE's metadata server, without and with Dataplane V2.

Sources: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html,
https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity
"""


def files(project: Project, environment: Environment) -> Iterable[File]:
    """`deploy/<environment>/training/`: the run, its volume where it needs one, the fact of its image."""
    folder, given = f"{deploy.folder(environment)}/training", context(project, environment)
    yield _file(folder, "kustomization", "kustomization", given)
    yield _file(folder, "training", project.training.engine, given)
    if pods.keeps(project):
        yield _file(folder, "checkpoints", "checkpoints", given)
    yield _file(folder, "release", "release", given, keep=True)


def _file(folder: str, name: str, template: str, given: dict[str, Any], keep: bool = False) -> File:
    path = f"{folder}/{name}.yaml"
    return File(path=path, template=f"kubernetes/training/{template}.yaml", context=given, keep=keep)


def context(project: Project, environment: Environment) -> dict[str, Any]:
    """What the templates take."""
    asked, engine = project.training.resources, project.training.engine
    meshed = {"sidecar.istio.io/inject": "false"} if environment.rollout.engine in MESHED else {}
    return {
        "name": named(project, "training"),
        "namespace": environment.namespace,
        "labels": labels(project, "training"),
        "selector": selector(project, "training"),
        "pod_labels": {**labels(project, "training"), **meshed},
        "annotations": {**scraped(TRAINER), **UNDISTURBED},
        "scraped": {"from": network.scrapers(environment), "ports": [{"protocol": "TCP", "port": TRAINER}]},
        "nodes": asked.nodes,
        "several": pods.several(project),
        # One pod that fails takes the others with it.
        "failures": traced(RETRIES * asked.nodes, *merged(asked.nodes)),
        "retries": RETRIES,
        "kept": KEPT,
        "trainer_container": pods.TRAINER,
        "mistaken": MISTAKEN,
        "image": pods.placeholder(environment),
        "egress": egress(project),
        "claim": {
            "name": named(project, "checkpoints"),
            "access": "ReadWriteMany" if pods.several(project) else "ReadWriteOnce",
            "size": project.training.checkpoint.size,
        },
        "release": {
            "name": facts.NAME,
            "facts": {facts.key("training", facts.IMAGE): pods.placeholder(environment)},
            "from": f"data.{facts.key('training', facts.IMAGE)}",
            "kind": ENGINES[engine][0],
            "to": list(ENGINES[engine][1]),
        },
        **_ENGINE[engine](project, environment),
    }


def _job(project: Project, environment: Environment) -> dict[str, Any]:
    name = named(project, "training")
    pod = pods.pod(project, environment, join(name, "-0.", name), RETRIES)
    return {"pod": {"subdomain": name, **pod} if pods.several(project) else pod}


def _jobset(project: Project, environment: Environment) -> dict[str, Any]:
    name = named(project, "training")
    # JobSet starts all pods again, so torchrun need not.
    return {"set": SET, "pod": pods.pod(project, environment, join(name, f"-{SET}-0-0.", name), 0)}


def _trainjob(project: Project, environment: Environment) -> dict[str, Any]:
    torchrun = pods.SHUTDOWN if pods.scattered(project) else {}
    env = pods.variables(project, environment) + pods.as_list({**pods.fetch_variables(project), **torchrun})
    return {
        "trainer": {
            **pods.trainjob_command(project),
            "env": env + pods.credentials(project),
            "processes": pods.processes(project),
            "resources": pods.resources(project),
        },
        "pod": {
            **pods.around(project),
            "containers": [{"name": "node", "securityContext": pods.security(), "volumeMounts": pods.mounts(project)}],
            "volumes": pods.volumes(project),
        },
    }


_ENGINE = {"job": _job, "jobset": _jobset, "trainjob": _trainjob}


def egress(project: Project) -> list[dict[str, Any]]:
    """Rules of what the pods may reach: names, HTTPS, MLflow, the DVC remote, the cloud's identity, each other."""
    found = [network.dns(), {"ports": [{"protocol": "TCP", "port": port} for port in ports(project)]}]
    for scheme in pods.schemes(project):
        for address, port in IDENTITY.get(scheme, ()):
            peer = {"ipBlock": {"cidr": address}}
            found.append({"to": [peer], "ports": [{"protocol": "TCP", "port": port}]})
    if pods.several(project):
        found.append({"to": [{"podSelector": {"matchLabels": selector(project, "training")}}]})
    return found


def ports(project: Project) -> list[Any]:
    """Ports outside: registry and hub, and that of a DVC remote which is a host; each once."""
    remote = project.data.remote
    found = network.outside_ports(project)
    if addresses.port(remote) is not None:
        found.append(traced(addresses.port(remote), *merged(remote)))
    return list(dict.fromkeys(found))
