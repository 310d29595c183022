"""Envoy on one machine: weights in the route configuration that it watches."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mlops_runtime.errors import Mistaken
from mlops_runtime.rollout.routers import weights

MAIN, TESTERS = "split", "testers"
"""Names of the routes."""


class Envoy(NamedTuple):
    """A route configuration, as `local/routes.yaml` has it.

    Attributes:
        whole: sum of the weights.
    """

    whole: int

    def share(self, document: Mapping[str, Any]) -> float:
        """See `Router`."""
        canary, champion = _clusters(document, MAIN)
        return weights.share(canary.get("weight"), champion.get("weight"), "routes.yaml")

    def split(self, document: Mapping[str, Any], share: float) -> dict[str, Any]:
        """See `Router`."""
        found = copy.deepcopy(dict(document))
        self._set(found, MAIN, share)
        if any(route.get("name") == TESTERS for route in _routes(found)):
            self._set(found, TESTERS, 1.0 if share > 0 else 0.0)
        return found

    def _set(self, document: Mapping[str, Any], name: str, share: float) -> None:
        for cluster, weight in zip(_clusters(document, name), weights.pair(share, self.whole), strict=True):
            cluster["weight"] = weight


def _clusters(document: Mapping[str, Any], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Canary and champion of a route."""
    for route in _routes(document):
        clusters = ((route.get("route") or {}).get("weighted_clusters") or {}).get("clusters") or ()
        named = {cluster.get("name"): cluster for cluster in clusters}
        if route.get("name") == name and named.keys() == {"canary", "champion"}:
            return named["canary"], named["champion"]
    raise Mistaken(f"routes.yaml has no route {name} with canary and champion: copy local/routes.yaml there again")


def _routes(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in document.get("resources") or ():
        for host in resource.get("virtual_hosts") or ():
            yield from host.get("routes") or ()
