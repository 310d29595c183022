"""Text and tokens of a model from its folder, without its weights: what the app needs beside any engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_runtime.preprocessing import Preprocessing
from mlops_runtime.serving.engines.base import Refused
from mlops_runtime.training.rendering import Rendering

INLINE = 20_000
"""Characters up to which a prompt is made into tokens at once; longer ones in a thread, so that others go on."""


class Text:
    """A model's rendering and preprocessing.

    Args:
        rendering: as stored with the model.
        preprocessing: of each text.
    """

    def __init__(self, rendering: Rendering, preprocessing: Preprocessing) -> None:
        self.rendering, self.preprocessing = rendering, preprocessing
        tokenizer = rendering.tokenizer
        self._chat = Rendering("instruction-tuning", {"messages": "messages"}, tokenizer, rendering.max_length)
        self.size = len(tokenizer)

    def clean(self, prompt: str | Sequence[Mapping[str, str]]) -> str | list[dict[str, str]]:
        """A prompt after preprocessing."""
        if isinstance(prompt, str):
            return self.preprocessing(prompt)
        return [{**message, "content": self.preprocessing(message["content"])} for message in prompt]

    async def encode(self, prompt: str | Sequence[Mapping[str, str]]) -> list[int]:
        """Token ids of a prompt as the model was trained to see it.

        Args:
            prompt: a text, or messages with `role` and `content`.

        Raises:
            Refused: messages to a model without chat, or a chat that its template does not take.
        """
        size = len(prompt) if isinstance(prompt, str) else sum(len(message["content"]) for message in prompt)
        return await asyncio.to_thread(self._encode, prompt) if size > INLINE else self._encode(prompt)

    def _encode(self, prompt: str | Sequence[Mapping[str, str]]) -> list[int]:
        from jinja2.exceptions import TemplateError

        clean = self.clean(prompt)
        if isinstance(clean, str):
            return self.rendering.prompt(clean)
        if self.rendering.task != "instruction-tuning":
            raise Refused("this model was not trained on chats: send a `prompt`")
        try:
            return self._chat.prompt({"messages": clean})
        except TemplateError as error:
            raise Refused(f"the chat template of this model does not take these messages: {error}") from None

    def decode(self, tokens: Sequence[int], special: bool = False) -> str:
        """The text of tokens.

        Args:
            tokens: ids.
            special: whether tokens such as the end of a turn are shown.
        """
        text: Any = self.rendering.tokenizer.decode(
            list(tokens), skip_special_tokens=not special, clean_up_tokenization_spaces=False
        )
        return str(text)
