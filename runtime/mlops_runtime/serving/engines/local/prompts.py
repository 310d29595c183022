"""From prompts to tokens, as training saw them, off the event loop where it takes long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlops_runtime.serving.engines.base import Refused

if TYPE_CHECKING:
    from mlops_runtime.models import Loaded

SHORT = 2000
"""Characters that are tokenized at once, in less time than a change of threads may take."""

Prompt = str | Sequence[Mapping[str, str]]


async def encoded(loaded: Loaded, prompt: Prompt) -> list[int]:
    """Tokens of a prompt.

    Raises:
        Refused: the model cannot take this kind of prompt.
    """
    size = len(prompt) if isinstance(prompt, str) else sum(len(str(one.get("content"))) for one in prompt)
    if size <= SHORT:
        return _encoded(loaded, prompt)
    return await asyncio.to_thread(_encoded, loaded, prompt)


async def classified(loaded: Loaded, texts: Sequence[str]) -> list[list[int]]:
    """Tokens of texts that are to be classified."""

    def work() -> list[list[int]]:
        return [loaded.rendering.prompt(loaded.preprocessing(text)) for text in texts]

    if sum(map(len, texts)) <= SHORT:
        return work()
    return await asyncio.to_thread(work)


def _encoded(loaded: Loaded, prompt: Prompt) -> list[int]:
    from jinja2 import TemplateError

    task = loaded.rendering.task
    if task == "text-classification":
        raise Refused("this model classifies texts, it does not write")
    if isinstance(prompt, str):
        messages = [{"role": "user", "content": prompt}]
    elif task == "causal-lm":
        raise Refused("this model goes on with a text and knows no chat: send a text")
    else:
        messages = [dict(message) for message in prompt]
    for message in messages:
        if not isinstance(message.get("content"), str) or not isinstance(message.get("role"), str):
            raise Refused("a message needs a `role` and a `content`, both texts")
        message["content"] = loaded.preprocessing(message["content"])
    if task == "causal-lm":
        return loaded.rendering.prompt(messages[0]["content"])
    if not messages:
        raise Refused("a chat needs at least one message")
    tokenizer = loaded.tokenizer
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except TemplateError as error:
        raise Refused(f"the chat template of the model does not take these messages: {error}") from None
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return found
