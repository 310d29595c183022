"""Context of `release.yaml`, as it is before the first release."""

from __future__ import annotations

from typing import Any

from mlopsgen.contract import release as facts
from mlopsgen.project.model import Environment, Project
from mlopsgen.targets.kubernetes.pods import unreleased


def context(project: Project, environment: Environment) -> dict[str, Any]:
    """What the template takes: every fact of champion and canary, with nothing released."""
    nothing = {facts.IMAGE: unreleased(project, environment), facts.MODEL_VERSION: facts.NONE, facts.REPLICAS: "0"}
    return {
        "name": facts.NAME,
        "environment": environment.name,
        "facts": {
            facts.key(variant, fact): nothing[fact]
            for variant in ("champion", "canary")
            for fact in facts.FACTS[variant]
        },
    }
