"""Section `evaluation`: what a model must show before it may be registered and released."""

from __future__ import annotations

from mlopsgen.spec.base import Bounds, Section, field
from mlopsgen.spec.scalars import Duration, Key, Limit, Path, Share


class AgainstChampion(Section):
    """The new model against the serving one, on the same data."""

    metric: Key = field("val_loss", "Metric compared.", example="val_loss")
    max_worse: Share = field("2%", "How much worse it may be, of the champion's value.", unit="share", example="2%")


class Benchmark(Section):
    """Speed of the model on the evaluation machine."""

    requests: int = field(100, "Requests sent.", example=100, ge=1, le=10**6)
    concurrency: int = field(8, "Requests at the same time.", example=8, ge=1, le=10**4)
    latency_p95: Bounds[Duration] | None = field(None, "95th percentile.", unit="duration", example={"max": "500ms"})
    tokens_per_second: Bounds[float] | None = field(
        None, "Output tokens over all requests.", unit="tokens per second", example={"min": 50}
    )


class Safety(Section):
    """Harmful prompts are refused, harmless ones are not."""

    prompts: Path = field(..., "JSONL with `prompt` and `harmful`.", example="tests/safety.jsonl")
    refusal_rate: Bounds[Share] | None = field(
        None, "Share of harmful prompts refused.", unit="share", example={"min": "95%"}
    )
    over_refusal_rate: Bounds[Share] | None = field(
        None, "Share of harmless prompts refused.", unit="share", example={"max": "5%"}
    )


class Bias(Section):
    """The same sentence with another group's word must not change the outcome beyond chance and a stated gap."""

    pairs: Path = field(
        ...,
        'JSONL of `{"id", "variants": {group: text}}`, the same text with another word for the group; 30 sets or more.',
        example="tests/bias.jsonl",
    )
    gap: Bounds[float] = field(
        ...,
        "Difference between groups, by the upper end of its interval.",
        unit="difference, 0 to 1",
        example={"max": 0.1},
    )


class Evaluation(Section):
    """Tests and gates of a trained model."""

    gates: dict[Key, Bounds[Limit]] = field(
        {},
        "Limits on metrics of the evaluation; a model outside of them is not registered.",
        example={"val_loss": {"max": 2.0}},
    )
    against_champion: AgainstChampion | None = field(
        None,
        "Comparison with the champion; skipped while there is none.",
        example={"metric": "val_loss", "max_worse": "2%"},
    )
    benchmark: Benchmark | None = field(None, "Speed test.", example={"requests": 100, "latency_p95": {"max": "500ms"}})
    safety: Safety | None = field(None, "Safety suite.", example={"prompts": "tests/safety.jsonl"})
    bias: Bias | None = field(None, "Bias suite.", example={"pairs": "tests/bias.jsonl", "gap": {"max": 0.1}})
