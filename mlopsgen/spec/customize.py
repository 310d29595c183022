"""Ways to change what comes out: `targets`, `patches`, and the file lists."""

from __future__ import annotations

from typing import Any, Literal

from mlopsgen.spec.base import Items, Mistake, Section, field, model_validator
from mlopsgen.spec.scalars import Path, Pointer, Text


class Targets(Section):
    """Groups of output, each on or off; a third party's target is switched on under `others`."""

    dvc: bool = field(True, "DVC pipeline and parameters.", example=False)
    github: bool = field(True, "GitHub workflows.", example=False)
    docker: bool = field(True, "Image builds.", example=False)
    kubernetes: bool = field(True, "Kubernetes manifests.", example=False)
    routing: bool = field(True, "Traffic split of `rollout.engine`.", example=False)
    prometheus: bool = field(True, "Scrape configuration and rules.", example=False)
    alertmanager: bool = field(True, "Alert routing.", example=False)
    grafana: bool = field(True, "Dashboards.", example=True)
    local: bool = field(True, "Everything on one machine.", example=True)
    docs: bool = field(True, "Runbooks and pipeline picture.", example=False)
    others: Items[Text] = field((), "Targets of installed packages, by entry point name.", example=["acme-backstage"])


class Operation(Section):
    """One operation of RFC 6902."""

    op: Literal["add", "remove", "replace", "move", "copy", "test"] = field(..., "Operation.", example="add")
    path: Pointer = field(..., "JSON pointer (RFC 6901).", example="/spec/template/spec/nodeSelector")
    value: Any = field(None, "Value of add, replace and test.", example={"pool": "inference"})
    from_: Pointer | None = field(None, "Source of move and copy.", example="/metadata/name")

    @model_validator(mode="after")
    def _complete(self) -> Operation:
        needs = {"move": "from_", "copy": "from_", "add": "value", "replace": "value", "test": "value"}.get(self.op)
        if needs and (needs not in self.model_fields_set or (needs == "from_" and self.from_ is None)):
            raise Mistake(
                "incomplete_operation", "{op} needs `{key}`", {"op": self.op, "key": needs.rstrip("_"), "at": "op"}
            )
        return self


class Patch(Section):
    """Changes to one generated file."""

    file: Path = field(..., "Generated file.", example="deploy/production/serving.yaml")
    object: Text | None = field(
        None, "Kind/name, for a file of several objects.", example="Deployment/support-assistant-champion"
    )
    ops: Items[Operation] = field(
        ..., "Operations, in order.", example=[{"op": "remove", "path": "/metadata/labels"}], min_length=1
    )
