"""What every process of a run has before it builds the network: the base, the tokenizer, the records as tokens."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_runtime.data.progress import progress
from mlops_runtime.training import examples, networks, vocabulary
from mlops_runtime.training.rendering import Rendering
from mlopsgen.contract.files import TRAIN, VALIDATION

if TYPE_CHECKING:
    from mlops_runtime.training.networks import Base
    from mlops_runtime.training.ranks import Ranks
    from mlops_runtime.training.settings import Settings

PARTS = {"train": TRAIN, "validation": VALIDATION}
"""Processed parts by name."""


class Inputs(NamedTuple):
    """Of a run.

    Attributes:
        run: identity: the same parameters, data and base make the same one.
        base: that the network starts from.
        rendering: with its tokenizer.
        training: records to learn from.
        validation: records held out.
        data: of each part `sha256`, `records` and `left_out`, the number of records without a target.
    """

    run: str
    base: Base
    rendering: Rendering
    training: examples.Examples
    validation: examples.Examples
    data: dict[str, dict[str, Any]]


def made(asked: Settings, group: Ranks, folder: str) -> Inputs:
    """Read and encode, once on each machine; all of its processes map the files.

    Args:
        asked: settings of the run.
        group: processes of the run.
        folder: empty, of this process; that of the machine's first one is used.

    Raises:
        Mistaken: data or base do not fit.
    """
    first = group.rank - group.local
    folder = group.gathered(folder)[first]
    found = None
    if not group.local:
        base, labels = networks.base_of(asked), _labels(asked)
        tokenizer = _tokenizer(asked, base)
        tokenizer.save_pretrained(os.path.join(folder, "tokenizer"))
        rendering = Rendering(asked.task, asked.roles, tokenizer, asked.training.max_length, labels)
        data: dict[str, dict[str, Any]] = {}
        for part, path in PARTS.items():
            given = progress(examples.read(path), part)
            left_out = examples.write(os.path.join(folder, part), given, rendering, path)
            data[part] = {"sha256": _digest(path), "left_out": left_out}
        found = base, labels, data
    base, labels, data = group.gathered(found)[first]
    # What is stored with the model is what it is trained with.
    stored = networks.tokenizer_of(networks.Base(os.path.join(folder, "tokenizer")))
    rendering = Rendering(asked.task, asked.roles, stored, asked.training.max_length, labels)
    parts = {part: examples.Examples(os.path.join(folder, part)) for part in PARTS}
    for part, mapped in parts.items():
        data[part]["records"] = len(mapped)
    identity = repr((asked.spec_digest, [data[part]["sha256"] for part in PARTS], base.revision, base.digest))
    run = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return Inputs(run, base, rendering, parts["train"], parts["validation"], data)


def _tokenizer(asked: Settings, base: Base) -> Any:
    if base.name is None:
        assert asked.model.architecture is not None
        texts = (text for record in progress(examples.read(TRAIN), "tokenizer") for text in _texts(record, asked.roles))
        return vocabulary.trained(texts, asked.model.architecture.vocab_size, asked.task)
    tokenizer = networks.tokenizer_of(base)
    rows = networks.embedding_rows(base)
    vocabulary.completed(tokenizer, asked.task, rows, grow=asked.model.adapter is None)
    return tokenizer


def _texts(record: Mapping[str, Any], roles: Mapping[str, str]) -> Iterator[str]:
    for role in ("text", "prompt", "response"):
        if role in roles:
            yield str(record.get(roles[role]) or "")
    if "messages" in roles:
        yield from (str(message["content"]) for message in record.get(roles["messages"]) or ())


def _labels(asked: Settings) -> Sequence[str]:
    if asked.task != "text-classification":
        return []
    return sorted({str(record.get(asked.roles["label"])) for record in examples.read(TRAIN)})


def _digest(path: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
