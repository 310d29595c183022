"""What the engines that route requests have in common: hosts, paths, times, and how the rules are named."""

from __future__ import annotations

import re

from mlopsgen.contract.ports import CHAT, COMPLETIONS, FEEDBACK, HEALTH, MODELS, PREDICT, READY, VERSION
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import Variant, named
from mlopsgen.spec.traced import Text, join, merged, traced

PUBLIC = (PREDICT, COMPLETIONS, CHAT, MODELS, FEEDBACK, VERSION, HEALTH, READY)
"""Paths that callers may use; metrics are for Prometheus alone."""

MESHED = ("istio", "argo-rollouts")
"""Engines for which pods have a sidecar of Istio."""

TESTERS = "testers"
"""Name of the rule for testers, where an engine names its rules."""

MARGIN_SECONDS = 5
"""Time beyond the server's own deadline in which its answer to that still arrives."""


def main_rule(project: Project, environment: Environment) -> Text:
    """Name of the rule that splits the traffic: no other route of a shared gateway has it."""
    return join(project.name, ".", environment.namespace)


def internal_host(project: Project, environment: Environment, variant: Variant | None = None) -> Text:
    """Full name of a Service in the cluster: a variant's, or the project's stable one."""
    service = project.name if variant is None else named(project, variant)
    return join(service, ".", environment.namespace, ".svc.cluster.local")


def public_host(environment: Environment) -> Text | None:
    """Host name of the public address; None where there is no address, or it is a number, which no route may name."""
    if environment.url is None:
        return None
    host = re.sub(r":[0-9]+$", "", environment.url.split("://", 1)[1].split("/", 1)[0]).lower()
    if host.startswith("[") or re.fullmatch(r"[0-9.]+", host):
        return None
    return Text(host, merged(environment.url))


def gateway(environment: Environment) -> tuple[Text, Text]:
    """Namespace and name of the gateway."""
    space, _, name = environment.rollout.gateway.partition("/")
    origins = merged(environment.rollout.gateway)
    return Text(space, origins), Text(name, origins)


def sticky(environment: Environment) -> Text | None:
    """Header, in lower case, that keeps a user on one version: the rollout's, else the experiment's."""
    given = environment.rollout.sticky
    if given is None and environment.experiment is not None:
        given = environment.experiment.sticky
    if given is None or not environment.canary:
        return None
    return lowered(given.header)


def lowered(header: str) -> Text:
    """A header's name as Envoy and Istio match it."""
    return Text(header.lower(), merged(header))


def timeout(environment: Environment) -> Text:
    """Time after which a router gives up: later than the server, whose own answer says more."""
    limit = environment.serving.timeout
    seconds: float = traced(limit + MARGIN_SECONDS, *merged(limit))
    return span(seconds)


def span(seconds: float) -> Text:
    """A time as Kubernetes and its controllers write it: `90.5` is `1m30s500ms`.

    Source: Gateway API, GEP-2257, a subset of Go's `time.ParseDuration`.
    """
    left, parts = round(seconds * 1000), []
    for size, unit in ((3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return Text("".join(parts) or "0s", merged(seconds))


def mesh_label(environment: Environment) -> dict[str, str]:
    """Label of a pod that talks to the servers: without a sidecar, Istio's policy refuses it."""
    return {"sidecar.istio.io/inject": "true"} if environment.rollout.engine in MESHED else {}
