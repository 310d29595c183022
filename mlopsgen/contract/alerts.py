"""Names of the alerts that are made for every project. Each has a runbook of its name."""

from __future__ import annotations

NAMES = (
    "ModelErrorRateHigh",
    "ModelLatencyHigh",
    "ModelTrafficDrop",
    "ModelGpuMemoryHigh",
    "ModelQueueFull",
    "ModelServerDown",
    "ModelAvailabilityBurnPageFast",
    "ModelAvailabilityBurnPageSlow",
    "ModelAvailabilityBurnTicketFast",
    "ModelAvailabilityBurnTicketSlow",
    "ModelLatencyBurnPageFast",
    "ModelLatencyBurnPageSlow",
    "ModelLatencyBurnTicketFast",
    "ModelLatencyBurnTicketSlow",
    "ModelAccuracyLow",
    "ModelInputDrift",
    "ModelQualityStale",
    "ModelCanaryStalled",
    "ModelCheckpointStale",
    "ModelCostOverBudget",
    "GpuXidError",
    "GpuTooHot",
    "ModelExporterDown",
    "ModelMetricAbsent",
)
