"""Contexts of `nginx.conf` and of the script that runs nginx."""

from __future__ import annotations

import math
import re
from typing import Any

from mlopsgen.contract.ports import HEALTH, METRICS
from mlopsgen.project import deploy, routing
from mlopsgen.project.derive import MARGIN_SECONDS, SETTLE_SECONDS
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import named
from mlopsgen.spec.serving import RateLimit, Serving
from mlopsgen.spec.traced import Text, join, merged, traced

HTTP = 8080
PROBES = 8081

BYTES_PER_TOKEN = 64
"""Most bytes of JSON that a token of a prompt takes, with room: longer bodies hold more tokens than are allowed."""

FIXED_KIB = 1024
"""Room for everything else in a body."""


def context(project: Project, environment: Environment) -> dict[str, Any]:
    """What `nginx.conf` takes."""
    serving, rollout = environment.serving, environment.rollout
    longest = traced(math.ceil(serving.timeout + MARGIN_SECONDS), *merged(serving.timeout))
    user = routing.sticky(environment)
    testers = rollout.testers if environment.canary else None
    return {
        "ports": {"http": HTTP, "probes": PROBES},
        "longest": join(longest, "s"),
        "body": join(body_kib(serving), "k"),
        "user": header(user) if user is not None else None,
        "canary": "canary" in deploy.variants(environment),
        "testers": None if testers is None else {"header": header(testers.header), "value": exactly(testers.value)},
        "limit": None if serving.rate_limit is None else limit(serving.rate_limit),
        "upstreams": [
            {"variant": variant, "address": join(named(project, variant), ":", serving.port)}
            for variant in deploy.variants(environment)
        ],
        "paths": {"health": HEALTH, "metrics": METRICS},
    }


def script() -> dict[str, Any]:
    """What `run.sh` takes."""
    return {"settle": SETTLE_SECONDS}


def header(name: str) -> Text:
    """nginx's variable of a request header: `X-User-Id` is `$http_x_user_id`."""
    return traced("$http_" + name.lower().replace("-", "_"), *merged(name))  # type: ignore[no-any-return]


def exactly(value: str) -> Text:
    """A text as the source value of `map` that matches nothing else, its case included.

    A plain string would match any case. In the regular expression each character that is no letter, digit or `_` has
    a backslash; in the quoted string backslashes and double quotes have another one.
    """
    pattern = "~^" + re.sub(r"([^A-Za-z0-9_])", r"\\\1", str(value)) + "$"
    quoted = pattern.replace("\\", "\\\\").replace('"', '\\"')
    return traced(f'"{quoted}"', *merged(value))  # type: ignore[no-any-return]


def body_kib(serving: Serving) -> Any:
    """Largest body in KiB."""
    tokens = serving.max_input_tokens
    return traced(FIXED_KIB + math.ceil(tokens * BYTES_PER_TOKEN / 1024), *merged(tokens))


def limit(given: RateLimit) -> dict[str, Any]:
    """A bucket of `requests` that fills up within `per`; nginx counts whole requests a minute, so one at least."""
    origins = merged(given.requests, given.per)
    return {
        "caller": header(given.by) if given.by is not None else None,
        "rate": traced(f"{math.ceil(given.requests * 60 / given.per)}r/m", *origins),
        "burst": traced(given.requests - 1, *merged(given.requests)) if given.requests > 1 else None,
        "wait": traced(max(1, math.ceil(given.per / given.requests)), *origins),
    }
