"""What changed manifests do in the cluster."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from mlopsgen.review import words
from mlopsgen.review.compare import differences, dotted, same
from mlopsgen.review.documents import Files, Pair, changed
from mlopsgen.review.effects import grants, workloads
from mlopsgen.review.effects.effect import Effect
from mlopsgen.review.effects.immutable import fixed
from mlopsgen.review.effects.manifests import FOLDER, Manifests, environments
from mlopsgen.review.parts import at, mapping

ROUTES = {
    *("VirtualService", "DestinationRule", "Gateway", "HTTPRoute", "EnvoyFilter", "AuthorizationPolicy", "Ingress"),
    *("Rollout", "AnalysisTemplate", "BackendTrafficPolicy", "ReferenceGrant", "RequestAuthentication"),
}
"""Kinds that say which request goes where, or when a canary gets more of them."""

STEERING = ("rollout", "experiment")
"""Sections of the rollout controller's settings that do the same."""

ROUTING_FILES = (".conf", ".sh")
"""Files of the nginx in front of champion and canary."""

LONG = ("spec", "template", "data", "settings.yaml", "containers", "metadata", "annotations")
"""Parts of paths that say nothing to people."""

SCALERS = ("ScaledObject", "HorizontalPodAutoscaler")
RUNS = ("Job", "JobSet", "TrainJob")


def effects(base: Files, head: Files) -> Iterator[Effect]:
    """Effects of everything below `deploy/`, by environment."""
    touched = {key.split("/")[1] for key in changed(base, head) if key.startswith(FOLDER)}
    for name in environments(base, head):
        if name in touched:
            yield from _environment(name, base, head)


class _Found:
    """What an environment's objects come to, as far as it is told together."""

    def __init__(self) -> None:
        self.gone: list[Pair] = []
        self.fixed: dict[tuple[str, ...], list[Pair]] = {}
        self.routing: list[Pair] = []
        self.others: list[Pair] = []
        self.released: list[Pair] = []
        self.labels: list[Pair] = []


def _environment(name: str, base: Files, head: Files) -> Iterator[Effect]:
    before, after = Manifests(base, name), Manifests(head, name)
    found = _Found()
    for place in sorted(before.objects.keys() | after.objects.keys()):
        old, new = before.objects.get(place), after.objects.get(place)
        if old is None or new is None:
            _came_or_went(Pair(*place, old, new), found)
        elif not (same(old, new) and same(before.written[place], after.written[place])):
            yield from _changed(name, Pair(*place, old, new), before, after, found)
    folder = f"{FOLDER}{name}/"
    steering = [key for key in changed(base, head) if key.startswith(folder) and key.endswith(ROUTING_FILES)]
    found.routing += [Pair(key, "", base.document(key), head.document(key)) for key in steering]
    yield from _gathered(name, found, after)


def _came_or_went(pair: Pair, found: _Found) -> None:
    if pair.name.partition("/")[0] in ROUTES:
        found.routing.append(pair)
    elif pair.new is None:
        found.gone.append(pair)
    else:
        found.others.append(pair)


def _changed(name: str, pair: Pair, before: Manifests, after: Manifests, found: _Found) -> Iterator[Effect]:
    """Effects of an object that is there before and after; what is told together goes into `found`."""
    effects = list(_object(name, pair, before, after))
    yield from effects
    immutable = fixed(pair.old, pair.new)
    if immutable:
        found.fixed.setdefault(tuple(immutable), []).append(pair)
    if _steers(pair):
        found.routing.append(pair)
    elif not effects and not immutable:
        if same(pair.old, pair.new):
            found.released.append(pair)
        else:
            (found.labels if _only_metadata(pair) else found.others).append(pair)


def _gathered(name: str, found: _Found, after: Manifests) -> Iterator[Effect]:
    if found.gone:
        yield _removed(name, found.gone, after)
    for fields, pairs in found.fixed.items():
        text = _recreated(pairs, list(fields))
        shown = tuple(pair.shown for pair in pairs)
        yield Effect("recreate", name, text, len(pairs), {"fields": list(fields)}, shown)
    for kind, pairs, said in (
        ("traffic", found.routing, "routing changes"),
        ("configuration", found.others, "configuration changes"),
        ("configuration", found.released, "what the next release fills in changes"),
        ("metadata", found.labels, "labels or annotations change"),
    ):
        if pairs:
            names = words.some([pair.name or pair.file.rpartition("/")[2] for pair in pairs])
            text = f"{said}: {names}{_details(pairs) if kind in ('traffic', 'configuration') else ''}"
            yield Effect(kind, name, text, len(pairs), {}, tuple(pair.shown for pair in pairs))


def _details(pairs: list[Pair]) -> str:
    """The first few fields that change, in brackets; each once, though several objects share it."""
    told: dict[str, None] = {}
    for pair in pairs:
        if pair.name and pair.old is not None and pair.new is not None:
            for change in differences(pair.old, pair.new):
                if change.path[-1].startswith("checksum/"):
                    continue
                old, new = words.change(change.old, change.new, 40)
                path = dotted(tuple(part for part in change.path if part not in LONG))
                told[f"{path} {old} → {new}" if change.kind == "change" else f"{path} {change.kind}"] = None
    verbs = {"add": "comes", "remove": "goes", "move": "in another order"}
    rows = [f"{head} {verbs.get(last, last)}" for head, _, last in (row.rpartition(" ") for row in told)]
    return f" ({words.some(rows, 2)})" if rows else ""


def _removed(name: str, gone: list[Pair], after: Manifests) -> Effect:
    text = f"{words.count(len(gone), 'object')} removed: {words.some([pair.name for pair in gone])}"
    if any(pair.name.startswith("PersistentVolumeClaim/") for pair in gone):
        text += "; a volume goes with its data"
    kinds = {name.partition("/")[0] for _, name in after.objects}
    if any(pair.name.partition("/")[0] in kinds for pair in gone):
        text += "; what was applied before stays until it is pruned"
    return Effect("recreate", name, text, len(gone), {"removed": True}, tuple(pair.shown for pair in gone))


def _recreated(pairs: list[Pair], immutable: list[str]) -> str:
    fields = words.some(immutable, 3)
    names = words.some([pair.name for pair in pairs])
    if all(pair.name.partition("/")[0] in RUNS for pair in pairs):
        return (
            f"the training {names} cannot be changed in place ({fields}): the next start replaces it, and a run under "
            "way ends and goes on from its last checkpoint"
        )
    if len(pairs) == 1:
        empty = ", and it is empty then" if pairs[0].name.startswith("PersistentVolumeClaim/") else ""
        return f"{names} cannot be changed in place ({fields}): it has to be deleted and made anew{empty}"
    number = words.count(len(pairs), "object")
    return f"{number} cannot be changed in place ({fields}): they have to be deleted and made anew: {names}"


def _object(name: str, pair: Pair, before: Manifests, after: Manifests) -> Iterator[Effect]:
    """Effects of one object by itself."""
    old, new = pair.old, pair.new
    if old["kind"] in workloads.WORKLOADS and not same(at(old, "spec.template"), at(new, "spec.template")):
        yield from _restart(name, pair, before, after)
    wider = grants.widened(old, new)
    if wider:
        text = f"{pair.name.partition('/')[2]} may {words.some(wider)}"
        yield Effect("permissions", name, text, len(wider), {"grants": wider}, (pair.shown,))
    if old["kind"] in SCALERS or old["kind"] in workloads.WORKLOADS:
        yield from _scaled(name, pair)


def _restart(name: str, pair: Pair, before: Manifests, after: Manifests) -> Iterator[Effect]:
    was, will = workloads.pods(pair.old, before), workloads.pods(pair.new, after)
    if not was.fewest:
        return
    counted = was._replace(gpus=workloads.pods(pair.new, after).gpus)
    left, most = workloads.capacity(pair.new, counted)
    facts = {
        "workload": pair.name.partition("/")[2],
        "pods": was.fewest,
        "pods_at_most": was.most,
        "gpus": counted.gpus * was.fewest,
        "capacity_left": left,
        "pods_during_rollout": most,
    }
    text = workloads.restarted(pair.new, will, counted)
    yield Effect("restart", name, text, was.fewest, facts, (pair.shown,))
    if workloads.loads_model(pair.new):
        limit = workloads.longest_start(pair.new)
        text = f"{words.count(was.fewest, 'server')} of {facts['workload']} load" + ("s" if was.fewest == 1 else "")
        text += " the model again" + (f", each within {words.duration(limit)}" if limit else "")
        changed_model = workloads.model(pair.old) != workloads.model(pair.new)
        text += f": {workloads.model(pair.new)} instead of {workloads.model(pair.old)}" if changed_model else ""
        yield Effect("reload", name, text, was.fewest, {"servers": was.fewest, "seconds": limit}, (pair.shown,))


def _scaled(name: str, pair: Pair) -> Iterator[Effect]:
    """An autoscaler with other bounds, or a workload with another number of pods."""
    bounds = [_bounds(each) for each in (pair.old, pair.new)]
    if bounds[0] != bounds[1]:
        target = at(pair.new, "spec.scaleTargetRef.name", pair.name.partition("/")[2])
        text = f"{target} runs {_pods(bounds[1])}, before {_pods(bounds[0])}"
        yield Effect("configuration", name, text, 1, {"from": bounds[0], "to": bounds[1]}, (pair.shown,))


def _bounds(document: Any) -> list[Any]:
    if document["kind"] in workloads.WORKLOADS:
        return [at(document, "spec.replicas")]
    fields = (("minReplicaCount", "minReplicas"), ("maxReplicaCount", "maxReplicas"))
    return [at(document, f"spec.{one}", at(document, f"spec.{other}")) for one, other in fields]


def _pods(bounds: list[Any]) -> str:
    if bounds == [None]:
        return "as many pods as its autoscaler says"
    return f"{bounds[0]} to {bounds[1]} pods" if len(bounds) == 2 else f"{bounds[0]} pod{'s' * (bounds[0] != 1)}"


def _steers(pair: Pair) -> bool:
    """Whether a changed object says which request goes where."""
    old, new = pair.old, pair.new
    kind = old["kind"]
    if kind in ROUTES:
        return not same(old.get("spec"), new.get("spec"))
    if kind == "Service":
        return any(not same(at(old, path), at(new, path)) for path in ("spec.ports", "spec.selector"))
    if kind == "ConfigMap":
        paths = {dotted(change.path) for change in differences(mapping(old.get("data")), mapping(new.get("data")))}
        return any(path.startswith(f'"settings.yaml".{section}') for path in paths for section in STEERING)
    return False


def _only_metadata(pair: Pair) -> bool:
    """Whether nothing but labels and annotations of the object itself differs."""
    stripped = []
    for document in (pair.old, pair.new):
        bare = copy.copy(document)
        bare["metadata"] = {k: v for k, v in document["metadata"].items() if k not in ("labels", "annotations")}
        stripped.append(bare)
    return same(*stripped)
