"""The judge of routes and addresses: each fault is named."""

from __future__ import annotations

import pytest

from tests.manifests.faults import Fault, told_of

FAULTS = {
    "backend": Fault(
        "docstrings",
        "HTTPRoute/docstrings",
        "spec/rules/0/backendRefs/0/name",
        "docstrings-cana",
        "no Service/docstrings-cana",
    ),
    "backend-port": Fault(
        "docstrings", "HTTPRoute/docstrings", "spec/rules/0/backendRefs/0/port", 80, "has no port 80"
    ),
    "gateway": Fault(
        "docstrings", "HTTPRoute/docstrings", "spec/parentRefs/0/name", "publick", "no Gateway gateway/publick"
    ),
    "destination": Fault(
        "support",
        "VirtualService/support-assistant",
        "spec/http",
        lambda http: [*http, {"route": [{"destination": {"host": "support-assistant-cana"}}]}],
        "no Service/support-assistant-cana",
    ),
    "subset": Fault(
        "support",
        "VirtualService/support-assistant",
        "spec/http",
        lambda http: [*http, {"route": [{"destination": {"host": "support-assistant", "subset": "next"}}]}],
        "no DestinationRule of support-assistant has the subset next",
    ),
    "weights": Fault(
        "docstrings-istio",
        "VirtualService/docstrings",
        "spec/http",
        lambda http: [
            {**route, "route": [{**goal, "weight": 45} for goal in route["route"]]}
            if len(route.get("route", ())) > 1
            else route
            for route in http
        ],
        "do not add up to 100",
    ),
    "workload": Fault(
        "support-argo-rollouts",
        "Rollout/support-assistant",
        "spec/workloadRef/name",
        "support-assistant",
        "no Deployment/support-assistant",
    ),
    "rollout-service": Fault(
        "support-argo-rollouts",
        "Rollout/support-assistant",
        "spec/strategy/canary/canaryService",
        "support-assistant-next",
        "no Service/support-assistant-next",
    ),
    "rollout-route": Fault(
        "support-argo-rollouts",
        "Rollout/support-assistant",
        "spec/strategy/canary/trafficRouting/istio/virtualService/routes",
        ["primary"],
        "has no route named primary",
    ),
    "rollout-template": Fault(
        "support-argo-rollouts",
        "AnalysisTemplate/support-assistant-deadline",
        "metadata/name",
        "support-assistant-end",
        "no AnalysisTemplate/support-assistant-deadline",
        "Rollout/support-assistant",
    ),
    "rollout-argument": Fault(
        "support-argo-rollouts",
        "Rollout/support-assistant",
        "spec/strategy/canary/analysis/args",
        [],
        "needs the argument canary-hash",
    ),
    "analysis-argument": Fault(
        "support-argo-rollouts",
        "AnalysisTemplate/support-assistant-error-rate",
        "spec/args",
        [{"name": "passes"}],
        "the argument canary-hash is not declared",
    ),
    "upstream": Fault(
        "docstrings-nginx",
        "Service/docstrings-champion",
        "spec/ports/0/port",
        80,
        "Service/docstrings-champion has no port 8000, it has [80]",
        "ConfigMap/docstrings-nginx-",
    ),
    "settings-address": Fault(
        "docstrings",
        "ConfigMap/docstrings-rollout",
        "data/settings.yaml",
        lambda text: text.replace("prometheus.monitoring", "prometheus.monitor"),
        "Service monitor/prometheus is not listed",
    ),
    "filter-without-a-gateway": Fault(
        "support",
        "EnvoyFilter/ml-production-support-assistant-sticky",
        "metadata/namespace",
        "ml-staging",
        "metadata.namespace: is ml-staging",
    ),
    "filter-without-sidecars": Fault(
        "support",
        "EnvoyFilter/support-assistant-sticky",
        "metadata/namespace",
        "gateway",
        "reaches no sidecars: there are none in gateway",
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named(fault: Fault) -> None:
    told = told_of(fault)
    assert fault.named(told), told
