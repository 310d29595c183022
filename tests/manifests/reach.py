"""Whether the network policies let through what the manifests themselves say is called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.manifests.cluster import Cluster
from tests.manifests.objects import Object, Pods, key, matches, of
from tests.manifests.routing import UPSTREAM, URL, of_cluster
from tests.manifests.selection import NAMESPACE, pods_of

DNS = 53


class Peer(NamedTuple):
    """The other end of a connection: pods of this namespace, another namespace, or a host outside when neither."""

    pods: Pods | None = None
    namespace: str | None = None

    def __str__(self) -> str:
        if self.pods is not None:
            return key(self.pods.owner)
        return f"namespace {self.namespace}" if self.namespace else "the outside"


def problems(cluster: Cluster) -> Iterator[str]:
    """Connections that a policy refuses on either side."""
    for pods in cluster.pods:
        if not _allows(cluster, pods, "egress", Peer(), DNS, "UDP"):
            yield f"{key(pods.owner)}: no policy lets it look up names"
        for peer, port in _calls(cluster, pods):
            if not _allows(cluster, pods, "egress", peer, port):
                yield f"{key(pods.owner)}: no policy lets it call {peer} on port {port}"
            if peer.pods is not None and not _allows(cluster, peer.pods, "ingress", Peer(pods), port):
                yield f"{key(peer.pods.owner)}: no policy lets {key(pods.owner)} in on port {port}"
    for service, namespace in dict.fromkeys(_from_gateways(cluster)):
        for peer, port in _behind(cluster, service, None):
            assert peer.pods is not None
            if not _allows(cluster, peer.pods, "ingress", Peer(namespace=namespace), port):
                yield f"{key(peer.pods.owner)}: no policy lets the gateway of {namespace} in on port {port}"


def _calls(cluster: Cluster, pods: Pods) -> Iterator[tuple[Peer, int]]:
    """Addresses in the environment and in the mounted settings of pods."""
    for text, nginx in _texts(cluster, pods):
        found = [
            (scheme, host, int(port or {"http": 80, "https": 443}[scheme])) for scheme, host, port in URL.findall(text)
        ]
        if nginx:
            found += [("http", host, int(port)) for host, port in UPSTREAM.findall(URL.sub("", text))]
        for scheme, host, port in found:
            first, _, rest = host.partition(".")
            space = rest.partition(".")[0] or cluster.namespace
            if not of_cluster(host) or (scheme == "https" and "." in host):
                yield Peer(), port
            elif space != cluster.namespace:
                yield Peer(namespace=space), port
            else:
                yield from _behind(cluster, first, port)


def _texts(cluster: Cluster, pods: Pods) -> Iterator[tuple[str, bool]]:
    for _, container in pods.containers:
        for env in container.get("env") or ():
            yield str(env.get("value", "")), False
    for volume in pods.spec.get("volumes") or ():
        settings = cluster.get("ConfigMap", str((volume.get("configMap") or {}).get("name")))
        for entry, text in ((settings or {}).get("data") or {}).items():
            yield text, ".conf" in entry


def _behind(cluster: Cluster, name: str, wanted: int | None) -> Iterator[tuple[Peer, int]]:
    """Pods behind a Service, and the port that its port leads to."""
    service = cluster.get("Service", name)
    for port in ((service or {}).get("spec") or {}).get("ports") or ():
        if service is not None and wanted in (None, port["port"]):
            for pods in pods_of(cluster, service):
                yield Peer(pods), _number(pods, port.get("targetPort", port["port"]))


def _number(pods: Pods, port: int | str) -> int:
    """Number of a port that a container may have named."""
    if isinstance(port, int):
        return port
    named = (each for _, container in pods.containers for each in container.get("ports") or ())
    return next((int(each["containerPort"]) for each in named if each.get("name") == port), 0)


def _from_gateways(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """Services that a gateway of another namespace sends requests to."""
    for route in of(cluster.objects, "HTTPRoute"):
        for parent in route["spec"].get("parentRefs") or ():
            for rule in route["spec"].get("rules") or ():
                for backend in rule.get("backendRefs") or ():
                    yield backend["name"], parent.get("namespace", cluster.namespace)
    for route in of(cluster.objects, "VirtualService"):
        for gateway in route["spec"].get("gateways") or ():
            for rule in route["spec"].get("http") or ():
                for goal in rule.get("route") or ():
                    if "/" in gateway:
                        yield goal["destination"]["host"].partition(".")[0], gateway.partition("/")[0]


def _allows(cluster: Cluster, pods: Pods, way: str, peer: Peer, port: int, protocol: str = "TCP") -> bool:
    """Whether the policies of some pods let a connection through; without one, all do."""
    policies = [
        policy["spec"]
        for policy in of(cluster.every, "NetworkPolicy")
        if matches(policy["spec"].get("podSelector"), pods.labels)
        and way.capitalize() in (policy["spec"].get("policyTypes") or ("Ingress",))
    ]
    target = peer.pods if way == "egress" else pods
    rules = [rule for spec in policies for rule in spec.get(way) or ()]
    return not policies or any(
        _takes(rule.get("to" if way == "egress" else "from"), peer)
        and _opens(rule.get("ports"), target, port, protocol)
        for rule in rules
    )


def _takes(peers: list[Object] | None, peer: Peer) -> bool:
    return not peers or any(_is(each, peer) for each in peers)


def _is(each: Object, peer: Peer) -> bool:
    if "ipBlock" in each:
        return bool(each["ipBlock"]["cidr"] == "0.0.0.0/0" and not each["ipBlock"].get("except"))
    spaces: Any = each.get("namespaceSelector")
    if peer.pods is not None:
        return spaces in (None, {}) and matches(each.get("podSelector"), peer.pods.labels)
    return peer.namespace is not None and spaces is not None and matches(spaces, {NAMESPACE: peer.namespace})


def _opens(ports: list[Object] | None, target: Pods | None, port: int, protocol: str) -> bool:
    for each in ports or ():
        given = each.get("port")
        first = _number(target, given) if target is not None and given is not None else given
        same = first is None or (isinstance(first, int) and first <= port <= each.get("endPort", first))
        if same and each.get("protocol", "TCP") == protocol:
            return True
    return not ports
