"""An engine that answers from a counter, as slowly, as often and as badly as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from mlops_runtime.serving import service
from mlops_runtime.serving.engines.base import Broken, Piece, Refused, Sampling, Scored
from mlops_runtime.serving.model import Model
from mlops_runtime.serving.settings import Settings

DATA = "0123456789abcdef" * 4


class FakeEngine:
    """Tokens are characters; the answer to `abc` is `<abc>` and on, one token a step.

    A prompt that holds `!broken` breaks at its second token, `!refuse` is refused, `!crash` raises what no engine
    should, `!hang` never ends.
    """

    def __init__(self, slots: int = 4, step: float = 0.0, longest: int = 4096) -> None:
        self._slots, self.step, self._longest = slots, step, longest
        self.healthy = True
        self.running = self.most = self.asked = self.closed = 0
        self.started = False
        self.samplings: list[Sampling] = []

    async def start(self) -> None:
        """Nothing to load."""
        self.started = True

    async def close(self) -> None:
        """Nothing to let go."""
        self.healthy = False

    @property
    def longest(self) -> int:
        """As given."""
        return self._longest

    @property
    def slots(self) -> int:
        """As given."""
        return self._slots

    async def encode(self, prompt: str | Sequence[Mapping[str, str]]) -> list[int]:
        """Code points."""
        text = prompt if isinstance(prompt, str) else "\n".join(one["content"] for one in prompt)
        return [ord(letter) for letter in text]

    async def stream(self, tokens: Sequence[int], sampling: Sampling) -> AsyncIterator[Piece]:
        """The answer."""
        text = "".join(map(chr, tokens))
        if "!refuse" in text:
            raise Refused("this prompt is refused")
        self.asked += 1
        self.samplings.append(sampling)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            async for piece in self._pieces(text, sampling):
                yield piece
        finally:
            self.running -= 1
            self.closed += 1

    async def _pieces(self, text: str, sampling: Sampling) -> AsyncIterator[Piece]:
        said = f"<{text}>"
        for number in range(sampling.max_tokens):
            await asyncio.sleep(self.step)
            if "!hang" in text:
                await asyncio.Event().wait()
            if number == 1 and "!broken" in text:
                raise Broken("broken on purpose")
            if number == 1 and "!crash" in text:
                raise ZeroDivisionError("secret prompt text")
            letter = said[number]
            ended = number + 1 == len(said)
            finish = "stop" if ended else "length" if number + 1 == sampling.max_tokens else None
            yield Piece(letter, (ord(letter),), (-0.5,) if sampling.logprobs else (), finish)  # type: ignore[arg-type]
            if finish:
                return

    async def score(self, tokens: Sequence[int]) -> Scored:
        """-1 / place, each token the likeliest but the last."""
        values = tuple(-1.0 / place for place in range(1, len(tokens)))
        return Scored(values, (*tokens[1:-1], 65), (*values[:-1], -0.25))

    async def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Long or short."""
        return [{"long": 0.75, "short": 0.25} if len(text) > 5 else {"long": 0.25, "short": 0.75} for text in texts]


class Letters:
    """Stands for `Text`: tokens are code points."""

    size = 0x110000

    def clean(self, prompt: Any) -> Any:
        """As it is."""
        return prompt

    async def encode(self, prompt: str) -> list[int]:
        """Code points."""
        return [ord(letter) for letter in prompt]

    def decode(self, tokens: Sequence[int], special: bool = False) -> str:
        """The characters."""
        return "".join(map(chr, tokens))


INFO: dict[str, Any] = {
    "task": "instruction-tuning",
    "preprocessing": {"steps": ["strip"], "sources": {}},
    "rendering": {"roles": {"prompt": "question", "response": "answer"}, "labels": []},
    "data": {"train": {"sha256": DATA, "records": 10}},
    "spec_digest": DATA[::-1],
}

MODEL = Model("tiny", "7", "/nowhere", Letters(), INFO, {"semantic_version": "1.2.3", "model_digest": DATA})  # type: ignore[arg-type]


def settings(**more: Any) -> Settings:
    """Settings of a server in tests."""
    found = Settings("tiny", "instruction-tuning", "champion", "test", "models/model", max_input_tokens=100)
    return found._replace(max_output_tokens=50, timeout=5.0, queue=8, **{})._replace(**more)


def made(fake: Any = None, token: str | None = None, model: Model = MODEL, **more: Any) -> service.Service:
    """A service around a fake engine that has started."""
    engine = fake or FakeEngine()
    found = service.made(settings(**more), model, engine, token)
    found.admission.open(engine.slots)
    found.drain.warm = True
    return found
