"""The judges of selectors and network policies: each fault is named."""

from __future__ import annotations

import pytest

from tests.manifests.faults import GONE, Fault, told_of

FAULTS = {
    "service-without-pods": Fault(
        "docstrings", "Service/docstrings-champion", "spec/selector/variant", "champ", "spec.selector: matches no pods"
    ),
    "service-target-port": Fault(
        "docstrings", "Service/docstrings", "spec/ports/0/targetPort", "htpp", "has no container with port htpp"
    ),
    "service-of-the-other-variant": Fault(
        "docstrings", "Service/docstrings-canary", "spec/selector/variant", "champion", "is to take the pods of"
    ),
    "service-of-both-variants": Fault(
        "docstrings", "Service/docstrings-champion", "spec/selector/variant", GONE, "is to mean one workload"
    ),
    "service-of-two-components": Fault(
        "docstrings",
        "Service/docstrings",
        "spec/selector",
        {"app.kubernetes.io/name": "docstrings"},
        "mixes components",
    ),
    "route-without-a-split": Fault(
        "docstrings",
        "Service/docstrings-canary",
        "spec/selector/variant",
        "champion",
        "both lead to",
        "HTTPRoute/docstrings",
    ),
    "deployment-selector": Fault(
        "docstrings",
        "Deployment/docstrings-champion",
        "spec/selector/matchLabels/variant",
        "champ",
        "does not match the labels of its own pods",
    ),
    "deployments-overlap": Fault(
        "docstrings",
        "Deployment/docstrings-champion",
        "spec/selector/matchLabels/variant",
        GONE,
        "takes the pods of Deployment/docstrings-canary as well",
    ),
    "spread": Fault(
        "docstrings",
        "Deployment/docstrings-champion",
        "spec/template/spec/topologySpreadConstraints/0/labelSelector/matchLabels/variant",
        "canary",
        "does not count its own pods",
    ),
    "budget-without-pods": Fault(
        "docstrings",
        "PodDisruptionBudget/docstrings-champion",
        "spec/selector/matchLabels/variant",
        "champ",
        "matches no pods",
    ),
    "budget-that-blocks": Fault(
        "support",
        "PodDisruptionBudget/support-assistant-champion",
        "spec",
        lambda spec: {"minAvailable": 4, "selector": spec["selector"]},
        "4 of 4 pods: no node could ever be drained",
    ),
    "policy-without-pods": Fault(
        "docstrings",
        "NetworkPolicy/docstrings-quality",
        "spec/podSelector/matchLabels/app.kubernetes.io~1component",
        "qualty",
        "spec.podSelector: matches no pods",
    ),
    "policy-port": Fault(
        "docstrings",
        "NetworkPolicy/docstrings-serving",
        "spec/ingress/0/ports/0/port",
        8001,
        "no container of the pods has port 8001",
    ),
    "policy-type": Fault(
        "docstrings", "NetworkPolicy/docstrings-serving", "spec/policyTypes", ["Ingress"], "the rules have no effect"
    ),
    "policy-closes-the-gateway-out": Fault(
        "docstrings",
        "NetworkPolicy/docstrings-serving",
        "spec/ingress/0/from",
        [{"podSelector": {}}],
        "no policy lets the gateway of gateway in",
        "Deployment/docstrings-champion",
    ),
    "policy-closes-the-router-out": Fault(
        "docstrings-nginx",
        "NetworkPolicy/docstrings-serving",
        "spec/ingress",
        [],
        "no policy lets Deployment/docstrings-nginx in",
        "Deployment/docstrings-champion",
    ),
    "policy-without-names": Fault(
        "docstrings",
        "NetworkPolicy/docstrings-quality",
        "spec/egress/0",
        GONE,
        "no policy lets it look up names",
        "Deployment/docstrings-quality",
    ),
    "policy-closes-prometheus-out": Fault(
        "docstrings",
        "NetworkPolicy/docstrings-rollout",
        "spec/egress",
        lambda rules: [rule for rule in rules if {"protocol": "TCP", "port": 9090} not in rule["ports"]],
        "no policy lets it call namespace monitoring on port 9090",
        "Deployment/docstrings-rollout",
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named(fault: Fault) -> None:
    told = told_of(fault)
    assert fault.named(told), told
