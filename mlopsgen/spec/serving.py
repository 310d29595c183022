"""Section `serving`: the server in front of the model."""

from __future__ import annotations

from typing import Any, Literal

from mlopsgen.spec.base import Mistake, Section, field, model_validator
from mlopsgen.spec.scalars import (
    Cpu,
    Currency,
    Duration,
    Header,
    Image,
    Key,
    LabelValue,
    Memory,
    Path,
    SecretKey,
    SecretName,
)


class SecretRef(Section):
    """A secret by name; its value never stands in a file.

    In Kubernetes `secret` names a Secret and `key` an entry of it. In workflows the GitHub secret has the name
    of both in capitals: `{secret: smtp, key: password}` is `SMTP_PASSWORD`.
    """

    secret: SecretName = field(..., "Name of the Secret.", example="serving-token")
    key: SecretKey = field(..., "Entry of it.", example="token")


class ScaleOn(Section):
    """What the autoscaler looks at; never GPU or CPU percent."""

    queue_depth: int = field(
        ..., "Waiting requests per replica that add one more.", unit="requests", example=8, ge=1, le=10**6
    )


class Replicas(Section):
    """Number of servers: a plain number, or a range."""

    min: int = field(1, "Fewest.", unit="pods", example=2, ge=1, le=10000)
    max: int | None = field(None, "Most.", unit="pods", example=10, derived="min: no scaling", ge=1, le=10000)
    scale_on: ScaleOn | None = field(
        None, "What is scaled on.", example={"queue_depth": 8}, derived="queue_depth: 8, where max is above min"
    )
    autoscaler: Literal["keda", "hpa"] = field(
        "keda",
        "What scales: KEDA, which asks Prometheus itself, or a plain HorizontalPodAutoscaler, for which the cluster "
        "needs a metrics adapter.",
        example="keda",
    )
    min_available: int | None = field(
        None,
        "Pods that a drained node must leave running.",
        unit="pods",
        example=1,
        derived="all but one",
        ge=1,
        le=10000,
    )

    @model_validator(mode="before")
    @classmethod
    def _plain_number(cls, value: Any) -> Any:
        return {"min": value} if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _rises(self) -> Replicas:
        if self.max is not None and self.max < self.min:
            raise Mistake(
                "crossed_bounds", "min {low} is above max {high}", {"low": self.min, "high": self.max, "at": "max"}
            )
        return self


class RateLimit(Section):
    """Requests one caller may send."""

    requests: int = field(..., "Requests per window.", example=60, ge=1, le=10**9)
    per: Duration = field("1m", "Window.", unit="duration", example="1m")
    by: Header | None = field(
        None, "Header that tells callers apart.", example="x-user-id", derived="the client's address"
    )


class Limits(Section):
    """Most that one server may use."""

    cpu: Cpu | None = field(None, "CPU.", unit="cores", example=8, derived="no limit: a throttled server answers late")
    memory: Memory | None = field(None, "Memory.", unit="bytes", example="16Gi", derived="what is asked for")


class ServingResources(Section):
    """What one server asks for."""

    gpu: int = field(0, "GPUs.", unit="GPUs", example=1, ge=0, le=64)
    gpu_type: LabelValue | None = field(None, "Value of the node label `nvidia.com/gpu.product`.", example="nvidia-l4")
    cpu: Cpu = field("2", "CPU.", unit="cores", example=4)
    memory: Memory = field("4Gi", "Memory.", unit="bytes", example="16Gi")
    limits: Limits = field({}, "Upper limits.", example={"memory": "24Gi"})
    gpu_pool: int | None = field(
        None,
        "GPUs in the cluster that servers of this environment may use; lets the compiler say what cannot fit.",
        unit="GPUs",
        example=8,
        derived="not known",
        ge=1,
        le=10**6,
    )


class Update(Section):
    """How pods are replaced when a Deployment changes."""

    surge: int | None = field(
        None, "Pods above the wanted number.", unit="pods", example=0, derived="0 on GPUs, else 1", ge=0, le=10000
    )
    unavailable: int | None = field(
        None, "Pods below the wanted number.", unit="pods", example=1, derived="1 on GPUs, else 0", ge=0, le=10000
    )


class Cost(Section):
    """Prices, for dashboards, plans and the alert on cost."""

    gpu_hour: float = field(..., "Price of a GPU hour.", unit="currency per hour", example=2.5, ge=0, le=1e6)
    currency: Currency = field("USD", "ISO 4217 code.", example="USD")
    budget: float | None = field(
        None,
        "Most that the servers of an environment may cost in 30 days; an alert fires when the last day's cost would "
        "exceed it.",
        unit="currency",
        example=5000,
        derived="no alert",
        gt=0,
        le=1e12,
    )


class Serving(Section):
    """The serving app."""

    engine: Literal["transformers", "vllm", "custom"] = field(
        "transformers",
        "What generates: in process, vLLM behind the app, or any OpenAI-compatible address.",
        example="vllm",
    )
    image: Image | None = field(
        None,
        "Repository of the serving image, without tag.",
        example="ghcr.io/acme/support-assistant",
        derived="ghcr.io/<project.repository>, else project.name",
    )
    port: int = field(8000, "Port of the app.", example=8000, ge=1024, le=65535)
    max_input_tokens: int = field(1024, "Longer prompts are refused.", unit="tokens", example=2000, ge=1, le=10**7)
    max_output_tokens: int = field(256, "Most tokens of an answer.", unit="tokens", example=500, ge=1, le=10**7)
    timeout: Duration = field("30s", "Deadline of a request.", unit="duration", example="30s")
    queue: int = field(
        64, "Waiting requests beyond which the server answers 429.", unit="requests", example=64, ge=1, le=10**6
    )
    auth: SecretRef | None = field(None, "Bearer token.", example={"secret": "serving-token", "key": "token"})
    rate_limit: RateLimit | None = field(None, "Limit per caller.", example={"requests": 60, "per": "1m"})
    resources: ServingResources = field({}, "Machine.", example={"gpu": 1, "cpu": 4})
    replicas: Replicas = field({}, "Number of servers.", example={"min": 2, "max": 10})
    update: Update = field({}, "Replacement of pods.", example={"surge": 1, "unavailable": 0})
    grace: Duration | None = field(
        None,
        "Time to finish between the signal to stop and the end.",
        unit="duration",
        example="1m",
        derived="time until no more requests come, the timeout, and a margin",
    )
    cost: Cost | None = field(None, "Prices.", example={"gpu_hour": 2.5, "currency": "USD"})
    requirements: Path | None = field(
        None,
        "Python packages of the serving image, `mlopsgen[runtime]` or, beside vLLM, `mlopsgen[serve]` among them.",
        example="requirements-serve.txt",
        derived="training.requirements, or requirements-serve.txt beside vLLM, whose own pins exclude the trainer's",
    )
    address: Key | None = field(
        None, "Environment variable that holds the address of a `custom` engine.", example="ENGINE_URL"
    )
