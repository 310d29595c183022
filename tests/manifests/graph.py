"""Whether the objects of an environment fit together: everything that one refers to is applied, or listed as expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.manifests import reach, references, routing, selection
from tests.manifests.cluster import Cluster
from tests.manifests.expected import Expected
from tests.manifests.objects import CLUSTER_WIDE, Object, key
from tests.manifests.schemas import CORE

CUSTOM_METRICS = "v1beta1.custom.metrics.k8s.io"


def problems(
    objects: Sequence[Object], expected: Sequence[Expected], namespace: str, training: Sequence[Object] = ()
) -> list[str]:
    """What does not fit in an environment.

    Args:
        objects: what `kubectl kustomize` makes of its folder.
        expected: the table of its README.
        namespace: its namespace.
        training: what `kubectl kustomize` makes of its folder `training`, applied later; it may use what is there then.

    Returns:
        One line per problem: the object, the place in it, what does not fit.
    """
    alone = Cluster(list(objects), list(expected), namespace)
    later = Cluster(list(training), list(expected), namespace, beside=list(objects))
    together = Cluster(list(objects), list(expected), namespace, beside=list(training))
    told = list(_defined(together, [*objects, *training]))
    if told:
        return told
    for cluster in (alone, later):
        told += [*references.problems(cluster), *routing.problems(cluster), *_definitions(cluster)]
    for cluster in (together, later):
        told += [*selection.problems(cluster), *reach.problems(cluster)]
    if not together.has("Namespace", namespace):
        told.append(f"README: Namespace/{namespace} is not listed")
    used = alone.used | later.used | together.used
    listed = {_plural(each.kind) for each in expected}
    used |= {(each.kind, each.name) for each in expected if each.name.partition(".")[0] in listed}
    told += [
        f"README: {each.kind}/{each.name} is listed, and nothing uses it"
        for each in expected
        if (each.kind, each.name) not in used
    ]
    return list(dict.fromkeys(told))


def _defined(cluster: Cluster, objects: list[Object]) -> Iterator[str]:
    """Objects without a name, or there twice, or in another namespace."""
    unnamed = [obj for obj in objects if not (obj.get("metadata") or {}).get("name")]
    for obj in unnamed:
        yield f"{key(obj)}: metadata.name: is missing"
    for (kind, group, name), count in Counter(_identity(obj) for obj in objects if obj not in unnamed).items():
        if count > 1:
            yield f"{kind}/{name}: is defined {count} times{f' in {group}' if group else ''}"
    for obj in objects:
        namespace = (obj.get("metadata") or {}).get("namespace")
        if obj["kind"] in CLUSTER_WIDE:
            if (obj["kind"], obj["metadata"]["name"]) != ("Namespace", cluster.namespace):
                yield f"{key(obj)}: lies in no namespace: whoever applies it must rule the whole cluster"
        elif namespace not in (cluster.namespace, *(cluster.gateways if obj["kind"] == "EnvoyFilter" else ())):
            yield f"{key(obj)}: metadata.namespace: is {namespace}, not {cluster.namespace}"


def _identity(obj: Object) -> tuple[str, str, str]:
    return obj["kind"], str(obj["apiVersion"]).rpartition("/")[0], str(obj["metadata"]["name"])


def _definitions(cluster: Cluster) -> Iterator[str]:
    """Kinds that Kubernetes itself does not know must have their definition listed."""
    for obj in cluster.objects:
        api = str(obj["apiVersion"])
        if api not in CORE:
            definition = f"{_plural(obj['kind'])}.{api.partition('/')[0]}"
            if cluster.listed("CustomResourceDefinition", definition) is None:
                yield f"{key(obj)}: CustomResourceDefinition/{definition} is not listed in the README"
        metrics = obj["spec"].get("metrics") or () if obj["kind"] == "HorizontalPodAutoscaler" else ()
        asks = any(metric["type"] in ("Pods", "Object") for metric in metrics)
        if asks and cluster.listed("APIService", CUSTOM_METRICS) is None:
            yield f"{key(obj)}: APIService/{CUSTOM_METRICS} is not listed in the README"


def _plural(kind: str) -> str:
    text = kind.lower()
    return f"{text[:-1]}ies" if text.endswith("y") else f"{text}s"
