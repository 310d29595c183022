"""An engine behind an OpenAI-compatible address: requests go there over HTTP, and it is watched."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from mlops_runtime.serving import logs
from mlops_runtime.serving.engines.base import Broken, Finish, Piece, Refused, Sampling, Scored
from mlops_runtime.serving.text import Text
from mlopsgen.contract import ports

UNKNOWN = -1
"""Id of a token that the engine does not tell."""

POLL = 1.0
"""Seconds between two looks at the engine's health."""

SILENCE = 3
"""Looks without an answer after which the engine counts as down; one that refuses the connection does at once."""

PATIENCE = 5.0
"""Seconds for connecting, and for an answer about health."""

_LINE = 1 << 22
_DATA, _DONE = b"data:", b"[DONE]"


class OpenAIEngine:
    """Calls to the completions API with token ids, for a model whose tokenizer is here.

    Args:
        address: of the engine, without `/v1`.
        name: of the model there.
        text: its tokens.
        longest: tokens of prompt and answer together.
        slots: requests at the same time.
        health: path that answers 200 when the engine can answer.
    """

    def __init__(
        self, address: str, name: str, text: Text | None, longest: int, slots: int = 256, health: str = "/health"
    ) -> None:
        self.address, self.name, self._health = address, name, health
        self._text, self._longest, self._slots = text, longest, slots
        self._client: aiohttp.ClientSession | None = None
        self._watching: asyncio.Task[None] | None = None
        self._healthy = False

    async def start(self) -> None:
        """Wait until the engine answers."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=PATIENCE)
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4.0),
            timeout=timeout,
            headers=self._credentials(),
            json_serialize=lambda content: orjson.dumps(content).decode(),
            read_bufsize=_LINE,
        )
        while not await self._look():
            await asyncio.sleep(POLL)
        await self._ready()
        self._healthy = True
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Let go of the engine."""
        self._healthy = False
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        if self._client is not None:
            await self._client.close()

    @property
    def healthy(self) -> bool:
        """Whether the engine answered when it was last looked at or asked."""
        return self._healthy

    @property
    def longest(self) -> int:
        """Most tokens of prompt and answer together."""
        return self._longest

    @property
    def slots(self) -> int:
        """Requests that are sent at the same time."""
        return self._slots

    async def encode(self, prompt: str | Sequence[Mapping[str, str]]) -> list[int]:
        """Token ids of a prompt, made here."""
        assert self._text is not None
        return await self._text.encode(prompt)

    async def stream(self, tokens: Sequence[int], sampling: Sampling) -> AsyncGenerator[Piece]:
        """The answer, piece by piece."""
        body = {**drawn(self.name, sampling), "prompt": list(tokens), "return_token_ids": True}
        if sampling.logprobs:
            body["logprobs"] = 0
        finish: Finish | None = None
        async for chunk in self._events(ports.COMPLETIONS, body):
            for choice in chunk.get("choices") or ():
                finish = reason(choice.get("finish_reason"))
                values = (choice.get("logprobs") or {}).get("token_logprobs") or ()
                yield Piece(choice.get("text") or "", tuple(choice.get("token_ids") or ()), tuple(values), finish)
        if finish is None:
            raise Broken("the engine ended the answer early")

    async def score(self, tokens: Sequence[int]) -> Scored:
        """How likely the model holds a text."""
        body = {
            "model": self.name,
            "prompt": list(tokens),
            "max_tokens": 0,
            "echo": True,
            "logprobs": 1,
            "temperature": 0,
            "return_tokens_as_token_ids": True,
        }
        found = (await self._post(ports.COMPLETIONS, body))["choices"][0]["logprobs"]
        values, tops = found["token_logprobs"][1:], found["top_logprobs"][1:]
        if len(values) != len(tokens) - 1:
            raise Broken("the engine scored another number of tokens than it was given")
        first, highest = [], []
        for name, token, top in zip(found["tokens"][1:], tokens[1:], tops, strict=True):
            best = max(top, key=top.__getitem__)
            known = best.removeprefix("token_id:")
            highest.append(top[best])
            first.append(int(known) if known != best and known.isdigit() else token if best == name else UNKNOWN)
        return Scored(tuple(values), tuple(first), tuple(highest))

    async def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Probability by label of each text."""
        raise Refused("this engine does not classify")

    def _credentials(self) -> dict[str, str]:
        return {}

    async def _ready(self) -> None:
        """What is to be done between the first sign of life and the first request."""

    async def _look(self) -> bool | None:
        """Whether the engine is well; None when it does not say so in time, as when it is busy."""
        assert self._client is not None
        try:
            timeout = aiohttp.ClientTimeout(total=PATIENCE)
            async with self._client.get(self.address + self._health, timeout=timeout) as response:
                return response.status == 200
        except TimeoutError:
            return None
        except (aiohttp.ClientError, OSError):
            return False

    async def _watch(self) -> None:
        silent = 0
        while True:
            await asyncio.sleep(POLL)
            look = await self._look()
            silent = silent + 1 if look is None else 0
            found = bool(look) or (0 < silent < SILENCE and self._healthy)
            if found != self._healthy:
                logs.say("engine", "info" if found else "error", healthy=found, address=self.address)
            self._healthy = found

    @asynccontextmanager
    async def _answered(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
        """A response with a good status.

        Raises:
            Refused: the engine says that the request is wrong.
            Broken: it failed, or is not there.
        """
        if self._client is None:
            raise Broken("the engine has not started")
        try:
            async with self._client.post(self.address + path, json=body) as response:
                if response.status >= 400:
                    text = _message(await response.content.read(65536))
                    if response.status in (400, 413, 422):
                        raise Refused(f"the engine refuses this request: {text}")
                    raise Broken(f"the engine answers {response.status}: {text}")
                yield response
        except (aiohttp.ClientConnectionError, ConnectionError) as error:
            self._healthy = False
            raise Broken(f"the engine is not there: {type(error).__name__}") from None
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Broken(f"the engine broke the answer off: {type(error).__name__}") from None

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        async with self._answered(path, body) as response:
            return orjson.loads(await response.read())

    async def _events(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        async with self._answered(path, {**body, "stream": True}) as response:
            async for line in response.content:
                data = line.strip()
                if not data.startswith(_DATA):
                    continue
                data = data[len(_DATA) :].strip()
                if data == _DONE:
                    return
                chunk = orjson.loads(data)
                if "error" in chunk:
                    raise Broken(f"the engine failed: {_message(data)}")
                yield chunk


def drawn(name: str, sampling: Sampling) -> dict[str, Any]:
    """Fields of a request that say how its answer is drawn; all of them, so that no default of the engine's holds."""
    body: dict[str, Any] = {
        "model": name,
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    return body


def reason(given: str | None) -> Finish | None:
    """Why an answer ended, in our words.

    Raises:
        Broken: it was ended by a failure.
    """
    if given is None:
        return None
    if given in ("abort", "error"):
        raise Broken(f"the engine ended the answer: {given}")
    return "length" if given == "length" else "stop"


def _message(body: bytes) -> str:
    """What an error body says, shortened."""
    try:
        content = json.loads(body)
        error = content.get("error", content)
        text = error.get("message", "") if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError):
        text = body.decode("utf-8", "replace")
    return " ".join(str(text).split())[:300]
