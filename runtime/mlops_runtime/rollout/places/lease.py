"""Only one controller acts: a Lease of Kubernetes, held as client-go's leader election holds it.

Whether a lease has run out is judged by how long this process has seen it unchanged, never by the times in it: clocks
of two machines differ, and clocks jump. Source: https://pkg.go.dev/k8s.io/client-go/tools/leaderelection
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from mlops_runtime.rollout.places.api import Absent, Api, now
from mlops_runtime.rollout.places.base import Conflict

SECONDS = 30
"""A holder that has not renewed for so long holds it no more."""


class Lease:
    """A claim.

    Args:
        api: of the cluster.
        namespace: of the lease.
        name: of the lease.
        holder: this process; no other has the same.
        clock: seconds that only grow.
    """

    def __init__(
        self, api: Api, namespace: str, name: str, holder: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api, self._holder, self._clock = api, holder, clock
        self._folder = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name
        self._seen: tuple[Any, float] | None = None

    def held(self) -> bool:
        """Claim or renew; whether this process holds it now.

        Raises:
            Unreachable: the API does not answer.
        """
        try:
            found = self._api.get(f"{self._folder}/{self._name}")
        except Absent:
            return self._made()
        spec, revision = found.get("spec") or {}, found["metadata"]["resourceVersion"]
        at = self._clock()
        if self._seen is None or self._seen[0] != revision:
            self._seen = (revision, at)
        other = spec.get("holderIdentity")
        lasts = float(spec.get("leaseDurationSeconds") or SECONDS)
        if other and other != self._holder and at - self._seen[1] < lasts:
            return False
        return self._renewed(revision, spec, self._holder)

    def resign(self) -> None:
        """Let another one have it at once.

        Raises:
            Unreachable: the API does not answer.
        """
        try:
            found = self._api.get(f"{self._folder}/{self._name}")
        except Absent:
            return
        if (found.get("spec") or {}).get("holderIdentity") == self._holder:
            self._renewed(found["metadata"]["resourceVersion"], found["spec"], "")

    def _made(self) -> bool:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": {**self._spec(self._holder), "acquireTime": now(), "leaseTransitions": 0},
        }
        try:
            self._api.create(self._folder, body)
        except Conflict:
            return False
        return True

    def _renewed(self, revision: str, before: Any, holder: str) -> bool:
        spec = self._spec(holder)
        if before.get("holderIdentity") != holder:
            spec |= {"acquireTime": now(), "leaseTransitions": int(before.get("leaseTransitions") or 0) + 1}
        try:
            self._api.patch(f"{self._folder}/{self._name}", {"metadata": {"resourceVersion": revision}, "spec": spec})
        except (Conflict, Absent):
            return False
        return True

    def _spec(self, holder: str) -> dict[str, Any]:
        return {"holderIdentity": holder, "leaseDurationSeconds": SECONDS, "renewTime": now()}
