"""Istio: who gets which version, who may call it and how often. Argo Rollouts moves the weights of the same routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlopsgen.contract.ports import FEATURES, METRICS
from mlopsgen.project import deploy, routing
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import Variant, labels, named, selector
from mlopsgen.render.files import File
from mlopsgen.spec.traced import join
from mlopsgen.targets.istio import limit

ENGINES = ("istio", "argo-rollouts")


def files(project: Project) -> Iterable[File]:
    """`deploy/<environment>/routing.yaml` of every environment whose traffic goes through the mesh."""
    for environment in project.environments:
        if environment.rollout.engine in ENGINES:
            path = f"{deploy.folder(environment)}/routing.yaml"
            yield File(path=path, template="istio/routing.yaml", context=_context(project, environment))


def _context(project: Project, environment: Environment) -> dict[str, Any]:
    gateway, _ = routing.gateway(environment)
    public = routing.public_host(environment)
    here = environment.namespace
    variants: tuple[Variant, ...] = ("canary", "champion") if environment.canary else ("champion",)
    return {
        "name": project.name,
        "namespace": here,
        "labels": labels(project, "routing"),
        "hosts": [routing.internal_host(project, environment), *([public] if public is not None else [])],
        "gateways": [environment.rollout.gateway, "mesh"],
        "canary": environment.canary,
        "rules": _rules(project, environment),
        "port": environment.serving.port,
        "timeout": routing.timeout(environment),
        "destinations": [
            {"name": named(project, variant), "host": routing.internal_host(project, environment, variant)}
            for variant in variants
        ],
        "main_rule": routing.main_rule(project, environment),
        "sticky": routing.sticky(environment),
        # An EnvoyFilter reaches only the proxies of its own namespace: callers' sidecars, and the gateway's pods.
        "proxies": [
            {"name": named(project, "sticky"), "namespace": here, "context": "SIDECAR_OUTBOUND"},
            {"name": join(here, "-", named(project, "sticky")), "namespace": gateway, "context": "GATEWAY"},
        ],
        "policy": named(project, "serving"),
        "selector": selector(project, "serving"),
        "callers": list(dict.fromkeys((gateway, here))),
        "gateway": gateway,
        "ports": [join(environment.serving.port)],
        "public": list(routing.PUBLIC),
        "metrics": METRICS,
        "features": FEATURES,
        "limit_name": named(project, "rate-limit"),
        "limit": limit.context(environment.serving.rate_limit) if environment.serving.rate_limit is not None else None,
    }


def _rules(project: Project, environment: Environment) -> list[dict[str, Any]]:
    """Rules in the order in which they are tried; destinations with weights, canary first."""
    canary = routing.internal_host(project, environment, "canary")
    champion = routing.internal_host(project, environment, "champion")
    main: dict[str, Any] = {"name": routing.main_rule(project, environment), "match": None}
    if not environment.canary:
        return [{**main, "destinations": [{"host": champion, "weight": None}]}]
    split = [{"host": canary, "weight": 0}, {"host": champion, "weight": 100}]
    rules = [{**main, "destinations": split}]
    testers = environment.rollout.testers
    if testers is not None:
        # Argo Rollouts lets the canary's Service lead to the champion's pods while there is no canary.
        chosen = [{"host": canary, "weight": None}] if deploy.argo(environment) else split
        match = {"header": routing.lowered(testers.header), "value": testers.value}
        rules.insert(0, {"name": routing.TESTERS, "match": match, "destinations": chosen})
    return rules
