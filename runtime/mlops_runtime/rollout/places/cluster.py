"""A Kubernetes cluster: state and weights in one object of the router, so that one write changes both; the servers are
two Deployments."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping
from typing import Any

from mlops_runtime.errors import Mistaken
from mlops_runtime.rollout import state as states
from mlops_runtime.rollout.places import api as calls
from mlops_runtime.rollout.places.api import Absent, Api
from mlops_runtime.rollout.places.base import Conflict, Held, Servers, Unreachable, Variant
from mlops_runtime.rollout.places.lease import Lease
from mlops_runtime.rollout.routers.base import Router
from mlops_runtime.rollout.state import State
from mlopsgen.contract import environment, release

ANNOTATION = "mlopsgen.dev/rollout"
"""Of the router's object. `kubectl apply` leaves it alone; Istio pushes nothing to proxies when only it changes."""


class Cluster:
    """A namespace.

    Args:
        api: of the cluster.
        given: section `cluster` of the settings.
        router: of the engine.
        document: path of the router's object in the API.
    """

    def __init__(self, api: Api, given: Mapping[str, Any], router: Router, document: str) -> None:
        self._api, self._router, self._document = api, router, document
        self._space = str(given["namespace"])
        self._deployments: dict[Variant, str] = {
            "champion": f"/apis/apps/v1/namespaces/{self._space}/deployments/{given['champion']}",
            "canary": f"/apis/apps/v1/namespaces/{self._space}/deployments/{given['canary']}",
        }
        self._lease = Lease(api, self._space, str(given["lease"]), f"rollout-{uuid.uuid4().hex[:12]}")
        self._name = str(given["route"])

    def read(self) -> Held:
        """See `Place`."""
        document = self._object(self._document, "the routing")
        annotations = document["metadata"].get("annotations") or {}
        text = annotations.get(ANNOTATION)
        state = states.read(text, f"the annotation {ANNOTATION} of {self._document}") if text else None
        weight = state.weight if state is not None else 0.0
        return Held(
            state=state,
            share=self._router.share(document),
            right=self._router.split(document, weight) == document,
            revision=document["metadata"]["resourceVersion"],
            document=document,
        )

    def write(self, held: Held, state: State) -> None:
        """See `Place`: state and weights change in one step, or neither."""
        wanted = self._router.split(held.document, state.weight)
        changed = {key: wanted[key] for key in ("spec", "data") if wanted.get(key) != held.document.get(key)}
        body = {
            "metadata": {"resourceVersion": held.revision, "annotations": {ANNOTATION: states.written(state)}},
            **changed,
        }
        self._patch(self._document, body)

    def settled(self, state: State) -> bool:
        """See `Place`: what the API holds is what routers are told."""
        return self.read().right

    def servers(self, variant: Variant) -> Servers:
        """See `Place`."""
        found = self._object(self._deployments[variant], f"the Deployment of the {variant}")
        spec, status = found["spec"], found.get("status") or {}
        version = str(((spec["template"]["metadata"].get("labels")) or {}).get(release.MODEL_VERSION, release.NONE))
        fresh = int(status.get("observedGeneration") or 0) >= int(found["metadata"].get("generation") or 0)
        # Pods of an earlier version may be ready too; those that are up to date and those that are ready overlap in
        # at least so many.
        total = int(status.get("replicas") or 0)
        ready = int(status.get("readyReplicas") or 0) + int(status.get("updatedReplicas") or 0) - total
        wanted = 1 if spec.get("replicas") is None else int(spec["replicas"])
        return Servers(
            version=None if version == release.NONE else version,
            wanted=wanted,
            ready=max(0, ready) if fresh and wanted else 0,
            stuck=_stuck(status) if fresh else "",
        )

    def prepare(self, version: str | None) -> str:
        """See `Place`: a release has put it into the Deployment."""
        found = self.servers("canary").version
        if found is None:
            raise Mistaken(
                f"nothing is released to the canary in {self._space}: `mlops-runtime release --variant canary` and "
                "`kubectl apply` come first"
            )
        if version is not None and version != found:
            raise Mistaken(f"the canary in {self._space} is to serve version {found}, not {version}: apply the release")
        if found == self.servers("champion").version:
            raise Mistaken(f"version {found} is the champion already")
        return found

    def scale(self, number: int) -> None:
        """See `Place`."""
        self._scale("canary", number)

    def _scale(self, variant: Variant, number: int) -> None:
        if self.servers(variant).wanted != number:
            self._patch(self._deployments[variant] + "/scale", {"spec": {"replicas": number}})

    def replace(self) -> None:
        """See `Place`: image and model version of the canary's pods go to the champion's.

        While it had no traffic an autoscaler may have made it small; it gets as many pods as the canary has.
        """
        self._scale("champion", max(self.servers("champion").wanted, self.servers("canary").wanted))
        canary = self._object(self._deployments["canary"], "the Deployment of the canary")
        champion = self._object(self._deployments["champion"], "the Deployment of the champion")
        source, target = _server(canary), _server(champion)
        version = canary["spec"]["template"]["metadata"]["labels"][release.MODEL_VERSION]
        uri, own = _variable(source[1], environment.MODEL_URI), _variable(target[1], environment.MODEL_URI)
        inside = f"/spec/template/spec/containers/{target[0]}"
        changes = [
            ("/spec/template/metadata/labels/" + release.MODEL_VERSION, version),
            (f"{inside}/image", source[1]["image"]),
            (f"{inside}/env/{own[0]}/value", uri[1]["value"]),
        ]
        revision = champion["metadata"]["resourceVersion"]
        patch = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": revision},
            *({"op": "add", "path": path, "value": value} for path, value in changes),
        ]
        self._patch(self._deployments["champion"], patch, calls.PATCH)

    def leads(self) -> bool:
        """See `Place`."""
        return self._lease.held()

    def resign(self) -> None:
        """See `Place`."""
        self._lease.resign()

    def publish(self, content: Mapping[str, Any]) -> None:
        """See `Place`: the annotation says it."""

    def tell(self, text: str, bad: bool = False) -> None:
        """See `Place`: an Event of the router's object."""
        kind, _, name = self._document.rpartition("/")
        event = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"generateName": f"{self._name}-rollout-"},
            "eventTime": calls.now(),
            "reportingController": "mlopsgen.dev/rollout",
            "reportingInstance": self._name,
            "action": "Rollout",
            "reason": "Rollout",
            "type": "Warning" if bad else "Normal",
            "note": text[:1000],
            "regarding": {"kind": kind.rpartition("/")[2], "namespace": self._space, "name": name},
        }
        with contextlib.suppress(Unreachable, Absent, Conflict):
            self._api.create(f"/apis/events.k8s.io/v1/namespaces/{self._space}/events", event)

    def _object(self, path: str, what: str) -> dict[str, Any]:
        try:
            return self._api.get(path)
        except Absent:
            raise Unreachable(f"{what} is not there ({path}): apply what `mlopsgen build` wrote") from None

    def _patch(self, path: str, body: Any, form: str = calls.MERGE) -> None:
        try:
            self._api.patch(path, body, form)
        except Absent:
            raise Unreachable(f"{path} is not there: apply what `mlopsgen build` wrote") from None


def _stuck(status: Mapping[str, Any]) -> str:
    """What the Deployment's controller says about pods that do not come up."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return str(condition.get("message") or condition["reason"])
    return ""


def _server(deployment: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return _named(containers, release.SERVER, "container")


def _variable(container: Mapping[str, Any], name: str) -> tuple[int, dict[str, Any]]:
    return _named(container.get("env") or (), name, "variable")


def _named(items: Any, name: str, what: str) -> tuple[int, dict[str, Any]]:
    for position, item in enumerate(items):
        if item.get("name") == name:
            return position, item
    raise Mistaken(f"a Deployment has no {what} {name}: apply what `mlopsgen build` wrote")
