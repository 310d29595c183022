"""Specs that between them take every branch of the target's templates."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from mlopsgen.contract.pins import Pin
from mlopsgen.project.model import Project
from mlopsgen.project.resolve import resolve
from mlopsgen.render.engine import render
from mlopsgen.spec.load import parse
from mlopsgen.targets.nginx import files
from tests.targets.github.specs import smallest

STICKY = "sticky: {header: X-User-Id}"
TESTERS = """testers: {header: user-group, value: 'no "beta" $x ~\\y'}"""


def spec(rollout: str = "", *sections: str) -> str:
    """A spec whose routing is nginx's."""
    return smallest(f"rollout: {{engine: nginx, {rollout}}}", *sections)


SPECS = {
    "plain": spec(),
    "sticky": spec(f"{STICKY}, {TESTERS}"),
    "experiment": spec(TESTERS, "experiment: {sticky: {header: x-session}}"),
    "limit-by-header": spec(STICKY, "serving: {rate_limit: {requests: 5, per: 1h, by: x-user-id}}"),
    "limit-by-address": spec("", "serving: {rate_limit: {requests: 5, per: 1h}}"),
    "limit-of-one": spec("", "serving: {rate_limit: {requests: 1, per: 10ms}}"),
    "limit-large": spec("", "serving: {rate_limit: {requests: 1000000000, per: 1s}}"),
    "no-canary": spec(f"steps: [100%], {TESTERS}"),
    "slow": spec("", "serving: {timeout: 90s, port: 9000, max_input_tokens: 100000}"),
    "mixed": smallest(
        "environments: {staging: {branch: dev, rollout: {engine: gateway-api}}, live: {branch: main}}",
        "rollout: {engine: nginx}",
    ),
    "other": smallest(),
}
NGINX = [name for name in SPECS if name != "other"]


def project(name: str, pins: dict[str, Pin] | None = None) -> Project:
    """The resolved project of a spec."""
    tree = parse(SPECS.get(name, name), "mlops.yaml")
    return resolve(tree, pins=pins).project if pins is not None else resolve(tree).project


def outputs(name: str, pins: dict[str, Pin] | None = None) -> dict[str, str]:
    """Files of a spec: path and text."""
    return {file.path: render(file).content.decode() for file in files(project(name, pins))}


@cache
def routing(name: str) -> Mapping[str, str]:
    """Files of the last environment's routing: name and text."""
    folder = f"deploy/{project(name).environments[-1].name}/routing/"
    return {path.removeprefix(folder): text for path, text in outputs(name).items() if path.startswith(folder)}
