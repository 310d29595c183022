"""What Istio makes of a VirtualService and an EnvoyFilter for a proxy, as far as our manifests need it.

istiod does not run here. This follows its source at 1.32 (development, August 2026):
`pilot/pkg/networking/core/route/route.go`: a match becomes a route of its own; two or more destinations become
`weighted_clusters`, in order, those of weight 0 left out; one destination becomes `cluster`; `attempts: 0` leaves
the retry policy out. `pilot/pkg/networking/core/envoyfilter/{rc,listener}_patch.go` and `pkg/proto/merge`: a patch
of HTTP_ROUTE is merged into routes whose name and action match, messages field by field, lists appended.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.targets.istio.specs import Object

Config = dict[str, Any]

ONE_OF = {"cluster", "weighted_clusters", "cluster_header"}
"""Alternatives of `cluster_specifier`: setting one clears the others."""


def routes(virtual_service: Object, context: str = "GATEWAY") -> Config:
    """The route configuration of a proxy.

    Args:
        virtual_service: the object.
        context: `GATEWAY` or `SIDECAR_OUTBOUND`; either must be among its gateways.
    """
    spec = virtual_service["spec"]
    bound = ["mesh"] if context == "SIDECAR_OUTBOUND" else [each for each in spec["gateways"] if each != "mesh"]
    assert set(bound) & set(spec["gateways"])
    found = [route for rule in spec["http"] for route in _routes(rule)]
    return {"name": "http", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": found}]}


def cluster_name(host: str, port: int) -> str:
    """Name of the cluster of a Service's port."""
    return f"outbound|{port}||{host}"


def patched(config: Config, envoy_filter: Object, context: str) -> Config:
    """A route configuration with the patches of an EnvoyFilter."""
    config = copy.deepcopy(config)
    for patch in envoy_filter["spec"]["configPatches"]:
        if patch["applyTo"] != "HTTP_ROUTE" or patch["match"]["context"] != context:
            continue
        assert patch["patch"]["operation"] == "MERGE"
        wanted = patch["match"]["routeConfiguration"]["vhost"]["route"]
        for host in config["virtual_hosts"]:
            for route in host["routes"]:
                if wanted["name"] == route["name"] and wanted["action"] == "ROUTE" and "route" in route:
                    merge(route, patch["patch"]["value"])
    return config


def inserted(filters: list[Config], envoy_filter: Object, context: str, port: int) -> list[Config]:
    """HTTP filters of a listener with the patches of an EnvoyFilter."""
    filters = copy.deepcopy(filters)
    for patch in envoy_filter["spec"]["configPatches"]:
        match = patch["match"]
        if patch["applyTo"] != "HTTP_FILTER" or match["context"] != context:
            continue
        chain = match["listener"]["filterChain"]["filter"]
        assert chain["name"] == "envoy.filters.network.http_connection_manager"
        assert patch["patch"]["operation"] == "INSERT_BEFORE"
        names = [each["name"] for each in filters]
        if match["listener"]["portNumber"] == port and chain["subFilter"]["name"] in names:
            filters.insert(names.index(chain["subFilter"]["name"]), patch["patch"]["value"])
    return filters


def merge(into: Config, given: Config) -> None:
    """Merge a message into another one as protobuf does."""
    for key, value in given.items():
        if key in ONE_OF:
            for other in ONE_OF - {key}:
                into.pop(other, None)
        if isinstance(value, dict):
            merge(into.setdefault(key, {}), value)
        elif isinstance(value, list):
            into.setdefault(key, []).extend(copy.deepcopy(value))
        else:
            into[key] = value


def _routes(rule: Config) -> list[Config]:
    action: Config = {"timeout": rule["timeout"]}
    assert rule["retries"] == {"attempts": 0}
    weighted = [
        {"name": _cluster(each), "weight": each["weight"]} for each in rule["route"] if each.get("weight", 0) > 0
    ]
    if len(rule["route"]) == 1:
        action["cluster"] = _cluster(rule["route"][0])
    else:
        action["weighted_clusters"] = {"clusters": weighted}
    matches = [_match(each) for each in rule.get("match", [])] or [{"prefix": "/"}]
    return [{"name": rule["name"], "match": match, "route": copy.deepcopy(action)} for match in matches]


def _match(given: Config) -> Config:
    assert set(given) == {"headers"}
    headers = [{"name": name, "string_match": {"exact": each["exact"]}} for name, each in given["headers"].items()]
    return {"prefix": "/", "headers": headers}


def _cluster(given: Config) -> str:
    destination = given["destination"]
    return cluster_name(destination["host"], destination["port"]["number"])
