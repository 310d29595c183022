"""Metrics of a validation part from what each of its records scored."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

LONGEST = 700.0
"""Loss from which on its exponential is infinite; a double's limit is 709."""


def language(nll: Floats, correct: Integers, tokens: Integers) -> dict[str, float]:
    """`val_loss`, `val_perplexity` and `val_accuracy` of a language model.

    They are ratios of sums over the whole part, so that each token counts alike; a mean over records or batches would
    count the tokens of short ones more. Perplexity is exp(sum of nll / sum of tokens).

    Args:
        nll: by record, negative log-likelihood of its targets in nats.
        correct: by record, targets predicted first.
        tokens: by record, number of targets, at least 1.
    """
    loss = float(nll.sum() / tokens.sum())
    found = {
        "val_loss": loss,
        "val_perplexity": math.exp(loss) if loss < LONGEST else math.inf,
        "val_accuracy": float(correct.sum() / tokens.sum()),
    }
    return _closed(found)


def classes(nll: Floats, predicted: Integers, labels: Integers) -> dict[str, float]:
    """`val_loss`, `val_accuracy`, `val_f1`, `val_precision` and `val_recall` of a classification.

    The last three are means over the classes that occur or are predicted, by scikit-learn; a class that is never
    predicted has precision 0.

    Args:
        nll: by record, negative log-likelihood of its class in nats.
        predicted: by record, index of the likeliest class.
        labels: by record, index of the right one.
    """
    from sklearn.metrics import precision_recall_fscore_support  # type: ignore[import-untyped]

    precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0.0)
    found = {
        "val_loss": float(nll.mean()),
        "val_accuracy": float((predicted == labels).mean()),
        "val_f1": float(f1),
        "val_precision": float(precision),
        "val_recall": float(recall),
    }
    return _closed(found)


def _closed(found: dict[str, float]) -> dict[str, float]:
    """A model whose loss is not finite predicts nothing: no metric of it is a number that could pass a gate."""
    if math.isfinite(found["val_loss"]):
        return found
    return {name: value if name == "val_loss" else math.nan for name, value in found.items()}
