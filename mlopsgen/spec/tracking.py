"""Section `tracking`: where runs are recorded."""

from __future__ import annotations

from mlopsgen.spec.base import Section, field
from mlopsgen.spec.scalars import LabelValue, RegistryName, Url


class Mlflow(Section):
    """MLflow server or local store."""

    uri: Url | None = field(
        None, "Tracking server.", example="https://mlflow.acme.dev", derived="SQLite beside mlops.yaml"
    )
    experiment: RegistryName | None = field(
        None, "Experiment that runs go to.", example="llama2-7b-finetuning", derived="project.name"
    )


class Wandb(Section):
    """Weights & Biases, beside MLflow."""

    entity: LabelValue = field(..., "Team or user.", example="acme")
    project: LabelValue = field(..., "Project there.", example="llama2-finetuning")


class Tracking(Section):
    """Experiment tracking."""

    mlflow: Mlflow = field({}, "MLflow.", example={"uri": "https://mlflow.acme.dev"})
    wandb: Wandb | None = field(
        None, "Weights & Biases; off when absent.", example={"entity": "acme", "project": "llama2-finetuning"}
    )
