"""What new data is compared with: counts of the data that the champion was trained on, or of data at a path."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlops_runtime.data import columns as known
from mlops_runtime.data.features import BY_TYPE, FILE, Features, TooManyClasses, counted, load, save
from mlops_runtime.data.progress import progress
from mlops_runtime.data.records import SUFFIXES, read
from mlops_runtime.errors import Mistaken
from mlops_runtime.preprocessing import Preprocessing
from mlopsgen.contract import files

CHAMPION = "champion"
"""The reference that is no path."""


def features(
    reference: str, wanted: Mapping[str, Sequence[str]], data: Mapping[str, Any], steps: Sequence[str]
) -> Features | None:
    """Counts of the reference.

    Args:
        reference: `champion`, or a path: records of any format, prepared or raw, or counts (`features.json`).
        wanted: features by column.
        data: section `data` of `params.yaml`.
        steps: preprocessing of records that are not prepared.

    Returns:
        The counts; None while there is no champion, or where its run kept none.

    Raises:
        Mistaken: nothing at the path, or something that cannot be read.
    """
    if reference != CHAMPION:
        if reference.endswith(".json"):
            return load(reference)
        columns = known.checked(data["columns"])
        return counted(prepared(reference, data["format"], columns, Preprocessing(steps)), wanted)
    from mlops_runtime.registry import champion_artifact

    path = champion_artifact(FILE)
    return load(path) if path is not None else None


def prepared(
    path: str, format: str, columns: known.Columns, preprocessing: Preprocessing
) -> Iterator[Mapping[str, Any]]:
    """Records as they are prepared: those that bear their id as they are, others normalised; unusable ones left out.

    Args:
        path: file, or folder of files in `format`.
        format: of a folder, or of a file whose name does not tell.
    """
    suffix = os.path.splitext(path)[1].lower()
    told = next((name for name, endings in SUFFIXES.items() if suffix in endings), format)
    for values, _ in progress(read(path, told), f"count {path}"):
        if known.is_prepared(values):
            yield values
            continue
        try:
            yield known.normalised(values, columns, preprocessing, textual=known.textual(told))
        except known.Dropped:
            continue


def training_part(path: str, wanted: Mapping[str, Sequence[str]]) -> Features:
    """Counts of a prepared part.

    Raises:
        Mistaken: no such part.
    """
    if not os.path.exists(path):
        raise Mistaken(f"there is no {path}: run `dvc repro prepare`, or `dvc pull prepare`")
    return counted((record.values for record in progress(read(path, "jsonl"), f"count {path}")), wanted)


def keep(path: str, columns: Mapping[str, Mapping[str, Any]]) -> None:
    """Count every feature that the columns of the training part have, and write the counts.

    They lie beside the model, and its run keeps them: once it is the champion, `drift` and the quality exporter compare
    with them. They hold all features, so that another choice of `drift.features` needs no new training.

    Args:
        path: of the file, named `FILE`.
        columns: `data.columns` of `params.yaml`.

    Raises:
        Mistaken: no prepared part.
    """
    wanted = {name: BY_TYPE[column["type"]] for name, column in columns.items() if column["type"] in BY_TYPE}
    try:
        found = training_part(files.TRAIN, wanted)
    except TooManyClasses:
        found = training_part(files.TRAIN, {name: given for name, given in wanted.items() if "category" not in given})
    save(path, found)
