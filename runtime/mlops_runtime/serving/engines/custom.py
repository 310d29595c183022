"""Any OpenAI-compatible address as the engine. Its tokenizer is its own: tokens are estimated until it counts them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import aiohttp

from mlops_runtime.errors import Mistaken
from mlops_runtime.preprocessing import Preprocessing
from mlops_runtime.serving.engines.base import Broken, Finish, Piece, Refused, Sampling
from mlops_runtime.serving.engines.openai import POLL, UNKNOWN, OpenAIEngine, drawn, reason
from mlops_runtime.serving.settings import Settings
from mlopsgen.contract import environment, ports

CHARACTERS = 4
"""Of a token, as long as the engine has not counted: about what English has."""


class Prompt(list[int]):
    """A prompt whose tokens only the engine knows: as many placeholders as are estimated, then as it counts.

    Args:
        given: a text or messages, preprocessed.
    """

    def __init__(self, given: str | list[dict[str, str]]) -> None:
        size = len(given) if isinstance(given, str) else sum(len(message["content"]) for message in given)
        super().__init__([UNKNOWN] * max(1, -(-size // CHARACTERS)))
        self.given = given

    def counted(self, count: int) -> None:
        """The engine has counted."""
        self[:] = [UNKNOWN] * count


class CustomEngine(OpenAIEngine):
    """Calls to the API that fits the task: chat for instruction-tuned models, else completions.

    Args:
        address: of the engine, without `/v1`.
        name: of the model in the registry.
        settings: of the server.
        longest: tokens of prompt and answer together.
    """

    def __init__(self, address: str, name: str, settings: Settings, longest: int) -> None:
        super().__init__(address, name, None, longest, health=ports.MODELS)
        self._chats = settings.task == "instruction-tuning"
        self._preprocessing = Preprocessing(settings.preprocess or ())

    async def encode(self, prompt: str | Sequence[Mapping[str, str]]) -> list[int]:
        """Placeholders for the tokens of a prompt, which carry it to `stream`."""
        if isinstance(prompt, str):
            text = self._preprocessing(prompt)
            return Prompt([{"role": "user", "content": text}] if self._chats else text)
        if not self._chats:
            raise Refused("this model was not trained on chats: send a `prompt`")
        return Prompt([{**one, "content": self._preprocessing(one["content"])} for one in prompt])

    async def stream(self, tokens: Sequence[int], sampling: Sampling) -> AsyncGenerator[Piece]:
        """The answer, piece by piece; the last piece brings the number of tokens to what the engine counted."""
        given: Any = tokens.given if isinstance(tokens, Prompt) else list(tokens)
        chat = isinstance(given, list) and isinstance(given[0], dict)
        body = {**drawn(self.name, sampling), "stream_options": {"include_usage": True}}
        body |= {"messages": given} if chat else {"prompt": given}
        if sampling.logprobs:
            body["logprobs"] = True if chat else 0
        finish: Finish | None = None
        count, total = 0, None
        async for chunk in self._events(ports.CHAT if chat else ports.COMPLETIONS, body):
            usage = chunk.get("usage")
            if usage:
                total = int(usage["completion_tokens"])
                if isinstance(tokens, Prompt):
                    tokens.counted(int(usage["prompt_tokens"]))
            for choice in chunk.get("choices") or ():
                finish = reason(choice.get("finish_reason")) or finish
                text = (choice.get("delta") or {}).get("content") if chat else choice.get("text")
                values = _values(choice.get("logprobs"))
                new = len(values) or bool(text)
                count += new
                if text or values:
                    yield Piece(text or "", (UNKNOWN,) * new, values)
        if finish is None:
            raise Broken("the engine ended the answer early")
        yield Piece("", (UNKNOWN,) * max(0, (total or 0) - count), (), finish)

    def _credentials(self) -> dict[str, str]:
        key = os.environ.get(environment.ENGINE_API_KEY, "").strip()
        return {"Authorization": f"Bearer {key}"} if key else {}

    async def _ready(self) -> None:
        """Find out what the model is called there.

        Raises:
            Mistaken: there are several, and none of our name.
        """
        names = await self._names()
        if self.name in names:
            return
        if len(names) != 1:
            shown = ", ".join(names[:8]) or "none"
            raise Mistaken(f"the engine at {self.address} has no model {self.name!r}: it has {shown}")
        self.name = names[0]

    async def _names(self) -> list[str]:
        """Models of the engine."""
        assert self._client is not None
        while True:
            try:
                async with self._client.get(self.address + ports.MODELS) as response:
                    content = await response.json(content_type=None)
                return [str(one["id"]) for one in content["data"]]
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError):
                await asyncio.sleep(POLL)


def _values(logprobs: Any) -> tuple[float, ...]:
    """Log-probabilities of a piece in either API's form."""
    if not logprobs:
        return ()
    if "content" in logprobs:
        return tuple(float(one["logprob"]) for one in logprobs["content"] or ())
    return tuple(float(value) for value in logprobs.get("token_logprobs") or ())
