"""`mlops-runtime evaluate`: the trained model on the validation part, record by record."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlops_runtime import models, parameters
from mlops_runtime.data import heldout
from mlops_runtime.data.records import write_jsonl
from mlops_runtime.errors import Mistaken
from mlops_runtime.evaluation import losses, metrics, model_run, report, samples
from mlops_runtime.training import examples
from mlopsgen.contract import files
from mlopsgen.contract.evaluation import METRICS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlops_runtime.models import Loaded
    from mlops_runtime.training.examples import Examples

BASELINES = {"unigram_loss": "unigram model", "prior_loss": "class frequencies"}
"""What the trainer reports for scale: the loss of knowing only how often each token, or each class, is a target."""


def evaluate() -> dict[str, Any]:
    """Score `models/model` on `data/processed/validation.jsonl`.

    Writes `reports/evaluation.json` (the metrics that the contract names for the task; `records`, `tokens`: targets;
    `left_out`: records without a target; the baseline of the training report) and `reports/evaluation.npz` (losses by
    record). Both go to the MLflow run that trained the model, with a table of sample predictions and a sample of the
    validation part (`heldout.KEPT` records at most), on which the quality exporter scores the served model.

    Memory holds one micro-batch and a few numbers a record, however large the part and the vocabulary are.

    Returns:
        The report.

    Raises:
        Mistaken: no model, no data, or a model of another task or length than `params.yaml` has.
    """
    given = parameters.read("model", "train")
    loaded = models.load(files.MODEL)
    _fitting(loaded, given)
    run = model_run.find()
    if run is not None:
        run.log_table("predictions", samples.COLUMNS, samples.rows(loaded, examples.read(files.VALIDATION)))
    found = _scored(loaded)
    found |= _baseline()
    report.write(files.EVALUATION, found)
    if run is not None:
        run.log_metrics({name: found[name] for name in METRICS[loaded.info["task"]]})
        run.log_artifact(files.EVALUATION)
        run.log_artifact(files.EVALUATION_RECORDS)
        _keep_records(run)
    return found


def _keep_records(run: model_run.ModelRun) -> None:
    """Keep a sample of the validation part with the run, where the quality exporter finds it."""
    with tempfile.TemporaryDirectory(prefix="mlops-") as folder:
        path = os.path.join(folder, os.path.basename(files.VALIDATION))
        write_jsonl(path, heldout.sample(examples.read(files.VALIDATION), heldout.KEPT))
        run.log_artifact(path)


def _fitting(loaded: Loaded, given: Mapping[str, Any]) -> None:
    asked = {"model.task": given["model"].get("task"), "train.max_length": given["train"].get("max_length")}
    trained = {"model.task": loaded.info["task"], "train.max_length": loaded.info["max_length"]}
    for name, value in asked.items():
        if value != trained[name]:
            raise Mistaken(
                f"{files.PARAMS}: `{name}` is {value}, and {files.MODEL} was trained with {trained[name]}: run `dvc "
                "repro train`, or set it back"
            )


def _scored(loaded: Loaded) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="mlops-") as folder:
        left_out = examples.write(folder, examples.read(files.VALIDATION), loaded.rendering, files.VALIDATION)
        part = examples.Examples(folder)
        nll, second = _by_record(loaded, part)
        names = [part.name(record) for record in range(len(part))]
        if loaded.info["task"] == "text-classification":
            right, found = second == part.labels, metrics.classes(nll, second, part.labels)
            sizes = {"records": len(part), "left_out": left_out}
        else:
            right, found = second, metrics.language(nll, second, part.targets)
            sizes = {"records": len(part), "tokens": int(part.targets.sum()), "left_out": left_out}
        if len(set(names)) != len(names):
            raise Mistaken(f"{files.VALIDATION} has a record twice, by its `id`: run `dvc repro --force prepare`")
        losses.write(files.EVALUATION_RECORDS, names, nll.tolist(), part.targets.tolist(), right.tolist())
    assert set(found) == set(METRICS[loaded.info["task"]])
    return {**found, **sizes}


def _by_record(loaded: Loaded, part: Examples) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Losses, and hits of a language model or predicted classes of a classification, by record."""
    import torch
    from tqdm import tqdm  # type: ignore[import-untyped]

    from mlops_runtime.training.scoring import Classes, by_record, scorer

    class Predicting(Classes):
        """Hands out the predicted class where others say whether it is the right one."""

        def forward(self, batch: Any, apart: bool = False) -> Any:
            logits = self._logits(batch)
            return torch.nn.functional.cross_entropy(logits, batch.wanted, reduction="none"), logits.argmax(1)

    pad = loaded.tokenizer.pad_token_id
    task = loaded.info["task"]
    model = Predicting(loaded.model, pad) if task == "text-classification" else scorer(loaded.model, task, pad)
    model.eval()
    with tqdm(
        desc="evaluate", total=int(part.targets.sum()), unit=" targets", disable=None, delay=2, leave=False
    ) as bar:
        model.register_forward_hook(lambda _, given, __: bar.update(given[0].wanted.numel()))
        return by_record(model, part, loaded.model.device)


def _baseline() -> dict[str, float]:
    """The trainer's baseline, which is of this model's data and tokens; nothing where its report is not there."""
    try:
        with open(files.TRAINING, encoding="utf-8") as stream:
            training = json.load(stream)
    except (OSError, ValueError):
        return {}
    return {name: training[name] for name in BASELINES if isinstance(training.get(name), float)}


def summary(found: Mapping[str, Any]) -> str:
    """The report in one line for people."""
    parts = [f"loss {found['val_loss']:.4f}"]
    parts += [f"{against} {found[name]:.4f}" for name, against in BASELINES.items() if name in found]
    parts += [f"{word} {found[name]:{form}}" for name, (word, form) in _SHOWN.items() if name in found]
    left_out = f", {found['left_out']:,} left out: no answer within `max_length`" if found["left_out"] else ""
    return f"{files.EVALUATION}: {', '.join(parts)} on {found['records']:,} records{left_out}"


_SHOWN = {
    "val_perplexity": ("perplexity", ".4g"),
    "val_accuracy": ("accuracy", ".2%"),
    "val_f1": ("F1", ".4f"),
}
