"""What an object may refer to: what is applied, and what the README says is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from tests.manifests.expected import Expected
from tests.manifests.objects import Object, Pods, every_pods, found, name


@dataclass
class Cluster:
    """The namespace of an environment after `kubectl apply`.

    Attributes:
        objects: those that are judged.
        expected: what was there before.
        namespace: of the environment.
        beside: objects that another folder applies to the same namespace.
        used: what of `expected` something has referred to so far.
    """

    objects: list[Object]
    expected: list[Expected]
    namespace: str
    beside: list[Object] = field(default_factory=list)
    used: set[tuple[str, str]] = field(default_factory=set)

    @cached_property
    def every(self) -> list[Object]:
        """All objects of the namespace."""
        return [*self.objects, *self.beside]

    @property
    def gateways(self) -> list[str]:
        """Namespaces of the gateways that requests come in through."""
        return [each.name.partition("/")[0] for each in self.expected if each.kind == "Gateway" and "/" in each.name]

    def get(self, kind: str, wanted: str) -> Object | None:
        """An applied object by kind and name."""
        return found(self.every, kind, wanted)

    @cached_property
    def pods(self) -> list[Pods]:
        """Pods of the objects that are judged."""
        return every_pods(self.objects)

    @cached_property
    def every_pods(self) -> list[Pods]:
        """All pods of the namespace."""
        return [*self.pods, *every_pods(self.beside)]

    def listed(self, kind: str, wanted: str) -> Expected | None:
        """A row of the README's table; notes that it is used."""
        for each in self.expected:
            if (each.kind, each.name) == (kind, wanted):
                self.used.add((kind, wanted))
                return each
        return None

    def reaches(self, namespace: str | None) -> None:
        """Notes that a policy lets another namespace's Services in or out."""
        rows = (each for each in self.expected if each.kind in ("Service", "Gateway"))
        self.used |= {(each.kind, each.name) for each in rows if each.name.partition("/")[0] == namespace}

    def has(self, kind: str, wanted: str) -> bool:
        """Whether a kind and name is applied or listed."""
        return self.get(kind, wanted) is not None or self.listed(kind, wanted) is not None

    def keys(self, kind: str, wanted: str) -> frozenset[str] | None:
        """Entries of a ConfigMap or Secret, None when any key may be there or the object is not.

        External Secrets makes Secrets of the names and keys that its objects state.
        """
        obj = self.get(kind, wanted)
        if obj is not None:
            parts = ("data", "binaryData", "stringData")
            return frozenset(key for part in parts for key in obj.get(part) or ())
        if kind == "Secret" and (external := self._external(wanted)) is not None:
            spec = external["spec"]
            template = (spec.get("target") or {}).get("template") or {}
            if spec.get("dataFrom") and not template.get("data"):
                return None
            return frozenset(template.get("data") or [each["secretKey"] for each in spec.get("data") or ()])
        row = self.listed(kind, wanted)
        return frozenset(row.keys) if row is not None and row.keys else None

    def secret(self, wanted: str) -> bool:
        """Whether a Secret is applied, listed, or made by External Secrets."""
        return self.has("Secret", wanted) or self._external(wanted) is not None

    def _external(self, wanted: str) -> Object | None:
        for obj in self.every:
            if obj["kind"] == "ExternalSecret":
                target = (obj["spec"].get("target") or {}).get("name") or name(obj)
                if target == wanted:
                    return obj
        return None
