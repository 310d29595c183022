"""Who selects whom: Services, workloads, budgets, policies, monitors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.manifests.cluster import Cluster
from tests.manifests.objects import Object, Pods, key, matches, name, of, port_of

NAMESPACE = "kubernetes.io/metadata.name"
"""Label that every namespace has, with its name."""

VARIANTS = ("-champion", "-canary")
"""Ends of the names of Services that mean one workload."""


def problems(cluster: Cluster) -> Iterator[str]:
    """Selectors that match nothing, or not what they mean."""
    yield from _workloads(cluster)
    for service in of(cluster.objects, "Service"):
        yield from _service(cluster, service)
    yield from _budgets(cluster)
    yield from _policies(cluster)
    yield from _monitors(cluster)
    for kind, field in (
        ("AuthorizationPolicy", "selector"),
        ("PeerAuthentication", "selector"),
        ("EnvoyFilter", "workloadSelector"),
    ):
        for obj in of(cluster.objects, kind):
            selector = (obj.get("spec") or {}).get(field)
            labels = (selector or {}).get("matchLabels") or (selector or {}).get("labels")
            if selector is not None and not selected(cluster, {"matchLabels": labels}):
                yield f"{key(obj)}: spec.{field}: matches no pods"


def selected(cluster: Cluster, selector: Any) -> list[Pods]:
    """Pods that a label selector takes."""
    return [each for each in cluster.every_pods if matches(selector, each.labels)]


def pods_of(cluster: Cluster, service: Object) -> list[Pods]:
    """Pods behind a Service."""
    selector = service["spec"].get("selector")
    return selected(cluster, {"matchLabels": selector}) if selector else []


def _workloads(cluster: Cluster) -> Iterator[str]:
    every = cluster.every_pods
    for one in cluster.pods:
        if one.selector is None:
            continue
        if not matches(one.selector, one.labels):
            yield f"{key(one.owner)}: spec.selector: does not match the labels of its own pods"
        for other in every:
            if other.owner is not one.owner and matches(one.selector, other.labels):
                yield f"{key(one.owner)}: spec.selector: takes the pods of {key(other.owner)} as well"
        yield from _spread(one)


def _spread(pods: Pods) -> Iterator[str]:
    for index, each in enumerate(pods.spec.get("topologySpreadConstraints") or ()):
        if not matches(each.get("labelSelector"), pods.labels):
            yield f"{key(pods.owner)}: {pods.path}.topologySpreadConstraints[{index}]: does not count its own pods"


def _service(cluster: Cluster, service: Object) -> Iterator[str]:
    spec, here = service["spec"], key(service)
    if not spec.get("selector"):
        if spec.get("type") != "ExternalName":
            yield f"{here}: spec.selector: is missing: nothing stands behind the Service"
        return
    behind = pods_of(cluster, service)
    if not behind:
        yield f"{here}: spec.selector: matches no pods"
    for index, port in enumerate(spec.get("ports") or ()):
        target = port.get("targetPort", port["port"])
        for each in behind:
            if not any(port_of(container, target) for _, container in each.containers):
                yield f"{here}: spec.ports[{index}].targetPort: {key(each.owner)} has no container with port {target}"
    owners = sorted({key(each.owner) for each in behind})
    parts = {each.labels.get("app.kubernetes.io/component") for each in behind}
    if len(parts) > 1:
        yield f"{here}: spec.selector: mixes components: {', '.join(owners)}"
    if name(service).endswith(VARIANTS) and len(owners) > 1:
        yield f"{here}: spec.selector: is to mean one workload and takes {', '.join(owners)}"
    wanted = _meant(cluster, service)
    if wanted is not None and owners and owners != [wanted]:
        yield f"{here}: spec.selector: is to take the pods of {wanted}, and takes {', '.join(owners)}"


def _meant(cluster: Cluster, service: Object) -> str | None:
    """The workload that a Service is for, where a name says so: that of a Rollout, or the one of the same name."""
    for rollout in of(cluster.every, "Rollout"):
        canary = rollout["spec"]["strategy"]["canary"]
        if name(service) in (canary.get("stableService"), canary.get("canaryService")):
            return "Deployment/" + str(rollout["spec"]["workloadRef"]["name"])
    same = cluster.get("Deployment", name(service))
    return key(same) if same is not None else None


def _budgets(cluster: Cluster) -> Iterator[str]:
    for budget in of(cluster.objects, "PodDisruptionBudget"):
        spec = budget["spec"]
        behind = selected(cluster, spec.get("selector"))
        if not behind or not spec.get("selector"):
            yield f"{key(budget)}: spec.selector: matches no pods"
        fewest, least = sum(fewest_replicas(cluster, each.owner) for each in behind), spec.get("minAvailable")
        if isinstance(least, int) and 0 < fewest <= least:
            yield f"{key(budget)}: spec.minAvailable: {least} of {fewest} pods: no node could ever be drained"
        if spec.get("maxUnavailable") in (0, "0%"):
            yield f"{key(budget)}: spec.maxUnavailable: no node could ever be drained"


def fewest_replicas(cluster: Cluster, workload: Object) -> int:
    """Pods that a workload has at least: what its autoscaler keeps, else what it states."""
    meant = {(workload["kind"], name(workload))}
    for rollout in of(cluster.every, "Rollout"):
        if (rollout["spec"].get("workloadRef") or {}).get("name") == name(workload):
            meant.add(("Rollout", name(rollout)))
    for scaler in of(cluster.every, "ScaledObject", "HorizontalPodAutoscaler"):
        spec = scaler["spec"]
        target = spec["scaleTargetRef"]
        if (target.get("kind", "Deployment"), target["name"]) in meant:
            return int(spec.get("minReplicaCount", spec.get("minReplicas", 1)))
    for rollout in of(cluster.every, "Rollout"):
        if ("Rollout", name(rollout)) in meant:
            return int(rollout["spec"].get("replicas", 1))
    return int(workload["spec"].get("replicas", 1))


def _policies(cluster: Cluster) -> Iterator[str]:
    """Policies whose pods, peers in this namespace or ports do not exist."""
    for policy in of(cluster.objects, "NetworkPolicy"):
        spec, here = policy["spec"], key(policy)
        chosen = spec.get("podSelector") or {}
        behind = selected(cluster, chosen)
        if chosen and not behind:
            yield f"{here}: spec.podSelector: matches no pods"
        for way, peers in (("ingress", "from"), ("egress", "to")):
            if spec.get(way) and way.capitalize() not in (spec.get("policyTypes") or ("Ingress",)):
                yield f"{here}: spec.policyTypes: {way.capitalize()} is missing: the rules have no effect"
            for index, rule in enumerate(spec.get(way) or ()):
                for peer in rule.get(peers) or ():
                    space = ((peer.get("namespaceSelector") or {}).get("matchLabels") or {}).get(NAMESPACE)
                    cluster.reaches(space)
                near = [
                    each["podSelector"]
                    for each in rule.get(peers) or ()
                    if each.get("podSelector") and not each.get("namespaceSelector")
                ]
                for selector in near:
                    if not selected(cluster, selector):
                        yield f"{here}: spec.{way}[{index}].{peers}: {selector} matches no pods"
                sides = behind if way == "ingress" else [each for one in near for each in selected(cluster, one)]
                yield from _ports(f"{here}: spec.{way}[{index}]", rule, sides)


def _ports(here: str, rule: Object, sides: list[Pods]) -> Iterator[str]:
    for index, port in enumerate(rule.get("ports") or ()):
        wanted = port.get("port")
        containers = [container for each in sides for _, container in each.containers]
        if wanted is None or "endPort" in port or not containers or any(each.partial for each in sides):
            continue
        if not any(port_of(container, wanted) for container in containers):
            yield f"{here}.ports[{index}]: no container of the pods has port {wanted}"


def _monitors(cluster: Cluster) -> Iterator[str]:
    for monitor in of(cluster.objects, "ServiceMonitor", "PodMonitor"):
        spec, here = monitor["spec"], key(monitor)
        if monitor["kind"] == "ServiceMonitor":
            services = of(cluster.every, "Service")
            taken = [each for each in services if matches(spec["selector"], each["metadata"].get("labels") or {})]
            names = [{port.get("name") for port in each["spec"].get("ports") or ()} for each in taken]
            ends = spec.get("endpoints") or ()
        else:
            behind = selected(cluster, spec["selector"])
            names = [_port_names(each) for each in behind]
            ends = spec.get("podMetricsEndpoints") or ()
        if not names:
            yield f"{here}: spec.selector: matches nothing"
        for index, end in enumerate(ends):
            if "port" in end and not all(end["port"] in each for each in names):
                yield f"{here}: endpoint {index}: what is selected has no port named {end['port']}"


def _port_names(pods: Pods) -> set[str]:
    return {str(port.get("name")) for _, container in pods.containers for port in container.get("ports") or ()}
