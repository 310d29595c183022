"""The records that the served model is scored on: a fixed sample of the held-out part, as tokens."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlops_runtime.data.heldout import sample
from mlops_runtime.errors import Mistaken
from mlops_runtime.quality import subject
from mlops_runtime.quality.settings import Settings
from mlops_runtime.quality.subject import Subject
from mlops_runtime.training import examples
from mlops_runtime.training.rendering import Encoded

CLASSES = "text-classification"


class Question(NamedTuple):
    """One record.

    Attributes:
        encoded: its tokens, and which of them are targets.
        text: that is classified; empty for other tasks.
        label: the right class; empty for other tasks.
    """

    encoded: Encoded
    text: str = ""
    label: str = ""


def questions(settings: Settings, about: Subject) -> list[Question]:
    """The sample, the same in each cycle and for each version of the model, as long as the records are the same.

    Records are those of `monitoring.quality.dataset`; where the file is not here, as in a pod, those that the run of
    the model keeps under the file's name. Records without a target, as the cut at `training.max_length` leaves them,
    are left out, as in training and evaluation.

    Raises:
        Mistaken: no records anywhere, none with a target, or records that the model cannot take.
    """
    with tempfile.TemporaryDirectory(prefix="mlops-quality-") as folder:
        path: str | None = settings.dataset
        if not os.path.exists(settings.dataset):
            path = subject.artifact(about.uri, os.path.basename(settings.dataset), folder)
        if path is None:
            raise Mistaken(
                f"there is no {settings.dataset} here, and the run of {about.uri} keeps no "
                f"{os.path.basename(settings.dataset)}: put the file there, or train and register the model again"
            )
        chosen = sample(examples.read(path), settings.samples)
    rows = about.rendering.encode(chosen) if chosen else []
    found = [_question(about, record, row) for record, row in zip(chosen, rows, strict=True)]
    found = [one for one in found if one.label or one.encoded.spans]
    if not found:
        raise Mistaken(f"{settings.dataset} leaves nothing to score: it is empty, or no record of it has a target")
    return found


def _question(about: Subject, record: Mapping[str, Any], row: Encoded) -> Question:
    if about.rendering.task != CLASSES:
        return Question(row)
    roles = about.rendering.roles
    return Question(row, str(record[roles["text"]]), str(record[roles["label"]]))
