"""Metrics that `mlops-runtime evaluate` reports, by task. Gates, searches and comparisons name these."""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """One metric of the evaluation.

    Attributes:
        help: what it measures.
        lower_is_better: direction.
        percent: whether people read it in percent.
    """

    help: str
    lower_is_better: bool
    percent: bool = False


_LANGUAGE = {
    "val_loss": Metric("Negative log-likelihood per token of the validation part.", True),
    "val_perplexity": Metric("exp(sum of negative log-likelihoods / tokens).", True),
    "val_accuracy": Metric("Share of tokens predicted first.", False, True),
}
_CLASSES = {
    "val_loss": Metric("Cross-entropy per record of the validation part.", True),
    "val_accuracy": Metric("Share of records classified rightly.", False, True),
    "val_f1": Metric("F1 score, mean over the classes.", False, True),
    "val_precision": Metric("Precision, mean over the classes.", False, True),
    "val_recall": Metric("Recall, mean over the classes.", False, True),
}

METRICS: dict[str, dict[str, Metric]] = {
    "instruction-tuning": _LANGUAGE,
    "causal-lm": _LANGUAGE,
    "text-classification": _CLASSES,
}
