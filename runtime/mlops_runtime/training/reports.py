"""What a run leaves behind: the loss curve as a table and a picture, and its numbers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlops_runtime import machine
from mlops_runtime.data.atomic import write
from mlops_runtime.training.loop import State
from mlopsgen.contract.files import LOSS, LOSS_COLUMNS, LOSS_PICTURE

if TYPE_CHECKING:
    import torch

    from mlops_runtime.training.examples import Examples

Row = tuple[int, float, float | None]


def curve(rows: Sequence[Row]) -> None:
    """Write the loss curve: columns of `LOSS_COLUMNS`; empty where nothing was validated."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(LOSS_COLUMNS.values())
    table.writerows(["" if value is None else value for value in row] for row in rows)
    write(LOSS, text.getvalue().encode())


def picture(rows: Sequence[Row], unigram: float | None) -> None:
    """Draw the loss curve, with the loss of the unigram model for scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot(xlabel="optimizer step", ylabel="loss (nats per target)")
    axes.plot([row[0] for row in rows], [row[1] for row in rows], label="training", linewidth=1)
    validated = [(row[0], row[2]) for row in rows if row[2] is not None]
    axes.plot([row[0] for row in validated], [row[1] for row in validated], "o-", label="validation", markersize=4)
    if unigram is not None:
        axes.axhline(unigram, linestyle=":", color="grey", label="unigram model")
    axes.grid(alpha=0.3)
    axes.legend()
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    write(LOSS_PICTURE, stream.getvalue())


def numbers(
    state: State, scores: tuple[float, int, int], unigram: float, epochs: float, classes: bool
) -> dict[str, float]:
    """The numbers of a run, flat, for `dvc metrics`.

    Args:
        state: at the end.
        scores: sum of losses, targets and hits over the whole validation part, of the model that is kept.
        unigram: from `unigram_loss`.
        epochs: passes over the training part.
        classes: the targets are classes, not tokens.
    """
    loss = scores[0] / scores[1]
    found = {
        "train_loss": state.rows[-1][1],
        "val_loss": loss,
        "val_accuracy": scores[2] / scores[1],
        "prior_loss" if classes else "unigram_loss": unigram,
        "steps": state.step,
        "best_step": state.best["step"],
        "epochs": epochs,
        "tokens": state.tokens,
        "seconds": round(state.seconds, 3),
        "tokens_per_second": round(state.tokens / max(1e-9, state.seconds), 1),
    }
    if not classes:
        found["val_perplexity"] = math.exp(min(loss, 700.0))
    return found


def unigram_loss(training: Examples, validation: Examples, size: int, classes: bool) -> float:
    """Loss, in nats per target, of knowing only how often each token (or class) is a target.

    Counted on the training part, add-one smoothed over `size` tokens or classes, and scored on the targets of the
    validation part, so that it compares with the validation loss.
    """
    import numpy as np

    if classes:
        seen, wanted = (np.bincount(part.labels, minlength=size) for part in (training, validation))
    else:
        seen, wanted = training.counts(size), validation.counts(size)
    logs = np.log((seen + 1) / (seen.sum() + size))
    return float(-(wanted * logs).sum() / wanted.sum())


def peak_memory(device: torch.device) -> int:
    """Most memory that the process had, in bytes: of the GPU, or else of the machine."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return machine.peak_memory()
