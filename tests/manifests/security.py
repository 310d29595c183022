"""What Pod Security `restricted` and good sense refuse in pods and roles."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from tests.manifests.objects import Object, Pods, every_pods, found, key, of

VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
"""Sources of volumes that the profile allows. https://kubernetes.io/docs/concepts/security/pod-security-standards/"""

NAMED_VERBS = frozenset({"get", "list", "watch", "update", "patch", "delete"})
"""Verbs that a rule can hold to named objects; `list` and `watch` then ask for one by a field selector."""

SECRET_WORDS = frozenset({"password", "passwd", "token", "secret", "key", "credential", "credentials", "apikey"})
CREDENTIAL = re.compile(
    r"AKIA[0-9A-Z]{16}|gh[opsu]_\w{20,}|hf_\w{20,}|sk-[\w-]{20,}|://[^/\s:@$]+:[^/\s@$]+@|BEGIN [A-Z ]*PRIVATE KEY"
)


def problems(objects: Sequence[Object], may_call: Collection[str] = ()) -> list[str]:
    """What is unsafe in the pods, roles and settings of an environment.

    Args:
        objects: all objects that are applied to the namespace.
        may_call: `Kind/name` of the workloads that may talk to the API server.

    Returns:
        One line per problem: the object, the place in it, what is unsafe.
    """
    told: list[str] = []
    for pods in every_pods(objects):
        told += [f"{key(pods.owner)}: {each}" for each in _pod(pods)]
        if key(pods.owner) not in may_call:
            told += [f"{key(pods.owner)}: {each}" for each in _token(pods, objects)]
        for path, container in pods.containers:
            told += [f"{key(pods.owner)}: {path}{each}" for each in _container(pods, container)]
    for role in of(objects, "Role", "ClusterRole"):
        for index, rule in enumerate(role.get("rules") or ()):
            told += [f"{key(role)}: rules[{index}]: {each}" for each in _rule(rule)]
    for obj in objects:
        if obj["kind"] in ("ClusterRole", "ClusterRoleBinding"):
            told.append(f"{key(obj)}: reaches beyond the namespace")
        if obj["kind"] == "Secret" and (obj.get("data") or obj.get("stringData")):
            told.append(f"{key(obj)}: holds values: a secret stands in a file")
        for entry, text in (obj.get("data") or {}).items() if obj["kind"] == "ConfigMap" else ():
            if CREDENTIAL.search(text):
                told.append(f"{key(obj)}: data[{entry}]: looks like a credential")
    return told


def _pod(pods: Pods) -> Iterator[str]:
    spec, context = pods.spec, pods.spec.get("securityContext") or {}
    for field in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        if spec.get(field):
            yield f"{pods.path}.{field}: is on"
    if context.get("runAsUser") == 0:
        yield f"{pods.path}.securityContext.runAsUser: is root"
    if context.get("sysctls"):
        yield f"{pods.path}.securityContext.sysctls: are set"
    for volume in spec.get("volumes") or ():
        for source in sorted(set(volume) - {"name"} - VOLUMES):
            yield f"{pods.path}.volumes[{volume['name']}]: {source} is not allowed"
    if pods.partial:
        return
    if spec.get("enableServiceLinks") is not False and not _batch(pods):
        yield f"{pods.path}.enableServiceLinks: is on: each Service of the namespace becomes an environment variable"


def _batch(pods: Pods) -> bool:
    return pods.owner["kind"] in ("Job", "CronJob", "JobSet", "TrainJob")


def _token(pods: Pods, objects: Sequence[Object]) -> Iterator[str]:
    """A token of the API server; of the pod's own words about it and its account's the first decides."""
    account = found(objects, "ServiceAccount", pods.spec.get("serviceAccountName", "default"))
    mounted = pods.spec.get("automountServiceAccountToken", (account or {}).get("automountServiceAccountToken", True))
    if mounted is not False:
        yield f"{pods.path}.automountServiceAccountToken: a token of the API server is mounted"
    for volume in pods.spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "serviceAccountToken" in source:
                yield f"{pods.path}.volumes[{volume['name']}]: a token of the API server is mounted"


def _container(pods: Pods, container: Object) -> Iterator[str]:
    own, pod = container.get("securityContext") or {}, pods.spec.get("securityContext") or {}
    if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield ".securityContext.runAsNonRoot: is not on"
    if own.get("runAsUser") == 0:
        yield ".securityContext.runAsUser: is root"
    if own.get("privileged"):
        yield ".securityContext.privileged: is on"
    if own.get("allowPrivilegeEscalation") is not False:
        yield ".securityContext.allowPrivilegeEscalation: is not off"
    if own.get("readOnlyRootFilesystem") is not True:
        yield ".securityContext.readOnlyRootFilesystem: is not on"
    capabilities = own.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or ()) or capabilities.get("add"):
        yield ".securityContext.capabilities: not all are dropped"
    if (own.get("seccompProfile") or pod.get("seccompProfile") or {}).get("type") != "RuntimeDefault":
        yield ".securityContext.seccompProfile: is not RuntimeDefault"
    if own.get("procMount", "Default") != "Default":
        yield ".securityContext.procMount: is not the default"
    for port in container.get("ports") or ():
        if port.get("hostPort"):
            yield f".ports[{port.get('name')}].hostPort: is set"
    if not pods.partial or "image" in container:
        yield from _image(container)
        yield from _resources(container.get("resources") or {})
    yield from _literals(container)


def _image(container: Object) -> Iterator[str]:
    image = str(container.get("image", ""))
    base, _, digest = image.partition("@")
    tag = base.rpartition("/")[2].partition(":")[2]
    if not digest and tag in ("", "latest"):
        yield f".image: {image or 'none'} names no version"


def _resources(resources: Object) -> Iterator[str]:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for each in ("cpu", "memory"):
        if each not in requests:
            yield f".resources.requests.{each}: is missing"
    if "memory" not in limits:
        yield ".resources.limits.memory: is missing"
    for each in sorted({*requests, *limits}):
        if "/" in each and (each not in limits or requests.get(each, limits[each]) != limits[each]):
            yield f".resources.limits.{each}: must be there, and any request equal to it"


def _literals(container: Object) -> Iterator[str]:
    for env in container.get("env") or ():
        value = str(env.get("value") or "")
        secret = SECRET_WORDS & set(re.split(r"[^a-z0-9]+", env["name"].lower()))
        if value and (secret or CREDENTIAL.search(value)):
            yield f".env[{env['name']}]: a secret stands in the manifest"
    for part in ("command", "args"):
        for index, text in enumerate(container.get(part) or ()):
            if CREDENTIAL.search(str(text)) or re.search(r"--?[\w-]*(password|token|api-key|secret)[= ]\S", str(text)):
                yield f".{part}[{index}]: a secret stands in the manifest"


def _rule(rule: Object) -> Iterator[str]:
    verbs, resources = set(rule.get("verbs") or ()), rule.get("resources") or ()
    for field in ("apiGroups", "resources", "verbs", "resourceNames"):
        if "*" in (rule.get(field) or ()) or any("*" in str(each) for each in rule.get(field) or ()):
            yield f"{field}: a wildcard"
    for resource in resources:
        if resource.partition("/")[0] == "secrets" or resource in ("pods/exec", "pods/attach", "serviceaccounts/token"):
            yield f"resources: {resource} gives away more than it looks like"
    for verb in sorted(verbs - NAMED_VERBS - {"create", "*"}):
        yield f"verbs: {verb} is not for a workload"
    if verbs & NAMED_VERBS and not rule.get("resourceNames"):
        yield f"resourceNames: missing for {', '.join(sorted(verbs & NAMED_VERBS))} of {', '.join(resources)}"
    if "create" in verbs and rule.get("resourceNames"):
        yield "verbs: create cannot be held to names, the API server would refuse it always"
