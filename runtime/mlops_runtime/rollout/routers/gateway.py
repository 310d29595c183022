"""Gateway API: weights in `spec.rules[].backendRefs` of an HTTPRoute."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlops_runtime.errors import Mistaken
from mlops_runtime.rollout.routers import weights

GROUP, VERSION, PLURAL = "gateway.networking.k8s.io", "v1", "httproutes"


class Gateway(NamedTuple):
    """An HTTPRoute. Its last rule with both backends splits the traffic; one before it is for testers.

    Attributes:
        canary: name of the canary's Service.
        champion: name of the champion's.
        whole: sum of the weights.
    """

    canary: str
    champion: str
    whole: int

    def share(self, document: Mapping[str, Any]) -> float:
        """See `Router`."""
        canary, champion = self._rules(document)[-1]
        return weights.share(canary.get("weight", 1), champion.get("weight", 1), "the HTTPRoute")

    def split(self, document: Mapping[str, Any], share: float) -> dict[str, Any]:
        """See `Router`."""
        found = copy.deepcopy(dict(document))
        *testers, main = self._rules(found)
        for backends, wanted in [(main, share), *((rule, 1.0 if share > 0 else 0.0) for rule in testers)]:
            for backend, weight in zip(backends, weights.pair(wanted, self.whole), strict=True):
                backend["weight"] = weight
        return found

    def _rules(self, document: Mapping[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Canary and champion of each rule that has both."""
        found = []
        for rule in (document.get("spec") or {}).get("rules") or ():
            backends = {backend.get("name"): backend for backend in rule.get("backendRefs") or ()}
            if self.canary in backends and self.champion in backends:
                found.append((backends[self.canary], backends[self.champion]))
        if not found:
            raise Mistaken(
                f"the HTTPRoute has no rule with {self.canary} and {self.champion}: apply what `mlopsgen build` wrote"
            )
        return found
