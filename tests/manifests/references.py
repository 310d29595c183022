"""What pods, autoscalers and roles refer to by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlopsgen.contract.environment import CONFIG
from tests.manifests.cluster import Cluster
from tests.manifests.objects import Object, Pods, key, name, of, port_of
from tests.manifests.selection import pods_of

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")

NAMED_RESOURCES = {
    "deployments": "Deployment",
    "deployments/scale": "Deployment",
    "destinationrules": "DestinationRule",
    "envoyfilters": "EnvoyFilter",
    "httproutes": "HTTPRoute",
    "scaledobjects": "ScaledObject",
    "services": "Service",
    "virtualservices": "VirtualService",
}
"""Resources of roles whose objects must be applied; others come into being while things run."""


def problems(cluster: Cluster) -> Iterator[str]:
    """References to what is neither applied nor listed in the README."""
    for pods in cluster.pods:
        yield from _pod(cluster, pods)
    yield from _scalers(cluster)
    yield from _roles(cluster)
    for obj in of(cluster.objects, "ExternalSecret"):
        store = obj["spec"]["secretStoreRef"]
        if not cluster.has(store["kind"], store["name"]):
            yield f"{key(obj)}: spec.secretStoreRef: no {store['kind']}/{store['name']}"
    for obj in of(cluster.objects, "TrainJob"):
        runtime = obj["spec"]["runtimeRef"]
        kind = runtime.get("kind", "ClusterTrainingRuntime")
        if not cluster.has(kind, runtime["name"]):
            yield f"{key(obj)}: spec.runtimeRef: no {kind}/{runtime['name']}"


def _pod(cluster: Cluster, pods: Pods) -> Iterator[str]:
    here, spec = key(pods.owner), pods.spec
    account = spec.get("serviceAccountName")
    if account is not None and not cluster.has("ServiceAccount", account):
        yield f"{here}: {pods.path}.serviceAccountName: no ServiceAccount/{account}"
    for pull in spec.get("imagePullSecrets") or ():
        if not cluster.secret(pull["name"]):
            yield f"{here}: {pods.path}.imagePullSecrets: no Secret/{pull['name']}"
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    if len(volumes) != len(spec.get("volumes") or ()):
        yield f"{here}: {pods.path}.volumes: two have the same name"
    for volume in volumes.values():
        yield from _volume(cluster, f"{here}: {pods.path}.volumes[{volume['name']}]", volume)
    yield from _subdomain(cluster, pods)
    names = [container.get("name") for _, container in pods.containers]
    if len(set(names)) != len(names):
        yield f"{here}: {pods.path}.containers: two have the same name"
    for path, container in pods.containers:
        yield from _container(cluster, f"{here}: {path}", container, volumes, pods.partial)


def _volume(cluster: Cluster, here: str, volume: Object) -> Iterator[str]:
    sources = [volume, *((volume.get("projected") or {}).get("sources") or ())]
    for source in sources:
        for field, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
            if field in source:
                part = source[field]
                wanted = part.get("secretName") or part.get("name")
                keys = [item["key"] for item in part.get("items") or ()]
                yield from _entries(cluster, f"{here}.{field}", kind, wanted, keys)
    claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
    if claim is not None and not cluster.has("PersistentVolumeClaim", claim):
        yield f"{here}: no PersistentVolumeClaim/{claim}"


def _entries(cluster: Cluster, here: str, kind: str, wanted: str, keys: list[str]) -> Iterator[str]:
    there = cluster.secret(wanted) if kind == "Secret" else cluster.has(kind, wanted)
    if not there:
        yield f"{here}: no {kind}/{wanted}"
        return
    known = cluster.keys(kind, wanted)
    for each in keys:
        if known is not None and each not in known:
            yield f"{here}: {kind}/{wanted} has no key {each}"


def _container(
    cluster: Cluster, here: str, container: Object, volumes: dict[str, Object], partial: bool
) -> Iterator[str]:
    for index, source in enumerate(container.get("envFrom") or ()):
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if field in source:
                yield from _entries(cluster, f"{here}.envFrom[{index}]", kind, source[field]["name"], [])
    seen = set()
    for env in container.get("env") or ():
        at = f"{here}.env[{env['name']}]"
        if env["name"] in seen:
            yield f"{at}: is set twice"
        seen.add(env["name"])
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            source = (env.get("valueFrom") or {}).get(field)
            if source is not None:
                yield from _entries(cluster, at, kind, source["name"], [source["key"]])
    mounts = container.get("volumeMounts") or ()
    for index, mount in enumerate(mounts):
        if mount["name"] not in volumes and not partial:
            yield f"{here}.volumeMounts[{index}]: no volume {mount['name']}"
    if len({mount["mountPath"] for mount in mounts}) != len(mounts):
        yield f"{here}.volumeMounts: two have the same path"
    yield from _files(cluster, here, container, volumes)
    yield from _probes(here, container)


def _files(cluster: Cluster, here: str, container: Object, volumes: dict[str, Object]) -> Iterator[str]:
    """Settings that a container is told to read must be in the ConfigMap or Secret that is mounted there."""
    told = {f"env[{env['name']}]": env.get("value") for env in container.get("env") or ()}
    told |= {f"{part}[{n}]": each for part in ("command", "args") for n, each in enumerate(container.get(part) or ())}
    for at, path in told.items():
        held = False
        for mount in container.get("volumeMounts") or ():
            inside = str(path).startswith(mount["mountPath"].rstrip("/") + "/") or path == mount["mountPath"]
            if not inside or mount["name"] not in volumes:
                continue
            files = _mounted(cluster, volumes[mount["name"]], mount)
            held = True
            if files is not None and str(path) not in (*files, mount["mountPath"]):
                yield f"{here}.{at}: nothing is mounted at {path}"
        if at == f"env[{CONFIG}]" and not held:
            yield f"{here}.{at}: no volume is mounted where {path} lies"


def _mounted(cluster: Cluster, volume: Object, mount: Object) -> set[str] | None:
    """Paths of the files of a mounted ConfigMap or Secret, None where they are not known."""
    for field, kind, label in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
        if field in volume:
            keys: Any = cluster.keys(kind, volume[field][label])
            items = {item["path"] for item in volume[field].get("items") or ()}
            if not items and keys is None:
                return None
            if "subPath" in mount:
                return {mount["mountPath"]} if mount["subPath"] in (items or keys) else set()
            return {f"{mount['mountPath'].rstrip('/')}/{each}" for each in items or keys}
    return None


def _probes(here: str, container: Object) -> Iterator[str]:
    handlers = [(probe, container.get(probe) or {}) for probe in PROBES]
    handlers += [(f"lifecycle.{when}", each) for when, each in (container.get("lifecycle") or {}).items()]
    for path, handler in handlers:
        for kind in ("httpGet", "tcpSocket", "grpc"):
            port = (handler.get(kind) or {}).get("port")
            if port is not None and not port_of(container, port):
                yield f"{here}.{path}.{kind}.port: the container has no port {port}"


def _subdomain(cluster: Cluster, pods: Pods) -> Iterator[str]:
    """Names of pods in DNS need a headless Service of the subdomain's name that selects them."""
    subdomain = pods.spec.get("subdomain")
    if subdomain is None:
        return
    service = cluster.get("Service", subdomain)
    if service is None or service["spec"].get("clusterIP") != "None":
        yield f"{key(pods.owner)}: {pods.path}.subdomain: no headless Service/{subdomain}"
    elif pods.owner not in [each.owner for each in pods_of(cluster, service)]:
        yield f"{key(pods.owner)}: {pods.path}.subdomain: Service/{subdomain} does not select these pods"


def _scalers(cluster: Cluster) -> Iterator[str]:
    for scaler in of(cluster.objects, "ScaledObject", "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        workload = cluster.get(target.get("kind", "Deployment"), target["name"])
        here = f"{key(scaler)}: spec.scaleTargetRef"
        if workload is None:
            yield f"{here}: no {target.get('kind', 'Deployment')}/{target['name']}"
        elif target.get("apiVersion", "apps/v1") != workload["apiVersion"]:
            yield f"{here}: {key(workload)} is of {workload['apiVersion']}, not {target.get('apiVersion', 'apps/v1')}"
        elif "replicas" in workload["spec"]:
            yield f"{here}: {key(workload)} states spec.replicas: each apply would undo the autoscaler"
        for index, trigger in enumerate(scaler["spec"].get("triggers") or ()):
            reference = trigger.get("authenticationRef")
            if reference and not cluster.has(reference.get("kind", "TriggerAuthentication"), reference["name"]):
                yield f"{key(scaler)}: spec.triggers[{index}].authenticationRef: no {reference['name']}"


def _roles(cluster: Cluster) -> Iterator[str]:
    for binding in of(cluster.objects, "RoleBinding"):
        role = binding["roleRef"]
        if not cluster.has(role["kind"], role["name"]):
            yield f"{key(binding)}: roleRef: no {role['kind']}/{role['name']}"
        for index, subject in enumerate(binding.get("subjects") or ()):
            here = f"{key(binding)}: subjects[{index}]"
            if subject["kind"] == "ServiceAccount" and subject.get("namespace") != cluster.namespace:
                yield f"{here}: the namespace is not {cluster.namespace}"
            elif not cluster.has(subject["kind"], subject["name"]):
                yield f"{here}: no {subject['kind']}/{subject['name']}"
    bound = {binding["roleRef"]["name"] for binding in of(cluster.objects, "RoleBinding")}
    for role in of(cluster.objects, "Role"):
        if name(role) not in bound:
            yield f"{key(role)}: is bound to nobody"
        for index, rule in enumerate(role.get("rules") or ()):
            for resource in rule.get("resources") or ():
                for wanted in rule.get("resourceNames") or ():
                    kind = NAMED_RESOURCES.get(resource)
                    if kind is not None and not cluster.has(kind, wanted):
                        yield f"{key(role)}: rules[{index}]: no {kind}/{wanted}"
