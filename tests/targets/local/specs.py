"""Specs that between them take every branch of the target's templates."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from mlopsgen.contract.pins import Pin
from mlopsgen.project.model import Project
from mlopsgen.project.resolve import resolve
from mlopsgen.render.engine import render
from mlopsgen.spec.load import parse
from mlopsgen.targets.local import files
from tests.conftest import FULL
from tests.targets.github.specs import smallest

STICKY = "sticky: {header: x-user-id}"
TESTERS = """testers: {header: user-group, value: 'no "beta" $x ~\\y'}"""

SPECS = {
    "smallest": smallest(),
    "full": FULL.read_text(encoding="utf-8"),
    "sticky": smallest(f"rollout: {{engine: nginx, {STICKY}, {TESTERS}}}"),
    "experiment": smallest("experiment: {sticky: {header: X-Session}}", "rollout: {engine: nginx}"),
    "limit-by-header": smallest("serving: {rate_limit: {requests: 5, per: 1h, by: x-user-id}}"),
    "limit-by-address": smallest("serving: {rate_limit: {requests: 5, per: 1h}}"),
    "limit-fast": smallest("serving: {rate_limit: {requests: 3, per: 10ms}}"),
    "no-canary": smallest(f"rollout: {{steps: [100%], {TESTERS}}}"),
    "argo": smallest(f"rollout: {{engine: argo-rollouts, {STICKY}}}"),
    "gpu": smallest("serving: {resources: {gpu: 2}, auth: {secret: serving, key: token}}"),
    "custom": smallest("serving: {engine: custom, address: ENGINE_URL, timeout: 90s}"),
    "no-docker": smallest("targets: {docker: false}"),
}


def project(name: str, pins: dict[str, Pin] | None = None) -> Project:
    """The resolved project of a spec."""
    tree = parse(SPECS[name], "mlops.yaml")
    return resolve(tree, pins=pins).project if pins is not None else resolve(tree).project


@cache
def outputs(name: str) -> Mapping[str, str]:
    """Files of a spec: path and text."""
    return rendered(project(name))


def rendered(given: Project) -> dict[str, str]:
    """Files of a project: path and text."""
    return {file.path: render(file).content.decode() for file in files(given)}
