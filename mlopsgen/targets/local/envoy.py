"""Contexts of Envoy's bootstrap and of its routes."""

from __future__ import annotations

import math
from typing import Any

from mlopsgen.contract.ports import METRICS
from mlopsgen.project import routing
from mlopsgen.project.derive import MARGIN_SECONDS
from mlopsgen.project.model import Environment, Project
from mlopsgen.spec.serving import RateLimit
from mlopsgen.spec.traced import Text, join, merged, traced
from mlopsgen.targets.local import ports

SHORTEST_FILL = 0.05
"""Seconds; Envoy fills no bucket more often."""


def bootstrap(project: Project, environment: Environment, *, compose: bool = False) -> dict[str, Any]:
    """What `envoy.yaml` takes.

    Args:
        project: the project.
        environment: the one whose routing is copied.
        compose: whether Envoy has a network of its own, out of which Docker publishes the port.
    """
    limit = environment.serving.rate_limit
    return {
        "project": project.name,
        "compose": compose,
        "address": "0.0.0.0" if compose else "127.0.0.1",  # noqa: S104
        "ports": {"envoy": ports.ENVOY, "admin": ports.ENVOY_ADMIN},
        "servers": [{"name": name, "port": ports.SERVERS[name]} for name in variants(environment)],
        "routes": {"file": ports.ROUTES, "folder": ports.ROUTES_FOLDER},
        "longest": longest(environment),
        "limit": None if limit is None else rate_limit(limit),
    }


def routes(project: Project, environment: Environment) -> dict[str, Any]:
    """What `routes.yaml` takes."""
    rollout = environment.rollout
    canary = "canary" in variants(environment)
    return {
        "project": project.name,
        "metrics": METRICS,
        "canary": canary,
        "testers": rollout.testers if canary else None,
        "user": routing.sticky(environment),
        "longest": longest(environment),
    }


def longest(environment: Environment) -> Text:
    """Time after which Envoy gives a request up: later than the app, whose answer says more."""
    timeout = environment.serving.timeout
    return join(traced(math.ceil(timeout + MARGIN_SECONDS), *merged(timeout)), "s")


def rate_limit(given: RateLimit) -> dict[str, Any]:
    """A bucket of `requests` that fills up within `per`, for each caller.

    A caller is the value of a header, and without it the address of the client.
    """
    seconds = max(float(given.per), SHORTEST_FILL)
    bucket = {
        "max_tokens": given.requests,
        "tokens_per_fill": traced(math.ceil(given.requests * seconds / given.per), *merged(given.requests)),
        "fill_interval": traced(f"{seconds:.3f}s", *merged(given.per)),
    }
    by_address: dict[str, Any] = {"remote_address": {}}
    wait = join(traced(max(1, math.ceil(given.per / given.requests)), *merged(given.per, given.requests)))
    if given.by is None:
        actions = [[by_address]]
        entries: list[list[dict[str, str]]] = [[{"key": "remote_address"}]]
    else:
        named = {"request_headers": {"header_name": given.by, "descriptor_key": "caller"}}
        absent = {"name": given.by, "present_match": True}
        nobody = {"header_value_match": {"descriptor_value": "nobody", "expect_match": False, "headers": [absent]}}
        actions = [[named], [nobody, by_address]]
        entries = [[{"key": "caller"}], [{"key": "header_match", "value": "nobody"}, {"key": "remote_address"}]]
    return {
        "actions": [{"actions": each} for each in actions],
        "descriptors": [{"entries": each, "token_bucket": bucket} for each in entries],
        "wait": wait,
    }


def variants(environment: Environment) -> tuple[str, ...]:
    """Servers on this machine: the canary has one of its own, whatever splits the traffic in the cluster."""
    return ("champion", "canary") if environment.canary else ("champion",)
