"""Which Deployment serves the model, in which environments, and what stands around it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from mlopsgen.adoption.containers import container, server_of
from mlopsgen.adoption.draft import Draft
from mlopsgen.adoption.files import Document, Files, entries, items, text
from mlopsgen.adoption.objects import SERVERS, is_ours, others, shown
from mlopsgen.adoption.pipeline import named
from mlopsgen.spec.tree import Node, Path

ENVIRONMENTS = {
    "production": r"prod(?:uction)?|prd|live",
    "staging": r"stag(?:ing|e)?|stg|preprod|pre-prod|uat",
    "development": r"dev(?:elopment)?",
    "testing": r"qa|test(?:ing)?",
}
"""Environments, and what folders and namespaces call them."""
LIKELY = re.compile(r"serv|infer|predict|model|llm|api|champion|vllm|triton", re.IGNORECASE)


class Server(NamedTuple):
    """A workload that may serve the model; `environment` is empty where nothing tells it."""

    document: Document
    environment: str

    @property
    def namespace(self) -> Node | None:
        """Where it runs."""
        return self.document.node.find(("metadata", "namespace"))


def workloads(draft: Draft, files: Files, wanted: str) -> None:
    """Take what manifests say.

    Args:
        wanted: name of the Deployment that serves; empty to find it.
    """
    manifests = [one for one in files.documents if one.kind]
    servers = _servers(draft, manifests, wanted)
    names = sorted({one.environment for one in servers if one.environment}, key=_rank)
    main = servers[-1] if servers else None
    for server in reversed(servers):
        base: Path = ("environments", server.environment) if server is not main and server.environment else ()
        if server is not main and not server.environment:
            draft.leave(server.document.node.span, shown(server.document), "another place of the same server")
            continue
        _one(draft, manifests, server, base)
        if server.environment:
            _environment(draft, manifests, server, ("environments", server.environment))
        elif server.namespace is not None and server.namespace.value != "default":
            path = ("environments", "production", "namespace")
            note = "nothing names the environment: `production` is this import's word for it"
            draft.take(path, server.namespace.value, server.namespace.span, note)
            _environment(draft, manifests, server, ("environments", "production"))
    if main is not None and names:
        _same_everywhere(draft)
    others(draft, manifests, main.document.name if main else "")


def environment_of(file: str, namespace: str = "") -> str:
    """The environment that a folder, or else a namespace, is named after; empty for none."""
    for word in [*reversed(file.split("/")[:-1]), file.rpartition("/")[2].partition(".")[0], namespace]:
        for name, pattern in ENVIRONMENTS.items():
            if re.fullmatch(rf"(?:.*[-_])?(?:{pattern})(?:[-_].*)?", word):
                return name
    return ""


def _rank(name: str) -> int:
    order = ["development", "testing", "staging", "production"]
    return order.index(name)


def _servers(draft: Draft, manifests: Sequence[Document], wanted: str) -> list[Server]:
    """The workload that serves, once for each environment, the last one first in weight."""
    every = [one for one in manifests if one.kind in SERVERS]
    pods = [one for one in every if server_of(one.node) is not None]
    if wanted:
        chosen = [one for one in pods if one.name == wanted]
    else:
        chosen = _best(draft, pods)
    found: dict[str, Server] = {}
    for one in chosen:
        environment = environment_of(one.file, text(one.node, "metadata", "namespace"))
        if environment in found:
            other = found[environment].document
            draft.leave(one.node.span, shown(one), f"{other.file}:{other.node.span.line} has it already")
        else:
            found[environment] = Server(one, environment)
    for one in every:
        if one not in chosen and not is_ours(one):
            canary = "canary" in one.name
            why = "`rollout` makes its own canary" if canary else "not the server: keep it beside what mlopsgen writes"
            draft.leave(one.node.span, shown(one), why)
    order = ["", "development", "testing", "staging", "production"]
    return [found[name] for name in order if name in found]


def _best(draft: Draft, pods: Sequence[Document]) -> list[Document]:
    """Those of the name that speaks most for a model server; none, with hints, where two names are as good."""
    scores: dict[str, int] = {}
    for one in pods:
        scores[one.name] = max(scores.get(one.name, 0), _score(one))
    best = [name for name, score in scores.items() if score == max(scores.values())]
    if len(best) > 1:
        for one in pods:
            if one.name in best:
                place = f"{one.name} ({one.file}:{one.node.span.line})"
                draft.hints.setdefault(("serving",), []).append(place)
        return []
    return [one for one in pods if one.name in best]


def _score(document: Document) -> int:
    inner = server_of(document.node)
    assert inner is not None
    words = " ".join([document.name, text(inner, "name"), text(inner, "image")])
    gpu = inner.find(("resources", "limits", "nvidia.com/gpu")) is not None
    canary = "canary" in document.name or text(document.node, "metadata", "labels", "variant") == "canary"
    port = bool(items(inner.find(("ports",))))
    role = text(document.node, "metadata", "labels", "app.kubernetes.io/component")
    return 4 * gpu + 2 * bool(LIKELY.search(words)) + port + 4 * (role == "serving") - 8 * canary


def _one(draft: Draft, manifests: Sequence[Document], server: Server, base: Path) -> None:
    """Fields of `serving`, for everywhere or for one environment."""
    document = server.document
    pod = document.node.find(("spec", "template", "spec"))
    inner = server_of(document.node)
    if pod is None or inner is None:
        return
    serving: Path = (*base, "serving")
    if not base:
        _project(draft, document)
    container(draft, inner, pod, serving)
    _scaling(draft, manifests, server, serving)
    _budget(draft, manifests, server, serving)
    rolling = document.node.find(("spec", "strategy", "rollingUpdate"))
    for key, field in (("maxSurge", "surge"), ("maxUnavailable", "unavailable")):
        node = rolling.find((key,)) if rolling else None
        if node is not None and isinstance(node.value, int):
            draft.take((*serving, "update", field), node.value, node.span)
        elif node is not None:
            draft.leave(node.span, f"{key}: {node.value}", f"serving.update.{field} is a number of pods, not a share")


def _project(draft: Draft, document: Document) -> None:
    labels = document.node.find(("metadata", "labels"))
    for key in ("app.kubernetes.io/part-of", "app.kubernetes.io/name", "app"):
        node = labels.find((key,)) if labels else None
        if node is not None and isinstance(node.value, str):
            draft.take(("project", "name"), named(node.value), node.span)
            break
    else:
        node = document.node.find(("metadata", "name"))
        if node is not None:
            draft.take(("project", "name"), named(str(node.value)), node.span)
    for key in ("owner", "team", "app.kubernetes.io/owner"):
        node = labels.find((key,)) if labels else None
        if node is not None:
            draft.take(("project", "owner"), node.value, node.span)


def _scaling(draft: Draft, manifests: Sequence[Document], server: Server, serving: Path) -> None:
    replicas: Path = (*serving, "replicas")
    scalers = [
        one
        for one in _beside(manifests, server)
        if one.kind in ("HorizontalPodAutoscaler", "ScaledObject")
        and text(one.node, "spec", "scaleTargetRef", "name") == server.document.name
    ]
    for one in scalers:
        keda = one.kind == "ScaledObject"
        for key, field in (
            ("minReplicaCount" if keda else "minReplicas", "min"),
            ("maxReplicaCount" if keda else "maxReplicas", "max"),
        ):
            node = one.node.find(("spec", key))
            if node is not None:
                draft.take((*replicas, field), node.value, node.span)
        draft.take((*replicas, "autoscaler"), "keda" if keda else "hpa", one.node.span)
        for trigger in [*items(one.node.find(("spec", "triggers"))), *items(one.node.find(("spec", "metrics")))]:
            _trigger(draft, trigger, replicas)
        return
    node = server.document.node.find(("spec", "replicas"))
    if node is not None:
        draft.take(replicas, node.value, node.span)


def _budget(draft: Draft, manifests: Sequence[Document], server: Server, serving: Path) -> None:
    """Pods that a drained node must leave."""
    labels = entries(server.document.node.find(("spec", "template", "metadata", "labels")))
    for one in _beside(manifests, server):
        wanted = entries(one.node.find(("spec", "selector", "matchLabels")))
        least = one.node.find(("spec", "minAvailable"))
        mine = wanted and all(key in labels and labels[key].value == node.value for key, node in wanted.items())
        if one.kind == "PodDisruptionBudget" and mine and least is not None and isinstance(least.value, int):
            replicas = draft.taken.get((*serving, "replicas"))
            if replicas is not None:  # a plain number has no room beside it
                del draft.taken[replicas.path]
                draft.taken[(*serving, "replicas", "min")] = replicas._replace(path=(*serving, "replicas", "min"))
            draft.take((*serving, "replicas", "min_available"), least.value, least.span)


def _trigger(draft: Draft, trigger: Node, replicas: Path) -> None:
    query, threshold = text(trigger, "metadata", "query"), trigger.find(("metadata", "threshold"))
    if "queue" in query and threshold is not None and str(threshold.value).isdigit():
        draft.take((*replicas, "scale_on", "queue_depth"), int(str(threshold.value)), threshold.span)
        return
    what = text(trigger, "resource", "name") or text(trigger, "type")
    draft.leave(trigger.span, f"scales on {what}", "servers are scaled on their queue: `serving.replicas.scale_on`")


def _beside(manifests: Sequence[Document], server: Server) -> list[Document]:
    """Manifests of the same environment."""
    own = text(server.document.node, "metadata", "namespace")
    return [
        one
        for one in manifests
        if environment_of(one.file, text(one.node, "metadata", "namespace")) == server.environment
        and text(one.node, "metadata", "namespace") in (own, "")
    ]


def _environment(draft: Draft, manifests: Sequence[Document], server: Server, base: Path) -> None:
    if server.namespace is not None:
        draft.take((*base, "namespace"), server.namespace.value, server.namespace.span)
    for one in _beside(manifests, server):
        if one.kind == "Ingress":
            secure = bool(items(one.node.find(("spec", "tls"))))
            for rule in items(one.node.find(("spec", "rules"))):
                host = rule.find(("host",))
                if host is not None and isinstance(host.value, str) and "*" not in host.value:
                    address = f"{'https' if secure else 'http'}://{host.value}"
                    draft.take((*base, "url"), address, host.span)
        elif one.kind in ("HTTPRoute", "VirtualService"):
            hosts = items(one.node.find(("spec", "hostnames" if one.kind == "HTTPRoute" else "hosts")))
            for host in hosts:
                public = isinstance(host.value, str) and "." in host.value and not host.value.endswith(".local")
                if public and "*" not in host.value:
                    draft.take((*base, "url"), f"https://{host.value}", host.span, "https is taken for granted")


def _same_everywhere(draft: Draft) -> None:
    """What an environment says as the document does need not be said."""
    for path in [one for one in draft.taken if one[0] == "environments" and one[2:3] == ("serving",)]:
        common = draft.taken.get(path[2:])
        if common is not None and common.value == draft.taken[path].value:
            del draft.taken[path]
