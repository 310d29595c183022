"""Istio: weights in `spec.http[].route` of a VirtualService."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlops_runtime.errors import Mistaken
from mlops_runtime.rollout.routers import weights

GROUP, VERSION, PLURAL = "networking.istio.io", "v1", "virtualservices"


class Istio(NamedTuple):
    """A VirtualService.

    Attributes:
        main: name of the rule that splits the traffic.
        testers: name of the rule for testers.
        whole: sum of the weights.
    """

    main: str
    testers: str
    whole: int

    def share(self, document: Mapping[str, Any]) -> float:
        """See `Router`."""
        canary, champion = self._route(document, self.main)
        return weights.share(canary.get("weight", 0), champion.get("weight", 0), f"rule {self.main}")

    def split(self, document: Mapping[str, Any], share: float) -> dict[str, Any]:
        """See `Router`."""
        found = copy.deepcopy(dict(document))
        self._set(found, self.main, share)
        if any(rule.get("name") == self.testers for rule in found["spec"]["http"]):
            self._set(found, self.testers, 1.0 if share > 0 else 0.0)
        return found

    def _set(self, document: dict[str, Any], name: str, share: float) -> None:
        route = self._route(document, name)
        for destination, weight in zip(route, weights.pair(share, self.whole), strict=True):
            destination["weight"] = weight

    def _route(self, document: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
        """Canary and champion of a rule, in this order."""
        for rule in (document.get("spec") or {}).get("http") or ():
            if rule.get("name") == name and len(rule.get("route") or ()) == 2:
                return list(rule["route"])
        raise Mistaken(
            f"the VirtualService has no rule {name} with a canary and a champion: apply what `mlopsgen build` wrote"
        )
