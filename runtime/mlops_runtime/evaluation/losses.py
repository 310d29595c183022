"""Losses of the validation part, record by record, in `reports/evaluation.npz`.

A NumPy archive of four arrays of the same length, read without pickle:

- `id`: uint64, the record's id (16 hex digits) as a number;
- `nll`: float64, negative log-likelihood in nats, summed over the record's target tokens, or over its one label;
- `tokens`: int64, number of target tokens; 1 for a classification;
- `correct`: int64, how many of them were predicted first.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_runtime.data.atomic import write as written
from mlops_runtime.errors import Mistaken

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS = {"id": "uint64", "nll": "float64", "tokens": "int64", "correct": "int64"}


class Losses(NamedTuple):
    """One number a record and array, in the order of the ids."""

    id: NDArray[Any]
    nll: NDArray[Any]
    tokens: NDArray[Any]
    correct: NDArray[Any]


def write(path: str, ids: Sequence[str], nll: Sequence[float], tokens: Sequence[int], correct: Sequence[int]) -> None:
    """Write the archive, whole or not at all; the same losses are the same bytes.

    Args:
        path: of the file.
        ids: 16 hex digits each.
        nll: by record.
        tokens: by record.
        correct: by record.

    Raises:
        ValueError: lengths differ, or an id is twice.
    """
    import numpy as np

    columns = {"id": [int(one, 16) for one in ids], "nll": nll, "tokens": tokens, "correct": correct}
    arrays = {name: np.asarray(columns[name], dtype=kind) for name, kind in KINDS.items()}
    if len({len(array) for array in arrays.values()}) != 1 or len(np.unique(arrays["id"])) != len(ids):
        raise ValueError("one loss for each record, and each record once")
    order = np.argsort(arrays["id"], kind="stable")
    content = io.BytesIO()
    kept: dict[str, Any] = {name: array[order] for name, array in arrays.items()}
    np.savez_compressed(content, **kept)
    written(path, content.getvalue())


def read(path: str) -> Losses:
    """The archive's arrays.

    Raises:
        Mistaken: no such file, or something else than such an archive.
    """
    import zipfile

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in KINDS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        raise Mistaken(f"{path} cannot be read as losses by record ({reason}): run `dvc repro evaluate`") from None
    wrong = [name for name, kind in KINDS.items() if str(arrays[name].dtype) != kind or arrays[name].ndim != 1]
    if wrong or len({len(array) for array in arrays.values()}) != 1:
        raise Mistaken(f"{path} does not hold losses by record: run `dvc repro evaluate`")
    return Losses(**arrays)
