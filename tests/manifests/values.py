"""What the API server checks in values and the published schemas leave open: enumerations, quantities, durations."""

from __future__ import annotations

from typing import Any

ENUMERATIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("core.v1.PodSpec", "restartPolicy"): ("Always", "OnFailure", "Never"),
    ("core.v1.PodSpec", "dnsPolicy"): ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
    ("core.v1.Container", "imagePullPolicy"): ("Always", "IfNotPresent", "Never"),
    ("core.v1.Container", "restartPolicy"): ("Always",),
    ("core.v1.Container", "terminationMessagePolicy"): ("File", "FallbackToLogsOnError"),
    ("core.v1.ContainerPort", "protocol"): ("TCP", "UDP", "SCTP"),
    ("core.v1.ServicePort", "protocol"): ("TCP", "UDP", "SCTP"),
    ("core.v1.ServiceSpec", "type"): ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
    ("core.v1.HTTPGetAction", "scheme"): ("HTTP", "HTTPS"),
    ("core.v1.EmptyDirVolumeSource", "medium"): ("", "Memory"),
    ("core.v1.SeccompProfile", "type"): ("RuntimeDefault", "Unconfined", "Localhost"),
    ("core.v1.Toleration", "operator"): ("Exists", "Equal"),
    ("core.v1.Toleration", "effect"): ("NoSchedule", "PreferNoSchedule", "NoExecute"),
    ("core.v1.TopologySpreadConstraint", "whenUnsatisfiable"): ("DoNotSchedule", "ScheduleAnyway"),
    ("core.v1.PodSecurityContext", "fsGroupChangePolicy"): ("OnRootMismatch", "Always"),
    ("core.v1.PersistentVolumeClaimSpec", "accessModes"): (
        "ReadWriteOnce",
        "ReadOnlyMany",
        "ReadWriteMany",
        "ReadWriteOncePod",
    ),
    ("apps.v1.DeploymentStrategy", "type"): ("Recreate", "RollingUpdate"),
    ("batch.v1.JobSpec", "completionMode"): ("NonIndexed", "Indexed"),
    ("batch.v1.JobSpec", "podReplacementPolicy"): ("TerminatingOrFailed", "Failed"),
    ("batch.v1.CronJobSpec", "concurrencyPolicy"): ("Allow", "Forbid", "Replace"),
    ("batch.v1.PodFailurePolicyRule", "action"): ("FailJob", "FailIndex", "Ignore", "Count"),
    ("batch.v1.PodFailurePolicyOnExitCodesRequirement", "operator"): ("In", "NotIn"),
    ("autoscaling.v2.MetricSpec", "type"): ("ContainerResource", "External", "Object", "Pods", "Resource"),
    ("autoscaling.v2.MetricTarget", "type"): ("Utilization", "Value", "AverageValue"),
    ("autoscaling.v2.HPAScalingPolicy", "type"): ("Pods", "Percent"),
    ("autoscaling.v2.HPAScalingRules", "selectPolicy"): ("Max", "Min", "Disabled"),
    ("networking.v1.NetworkPolicySpec", "policyTypes"): ("Ingress", "Egress"),
    ("networking.v1.NetworkPolicyPort", "protocol"): ("TCP", "UDP", "SCTP"),
    ("policy.v1.PodDisruptionBudgetSpec", "unhealthyPodEvictionPolicy"): ("IfHealthyBudget", "AlwaysAllow"),
}
"""Allowed values by definition and field, of the Kubernetes API reference."""

QUANTITY = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$"

DURATION = r"^([0-9]+(\.[0-9]+)?(h|m|s|ms|us|ns))+$"
"""How Go, and so Istio and most controllers, writes durations."""


def tightened(definitions: dict[str, Any]) -> dict[str, Any]:
    """The definitions of Kubernetes with enumerations and quantities in them; they are changed in place.

    Raises:
        KeyError: a definition is gone, so that its check would be lost.
    """
    for (place, field), allowed in ENUMERATIONS.items():
        schema = definitions[f"io.k8s.api.{place}"]["properties"][field]
        schema.get("items", schema)["enum"] = list(allowed)
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {
        "oneOf": [{"type": "string", "pattern": QUANTITY}, {"type": "number"}]
    }
    return definitions


ISTIO_DURATIONS = frozenset(
    {
        "baseEjectionTime",
        "connectTimeout",
        "consecutiveGatewayErrorsInterval",
        "fixedDelay",
        "idleTimeout",
        "interval",
        "maxAge",
        "maxConnectionDuration",
        "perTryTimeout",
        "timeout",
        "ttl",
        "warmupDurationSecs",
    }
)
"""Fields of Istio's kinds that hold a duration: the models take any text."""
