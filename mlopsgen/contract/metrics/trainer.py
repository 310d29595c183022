"""What the trainer exports while it runs; of several ranks the first one does."""

from __future__ import annotations

from mlopsgen.contract.metrics.family import MODEL, Family

STEP_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

PART = ("train", "validation")

FAMILIES: tuple[Family, ...] = (
    Family("model_training_step", "gauge", "Optimizer steps done.", "steps", (MODEL,), source="trainer"),
    Family("model_training_steps_planned", "gauge", "Optimizer steps of the run.", "steps", (MODEL,), source="trainer"),
    Family("model_training_epoch", "gauge", "Passes over the data done.", "epochs", (MODEL,), source="trainer"),
    Family(
        "model_training_loss",
        "gauge",
        "Loss per token, of the last step or the last validation.",
        "nats",
        (MODEL, ("part", PART)),
        source="trainer",
    ),
    Family("model_training_learning_rate", "gauge", "Learning rate.", "", (MODEL,), source="trainer"),
    Family("model_training_gradient_norm", "gauge", "Norm of the gradient.", "", (MODEL,), source="trainer"),
    Family(
        "model_training_tokens_total",
        "counter",
        "Tokens trained on, padding left out.",
        "tokens",
        (MODEL,),
        source="trainer",
    ),
    Family(
        "model_training_step_duration_seconds",
        "histogram",
        "Time of an optimizer step.",
        "seconds",
        (MODEL,),
        STEP_BUCKETS,
        source="trainer",
    ),
    Family(
        "model_training_checkpoint_step",
        "gauge",
        "Step of the last checkpoint that is complete and stored; 0 before the first.",
        "steps",
        (MODEL,),
        source="trainer",
    ),
)
