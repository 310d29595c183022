"""The decision of a canary rollout: counts in, a judgement out. No clock, no input or output, no state of its own."""

from mlops_runtime.rollout.decision.evidence import Evidence
from mlops_runtime.rollout.decision.findings import Finding
from mlops_runtime.rollout.decision.judgement import Judgement, judge
from mlops_runtime.rollout.decision.policy import Policy
from mlops_runtime.rollout.decision.windows import Arm, Window

__all__ = ["Arm", "Evidence", "Finding", "Judgement", "Policy", "Window", "judge"]
