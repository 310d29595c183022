"""From prompts to answers as serving gives them: preprocessing, rendering, network, greedily."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import torch
from torch import Tensor

if TYPE_CHECKING:
    from mlops_runtime.models import Loaded

MAX_TOKENS = 32
"""Tokens of an answer where the caller names no number."""


class Generator:
    """A language model.

    Args:
        loaded: the model.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        context = getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None)
        self.longest = int(context or loaded.info["max_length"])

    @overload
    def __call__(self, prompt: str, max_tokens: int = MAX_TOKENS) -> str: ...

    @overload
    def __call__(self, prompt: list[str], max_tokens: int = MAX_TOKENS) -> list[str]: ...

    def __call__(self, prompt: str | list[str], max_tokens: int = MAX_TOKENS) -> str | list[str]:
        """The answer's text to a prompt, or those to a batch of prompts; of too long a prompt the end is read."""
        prompts = [prompt] if isinstance(prompt, str) else prompt
        answers = self.tokens(prompts, max_tokens)
        texts: list[str] = self._loaded.tokenizer.batch_decode(answers, skip_special_tokens=True)
        return texts[0] if isinstance(prompt, str) else texts

    def prompt(self, text: str, max_tokens: int = MAX_TOKENS) -> list[int]:
        """Tokens of a prompt as the network reads them, never none."""
        tokenizer = self._loaded.tokenizer
        ids = self._loaded.rendering.prompt(self._loaded.preprocessing(text)) or [_first(tokenizer)]
        return ids[-max(1, self.longest - max_tokens) :]

    def tokens(self, prompts: Sequence[str], max_tokens: int = MAX_TOKENS) -> list[list[int]]:
        """Tokens of the answers to a batch, without what fills rows up."""
        model, pad = self._loaded.model, self._loaded.tokenizer.pad_token_id
        ids, mask = padded([self.prompt(text, max_tokens) for text in prompts], pad, model.device, left=True)
        stops = _stops(model, self._loaded.tokenizer)
        with torch.inference_mode():
            rows = model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=max_tokens,
                do_sample=False,
                num_beams=1,
                pad_token_id=pad,
                eos_token_id=stops,
            )
        return [_ended(row, stops) for row in rows[:, ids.shape[1] :].tolist()]


class Classifier:
    """A model that classifies.

    Args:
        loaded: the model.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    @overload
    def __call__(self, text: str) -> dict[str, float]: ...

    @overload
    def __call__(self, text: list[str]) -> list[dict[str, float]]: ...

    def __call__(self, text: str | list[str]) -> dict[str, float] | list[dict[str, float]]:
        """Probability by class of a text, or of each of a batch; of too long a text the beginning is read."""
        loaded = self._loaded
        texts = [text] if isinstance(text, str) else text
        rows = [self.prompt(each) for each in texts]
        ids, mask = padded(rows, loaded.tokenizer.pad_token_id, loaded.model.device)
        with torch.inference_mode():
            shares = loaded.model(input_ids=ids, attention_mask=mask).logits.float().softmax(1).tolist()
        found = [dict(zip(loaded.rendering.labels, row, strict=True)) for row in shares]
        return found[0] if isinstance(text, str) else found

    def prompt(self, text: str) -> list[int]:
        """Tokens of a text as the network reads them, never none."""
        loaded = self._loaded
        ids = loaded.rendering.prompt(loaded.preprocessing(text)) or [_first(loaded.tokenizer)]
        return ids[: int(loaded.info["max_length"])]


def padded(rows: Sequence[Sequence[int]], pad: int, device: Any, left: bool = False) -> tuple[Tensor, Tensor]:
    """Token ids and mask, rows × columns, filled up on the right, or on the left for models that go on."""
    width = max(map(len, rows))
    ids, mask = torch.full((len(rows), width), pad), torch.zeros((len(rows), width), dtype=torch.long)
    for index, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[index, place] = torch.tensor(row)
        mask[index, place] = 1
    return ids.to(device), mask.to(device)


def _first(tokenizer: Any) -> int:
    found = tokenizer.bos_token_id
    return int(tokenizer.eos_token_id if found is None else found)


def _stops(model: Any, tokenizer: Any) -> list[int]:
    stored = model.generation_config.eos_token_id
    found = stored if isinstance(stored, list) else [stored]
    return sorted({stop for stop in [*found, tokenizer.eos_token_id] if stop is not None})


def _ended(row: list[int], stops: list[int]) -> list[int]:
    for place, token in enumerate(row):
        if token in stops:
            return row[: place + 1]
    return row
