"""The whole document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from mlopsgen.spec.base import BeforeValidator, Items, Mistake, Section, field
from mlopsgen.spec.ci import Ci
from mlopsgen.spec.customize import Patch, Targets
from mlopsgen.spec.data import Data
from mlopsgen.spec.environments import Environment
from mlopsgen.spec.evaluation import Evaluation
from mlopsgen.spec.experiment import Experiment
from mlopsgen.spec.model import Model
from mlopsgen.spec.monitoring import Monitoring
from mlopsgen.spec.project import ProjectInfo
from mlopsgen.spec.registry import Registry
from mlopsgen.spec.rollout import Rollout
from mlopsgen.spec.scalars import DnsLabel, Path
from mlopsgen.spec.serving import Serving
from mlopsgen.spec.tracking import Tracking
from mlopsgen.spec.training import Training


def _version(value: Any) -> Any:
    if isinstance(value, bool):  # true is 1 in Python
        found = {"found": str(value).lower(), "hint": "write `version: 1`"}
        raise Mistake("literal_error", "{found} is not a version of the language", found)
    return value


class Spec(Section):
    """mlops.yaml, version 1. Keys that begin with `x-` are anyone's own and ignored."""

    version: Annotated[Literal[1], BeforeValidator(_version)] = field(..., "Version of the language.", example=1)
    project: ProjectInfo = field(..., "Identity.", example={"name": "docstrings"})
    data: Data = field(..., "Data.", example={"raw": "data/raw"})
    model: Model = field(..., "Model.", example={"base": "meta-llama/Llama-2-7b-hf"})
    training: Training = field({}, "Training.", example={"epochs": 3})
    tracking: Tracking = field({}, "Tracking.", example={"mlflow": {}})
    evaluation: Evaluation = field({}, "Evaluation.", example={"gates": {"val_loss": {"max": 2.0}}})
    registry: Registry = field({}, "Registry.", example={"keep": 3})
    serving: Serving = field({}, "Serving.", example={"engine": "vllm"})
    environments: dict[DnsLabel, Environment] = field(
        {},
        "Environments, in the order of release.",
        example={"production": {"branch": "main"}},
        derived="staging from branch dev, production from branch main with approval",
    )
    rollout: Rollout = field({}, "Canary.", example={"steps": ["5%", "100%"]})
    experiment: Experiment | None = field(None, "A/B test.", example={"sticky": {"header": "x-user-id"}})
    monitoring: Monitoring = field({}, "Monitoring.", example={"scrape_interval": "15s"})
    ci: Ci = field({}, "Workflows.", example={"python": "3.11"})
    targets: Targets = field({}, "Groups of output.", example={"grafana": False})
    templates: Path | None = field(
        None, "Folder whose files replace templates of the same name.", example="ops/templates"
    )
    unmanaged: Items[Path] = field(
        (), "Generated files that are yours: never written, never removed.", example=["docker/train.Dockerfile"]
    )
    patches: Items[Patch] = field(
        (),
        "Changes to generated files.",
        example=[{"file": "dvc.yaml", "ops": [{"op": "remove", "path": "/plots"}]}],
    )
