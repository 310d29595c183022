"""Section `training`: optimisation, checkpoints, the machines, the search."""

from __future__ import annotations

from typing import Any, Literal

from mlopsgen.spec.base import Items, Mistake, Section, field, model_validator
from mlopsgen.spec.scalars import Cpu, Key, LabelValue, Memory, Path, Store


class Checkpoint(Section):
    """Saved states of a run."""

    every: int = field(500, "Steps between two checkpoints.", unit="optimizer steps", example=500, ge=1)
    keep: int = field(3, "Latest checkpoints kept; the best is kept besides.", example=3, ge=1, le=1000)
    store: Store = field(
        "checkpoints",
        "Object store or folder; durable storage survives a lost machine.",
        example="s3://acme-mlops/checkpoints",
    )
    size: Memory = field(
        "50Gi", "Size of the volume in Kubernetes, where the store is a folder.", unit="bytes", example="200Gi"
    )


class TrainingResources(Section):
    """What one training run asks for, per node."""

    gpu: int = field(0, "GPUs per node.", unit="GPUs", example=1, ge=0, le=64)
    gpu_type: LabelValue | None = field(
        None, "Value of the node label `nvidia.com/gpu.product`, in lower case.", example="nvidia-h100-80gb"
    )
    nodes: int = field(1, "Number of nodes.", example=1, ge=1, le=1024)
    cpu: Cpu = field("4", "CPU per node.", unit="cores", example=8)
    memory: Memory = field("8Gi", "Memory per node.", unit="bytes", example="64Gi")
    spot: bool = field(False, "Spot machines may be used; a run resumes from its last checkpoint.", example=True)


class Metric(Section):
    """A quantity to optimise."""

    name: Key = field("val_loss", "A metric that the evaluation reports.", example="val_loss")
    goal: Literal["minimize", "maximize"] = field("minimize", "Direction.", example="minimize")


class Distribution(Section):
    """Values that one parameter may take; exactly one key is given."""

    uniform: Items[float] | None = field(
        None, "Even between two numbers.", example=[0.0, 0.3], min_length=2, max_length=2
    )
    log_uniform: Items[float] | None = field(
        None,
        "Even on a logarithmic scale between two positive numbers.",
        example=[1e-6, 1e-4],
        min_length=2,
        max_length=2,
    )
    int_uniform: Items[int] | None = field(
        None, "Whole numbers, both ends in.", example=[1, 8], min_length=2, max_length=2
    )
    choice: Items[Any] | None = field(None, "One of a list.", example=[8, 16, 32], min_length=1)

    @model_validator(mode="after")
    def _exactly_one(self) -> Distribution:
        given = [
            name for name in ("uniform", "log_uniform", "int_uniform", "choice") if getattr(self, name) is not None
        ]
        if len(given) != 1:
            raise Mistake(
                "distribution", "{count} distributions are given, one is needed", {"count": len(given) or "no"}
            )
        ends = getattr(self, given[0])
        if given[0] != "choice" and not ends[0] < ends[1]:
            raise Mistake("range", "{name} does not rise", {"name": given[0], "at": given[0]})
        if given[0] == "log_uniform" and ends[0] <= 0:
            raise Mistake("range", "log_uniform needs positive numbers", {"at": given[0]})
        return self


class Search(Section):
    """Hyperparameter search."""

    method: Literal["bayes", "random", "grid"] = field("bayes", "How trials are chosen.", example="bayes")
    metric: Metric = field({}, "What is optimised.", example={"name": "val_loss", "goal": "minimize"})
    trials: int = field(20, "Number of trials.", example=20, ge=1, le=10000)
    parameters: dict[str, Distribution] = field(
        ...,
        "Fields of `training` or `model` and their distributions.",
        example={"learning_rate": {"log_uniform": [1e-6, 1e-4]}},
        min_length=1,
    )


class Training(Section):
    """How the model is trained."""

    epochs: float = field(
        1, "Passes over the training part.", unit="epochs", example=3, gt=0, le=10000, allow_inf_nan=False
    )
    learning_rate: float | None = field(
        None,
        "Peak learning rate.",
        example=2e-5,
        derived="how it is trained: 1e-3 from scratch, 2e-4 with an adapter, 2e-5 for all weights of a base",
        gt=0,
        lt=10,
        allow_inf_nan=False,
    )
    batch_size: int = field(
        16, "Sequences per optimizer step, over all devices.", unit="sequences", example=16, ge=1, le=10**6
    )
    scheduler: Literal["cosine", "linear", "constant"] = field(
        "cosine", "Course of the learning rate after the warm-up.", example="cosine"
    )
    warmup_steps: int = field(0, "Steps over which the learning rate rises.", unit="optimizer steps", example=100, ge=0)
    weight_decay: float = field(0.01, "Decoupled weight decay.", example=0.1, ge=0, le=1, allow_inf_nan=False)
    precision: Literal["bf16", "fp16", "fp32"] = field("fp32", "Number format of the computation.", example="bf16")
    max_length: int = field(
        512, "Longest sequence; longer records are cut.", unit="tokens", example=2048, ge=8, le=10**7
    )
    packing: bool = field(
        False, "Several records share a sequence, with attention that keeps them apart.", example=True
    )
    seed: int = field(42, "Seed of weights, order and dropout.", example=42, ge=0, le=2**32 - 1)
    checkpoint: Checkpoint = field({}, "Saved states.", example={"every": 500, "keep": 3})
    resources: TrainingResources = field({}, "Machines.", example={"gpu": 1, "memory": "64Gi"})
    engine: Literal["job", "jobset", "trainjob"] = field(
        "job",
        "Kubernetes object that runs it: an Indexed Job with torchrun, a JobSet, or a Kubeflow TrainJob.",
        example="job",
    )
    requirements: Path = field(
        "requirements.txt",
        "Python packages of pipeline and training image, `mlopsgen[runtime]` among them.",
        example="requirements.txt",
    )
    search: Search | None = field(
        None, "Hyperparameter search.", example={"parameters": {"learning_rate": {"log_uniform": [1e-6, 1e-4]}}}
    )
