"""Where traffic goes: routes, their backends and weights, addresses in settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from tests.manifests.cluster import Cluster
from tests.manifests.objects import Object, found, key, name, of
from tests.manifests.selection import pods_of

SUBSET = re.compile(r"^(?:outbound|inbound)\|(\d+)\|([^|]*)\|(.+)$")
"""Name of a cluster of Envoy in Istio: direction, port, subset, host."""

URL = re.compile(r"(http|https)://([a-z0-9.-]+)(?::(\d+))?")
UPSTREAM = re.compile(r"(?<![\w.:/$-])([a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*):(\d+)\b")
"""`host:port` in a configuration of nginx."""


def problems(cluster: Cluster) -> Iterator[str]:
    """Routes, rules and settings that lead nowhere."""
    judges = {
        "HTTPRoute": _http_route,
        "VirtualService": _virtual_service,
        "DestinationRule": _destination_rule,
        "EnvoyFilter": _envoy_filter,
        "Rollout": _rollout,
        "AnalysisTemplate": _provider,
        "ScaledObject": _provider,
        "ConfigMap": _settings,
    }
    for obj in cluster.objects:
        if obj["kind"] in judges:
            yield from judges[obj["kind"]](cluster, obj)
    for pods in cluster.pods:
        for path, container in pods.containers:
            for env in container.get("env") or ():
                here = f"{key(pods.owner)}: {path}.env[{env['name']}]"
                yield from _addresses(cluster, here, str(env.get("value", "")))


def _service(cluster: Cluster, here: str, host: str, port: int | None) -> Iterator[str]:
    """Whether a host of the cluster is a Service with the port."""
    first, _, rest = host.partition(".")
    space = rest.partition(".")[0] or cluster.namespace
    if space != cluster.namespace:
        if cluster.listed("Service", f"{space}/{first}") is None:
            yield f"{here}: Service {space}/{first} is not listed in the README"
        return
    service = cluster.get("Service", first)
    if service is None:
        if cluster.listed("Service", first) is None:
            yield f"{here}: no Service/{first}"
        return
    ports = [each["port"] for each in service["spec"].get("ports") or ()]
    if port is not None and port not in ports:
        yield f"{here}: Service/{first} has no port {port}, it has {ports}"


def _gateway(cluster: Cluster, here: str, wanted: str) -> Iterator[str]:
    short = wanted.removeprefix(f"{cluster.namespace}/")
    if not (cluster.listed("Gateway", wanted) or cluster.has("Gateway", short)):
        yield f"{here}: no Gateway {wanted}, neither here nor in the README"


def _apart(cluster: Cluster, here: str, hosts: Iterable[str]) -> Iterator[str]:
    """Versions that share the traffic must not share pods, but where Argo Rollouts tells them apart."""
    pairs = [
        {canary.get("stableService"), canary.get("canaryService")}
        for canary in (rollout["spec"]["strategy"]["canary"] for rollout in of(cluster.every, "Rollout"))
    ]
    services = [each for each in (cluster.get("Service", host.partition(".")[0]) for host in hosts) if each]
    for index, one in enumerate(services):
        for other in services[index + 1 :]:
            if name(one) == name(other) or {name(one), name(other)} in pairs:
                continue
            owners = {key(pods.owner) for pods in pods_of(cluster, one)}
            if shared := owners & {key(pods.owner) for pods in pods_of(cluster, other)}:
                yield f"{here}: {key(one)} and {key(other)} both lead to {', '.join(sorted(shared))}"


def _http_route(cluster: Cluster, route: Object) -> Iterator[str]:
    spec, own = route["spec"], route["metadata"].get("namespace", cluster.namespace)
    for index, parent in enumerate(spec.get("parentRefs") or ()):
        wanted = f"{parent.get('namespace', own)}/{parent['name']}"
        yield from _gateway(cluster, f"{key(route)}: spec.parentRefs[{index}]", wanted)
    for index, rule in enumerate(spec.get("rules") or ()):
        here = f"{key(route)}: spec.rules[{index}]"
        backends = rule.get("backendRefs") or ()
        for backend in backends:
            host = ".".join(filter(None, (backend["name"], backend.get("namespace"))))
            yield from _service(cluster, f"{here}.backendRefs", host, backend.get("port"))
        if backends and not any(backend.get("weight", 1) for backend in backends):
            yield f"{here}.backendRefs: no backend has a weight: every request fails"
        yield from _apart(cluster, f"{here}.backendRefs", [backend["name"] for backend in backends])


def _virtual_service(cluster: Cluster, service: Object) -> Iterator[str]:
    spec, here = service["spec"], key(service)
    for gateway in spec.get("gateways") or ():
        if gateway != "mesh":
            wanted = gateway if "/" in gateway else f"{cluster.namespace}/{gateway}"
            yield from _gateway(cluster, f"{here}: spec.gateways", wanted)
    for host in spec.get("hosts") or ():
        if of_cluster(host):
            yield from _service(cluster, f"{here}: spec.hosts", host, None)
    names = [route.get("name") for route in spec.get("http") or () if route.get("name")]
    if len(set(names)) != len(names):
        yield f"{here}: spec.http: two routes have the same name"
    for index, route in enumerate(spec.get("http") or ()):
        at = f"{here}: spec.http[{index}]"
        goals = route.get("route") or ()
        for goal in [*goals, *({"destination": mirror["destination"]} for mirror in route.get("mirrors") or ())]:
            destination = goal["destination"]
            port = (destination.get("port") or {}).get("number")
            yield from _destination(cluster, f"{at}.route", destination["host"], port, destination.get("subset"))
        weights = [goal.get("weight", 100 if len(goals) == 1 else 0) for goal in goals]
        if goals and sum(weights) != 100:
            yield f"{at}.route: the weights {weights} do not add up to 100"
        plain = [goal["destination"]["host"] for goal in goals if "subset" not in goal["destination"]]
        yield from _apart(cluster, f"{at}.route", plain)


def _destination(cluster: Cluster, here: str, host: str, port: int | None, subset: str | None) -> Iterator[str]:
    yield from _service(cluster, here, host, port)
    if subset is not None:
        short = host.partition(".")[0]
        rules = [each for each in of(cluster.every, "DestinationRule") if _short(each["spec"]["host"]) == short]
        known = {each["name"] for rule in rules for each in rule["spec"].get("subsets") or ()}
        if subset not in known:
            yield f"{here}: no DestinationRule of {short} has the subset {subset}"


def _destination_rule(cluster: Cluster, rule: Object) -> Iterator[str]:
    spec, here = rule["spec"], key(rule)
    yield from _service(cluster, f"{here}: spec.host", spec["host"], None)
    service = cluster.get("Service", _short(spec["host"]))
    managed = [
        (each["spec"]["strategy"]["canary"].get("trafficRouting") or {}).get("istio", {}).get("destinationRule", {})
        for each in of(cluster.every, "Rollout")
    ]
    owners: dict[str, set[str]] = {}
    for index, subset in enumerate(spec.get("subsets") or ()):
        labels = subset.get("labels") or {}
        behind = pods_of(cluster, service) if service is not None else []
        taken = [pods for pods in behind if labels.items() <= pods.labels.items()]
        if service is not None and not taken:
            yield f"{here}: spec.subsets[{index}]: no pods of {key(service)} have the labels {labels}"
        owners[subset["name"]] = {key(pods.owner) for pods in taken}
    if name(rule) in [each.get("name") for each in managed]:
        return
    names = list(owners)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            if shared := owners[one] & owners[other]:
                yield f"{here}: spec.subsets: {one} and {other} both take {', '.join(sorted(shared))}"


def _envoy_filter(cluster: Cluster, envoy: Object) -> Iterator[str]:
    """A filter reaches the proxies of its own namespace only."""
    namespace = envoy["metadata"].get("namespace", cluster.namespace)
    for index, patch in enumerate(envoy["spec"].get("configPatches") or ()):
        at_gateway = (patch.get("match") or {}).get("context") == "GATEWAY"
        if namespace not in (cluster.gateways if at_gateway else (cluster.namespace,)):
            proxies = "gateways" if at_gateway else "sidecars"
            yield f"{key(envoy)}: spec.configPatches[{index}]: reaches no {proxies}: there are none in {namespace}"
    for path, text in _texts(envoy.get("spec"), "spec"):
        if match := SUBSET.match(text):
            port, subset, host = match.groups()
            yield from _destination(cluster, f"{key(envoy)}: {path}", host, int(port), subset or None)


def _provider(cluster: Cluster, obj: Object) -> Iterator[str]:
    """The address of Prometheus."""
    for path, text in _texts(obj["spec"], "spec"):
        yield from _addresses(cluster, f"{key(obj)}: {path}", text)


def _settings(cluster: Cluster, settings: Object) -> Iterator[str]:
    for entry, text in (settings.get("data") or {}).items():
        yield from _addresses(cluster, f"{key(settings)}: data[{entry}]", text, nginx=".conf" in entry)


def _rollout(cluster: Cluster, rollout: Object) -> Iterator[str]:
    spec, here = rollout["spec"], key(rollout)
    workload = spec.get("workloadRef")
    if workload is not None and cluster.get(workload["kind"], workload["name"]) is None:
        yield f"{here}: spec.workloadRef: no {workload['kind']}/{workload['name']}"
    canary = spec["strategy"]["canary"]
    for field in ("stableService", "canaryService"):
        if field in canary:
            yield from _service(cluster, f"{here}: spec.strategy.canary.{field}", canary[field], None)
    istio = (canary.get("trafficRouting") or {}).get("istio") or {}
    wanted = istio.get("virtualService")
    if wanted is not None:
        service = found(cluster.every, "VirtualService", wanted["name"])
        at = f"{here}: spec.strategy.canary.trafficRouting.istio.virtualService"
        if service is None:
            yield f"{at}: no VirtualService/{wanted['name']}"
        else:
            yield from _weighed(at, service, wanted.get("routes") or (), canary, istio)
    rule = istio.get("destinationRule")
    if rule is not None:
        at = f"{here}: spec.strategy.canary.trafficRouting.istio.destinationRule"
        applied = found(cluster.every, "DestinationRule", rule["name"])
        subsets = [each["name"] for each in (applied or {}).get("spec", {}).get("subsets") or ()]
        if applied is None:
            yield f"{at}: no DestinationRule/{rule['name']}"
        for field in ("canarySubsetName", "stableSubsetName"):
            if applied is not None and rule[field] not in subsets:
                yield f"{at}.{field}: DestinationRule/{rule['name']} has no subset {rule[field]}"
    for path, analysis in _analyses(canary):
        for template in analysis.get("templates") or ():
            yield from _analysis(cluster, f"{here}: {path}", template["templateName"], analysis)


def _weighed(at: str, service: Object, routes: Iterable[str], canary: Object, istio: Object) -> Iterator[str]:
    """The routes that the controller writes weights to must hold its two versions."""
    http = {route.get("name"): route for route in service["spec"].get("http") or ()}
    rule = istio.get("destinationRule") or {}
    pairs = [{canary.get("stableService"), canary.get("canaryService")}]
    pairs.append({rule.get("stableSubsetName"), rule.get("canarySubsetName")})
    for route in routes:
        if route not in http:
            yield f"{at}.routes: {key(service)} has no route named {route}"
            continue
        goals = [goal["destination"] for goal in http[route].get("route") or ()]
        sides = [{goal.get("subset") for goal in goals}, {_short(goal["host"]) for goal in goals}]
        if not any(side == pair for side in sides for pair in pairs):
            yield f"{at}.routes: route {route} of {key(service)} does not lead to the stable and the canary version"


def _analyses(canary: Object) -> Iterator[tuple[str, Object]]:
    if "analysis" in canary:
        yield "spec.strategy.canary.analysis", canary["analysis"]
    for index, step in enumerate(canary.get("steps") or ()):
        if "analysis" in step:
            yield f"spec.strategy.canary.steps[{index}].analysis", step["analysis"]


def _analysis(cluster: Cluster, at: str, wanted: str, analysis: Object) -> Iterator[str]:
    template = cluster.get("AnalysisTemplate", wanted)
    if template is None:
        yield f"{at}: no AnalysisTemplate/{wanted}"
        return
    declared = {each["name"]: each for each in template["spec"].get("args") or ()}
    given = {each["name"] for each in analysis.get("args") or ()}
    for each, argument in declared.items():
        if each not in given and "value" not in argument and "valueFrom" not in argument:
            yield f"{at}.args: {key(template)} needs the argument {each}"
    used = {each for _, text in _texts(template["spec"], "") for each in re.findall(r"\{\{\s*args\.([\w-]+)", text)}
    for each in sorted(used - set(declared)):
        yield f"{key(template)}: spec: the argument {each} is not declared"


def _addresses(cluster: Cluster, here: str, text: str, nginx: bool = False) -> Iterator[str]:
    for scheme, host, port in URL.findall(text):
        if of_cluster(host) and (scheme == "http" or "." not in host):
            yield from _service(cluster, here, host, int(port or (443 if scheme == "https" else 80)))
    if nginx:
        plain = URL.sub("", re.sub(r"#.*", "", text))
        for host, port in dict.fromkeys(UPSTREAM.findall(plain)):
            if of_cluster(host):
                yield from _service(cluster, here, host, int(port))


def of_cluster(host: str) -> bool:
    """Whether a host is a Service: `name`, `name.namespace`, `name.namespace.svc…`."""
    labels = host.split(".")
    if host == "localhost" or re.fullmatch(r"[0-9.]+", host):
        return False
    return len(labels) <= 2 or labels[2] == "svc"


def _short(host: str) -> str:
    return host.partition(".")[0]


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for field, item in value.items():
            yield from _texts(item, f"{path}.{field}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]")
