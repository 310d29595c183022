"""Sample predictions: a few records of the validation part, what the model makes of them, and what is right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_runtime.models import Loaded

COUNT = 10
"""Records in the table."""

NEW_TOKENS = 64
"""Most tokens of an answer in the table."""

COLUMNS = ("id", "input", "prediction", "label")

Row = tuple[str, str, str, str]


def rows(loaded: Loaded, records: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The first records with their greedy predictions, as `COLUMNS` names them.

    A chat is asked up to its last answer; a text is continued from its middle; a classified text gets a label.
    """
    import torch

    chosen = list(islice(records, COUNT))
    with torch.inference_mode():
        return [_row(loaded, record) for record in chosen]


def _row(loaded: Loaded, record: Mapping[str, Any]) -> Row:
    task, rendering = loaded.rendering.task, loaded.rendering
    name = str(record["id"])
    if task == "text-classification":
        text = record[rendering.roles["text"]]
        ids = rendering.encode([record])[0].ids
        best = int(loaded.model(input_ids=_tensor(loaded, ids)).logits[0].argmax())
        return name, text, rendering.labels[best], str(record[rendering.roles["label"]])
    if task == "instruction-tuning":
        messages = rendering.messages(record)
        asked = [message["content"] for message in messages if message["role"] == "user"]
        answers = [message["content"] for message in messages if message["role"] == "assistant"]
        prompt = rendering.prompt(record)
        return name, "\n".join(asked), _continued(loaded, prompt), answers[-1]
    ids = rendering.prompt(record)
    half = max(1, len(ids) // 2)
    return name, _text(loaded, ids[:half]), _continued(loaded, ids[:half]), _text(loaded, ids[half:])


def _continued(loaded: Loaded, prompt: Sequence[int]) -> str:
    """What the model goes on with, greedily; of a prompt that leaves no room for it, the end is read."""
    limit = getattr(loaded.model.config, "max_position_embeddings", None) or loaded.rendering.max_length
    room = max(1, int(limit) - NEW_TOKENS)
    ids = _tensor(loaded, prompt[-room:])
    ends = loaded.model.generation_config.eos_token_id or loaded.tokenizer.eos_token_id
    found = loaded.model.generate(
        input_ids=ids,
        attention_mask=ids.new_ones(ids.shape),
        do_sample=False,
        max_new_tokens=NEW_TOKENS,
        eos_token_id=ends,
        pad_token_id=loaded.tokenizer.pad_token_id,
    )
    return _text(loaded, found[0, ids.shape[1] :].tolist())


def _text(loaded: Loaded, ids: Sequence[int]) -> str:
    text: str = loaded.tokenizer.decode(ids, skip_special_tokens=True)
    return text.strip()


def _tensor(loaded: Loaded, ids: Sequence[int]) -> Any:
    import torch

    return torch.tensor([list(ids)], device=loaded.model.device)
