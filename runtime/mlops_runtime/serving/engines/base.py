"""What the serving app asks of an engine. The app owns HTTP, limits, queue and metrics; an engine only computes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

Finish = Literal["stop", "length"]
"""Why an answer ended: the model's end token or a stop text, or the most tokens that were asked for."""


class Refused(Exception):
    """A request that no retry will make right; its text is for the caller."""


class Broken(Exception):
    """The engine failed, or is not there: the caller may try again."""


class Sampling(NamedTuple):
    """How an answer is drawn.

    Attributes:
        max_tokens: most tokens of the answer; at least 1.
        temperature: 0 takes the likeliest token.
        top_p: share of the probability that tokens are drawn from, above 0 up to 1.
        seed: makes draws repeatable; None for any.
        stop: texts that end the answer; they are not part of it.
        logprobs: whether pieces carry log-probabilities.
        together: tokens that may come as one piece, after the first: who waits for the whole answer need not be woken
            for each.
    """

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: bool = False
    together: int = 1


class Piece(NamedTuple):
    """Part of an answer.

    Attributes:
        text: what came with it; may be empty while a character is not complete.
        tokens: ids of the new tokens.
        logprobs: natural logarithms of their probabilities before temperature; empty when not asked for.
        finish: set in the last piece only.
    """

    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...] = ()
    finish: Finish | None = None


class Scored(NamedTuple):
    """How likely a given text is, token by token, from the second one on.

    Attributes:
        logprobs: natural logarithm of the probability of each token given those before it; n - 1 for n tokens.
        first: the likeliest token at each of these places.
        best: natural logarithm of its probability.
    """

    logprobs: tuple[float, ...]
    first: tuple[int, ...]
    best: tuple[float, ...]


class Engine(Protocol):
    """One model that is loaded once and answers many requests at a time."""

    async def start(self) -> None:
        """Load, warm up; returns when the first real request would be answered at full speed.

        Raises:
            Mistaken: the model, the machine or the settings do not fit.
        """

    async def close(self) -> None:
        """Stop; requests in flight end with `Broken`."""

    @property
    def healthy(self) -> bool:
        """Whether the engine can answer now."""

    @property
    def longest(self) -> int:
        """Most tokens of prompt and answer together."""

    @property
    def slots(self) -> int:
        """Requests that are computed at the same time; those beyond wait in the app's queue."""

    async def encode(self, prompt: str | Sequence[Mapping[str, str]]) -> list[int]:
        """Token ids of a prompt as the model was trained to see it, preprocessing and chat template included.

        Args:
            prompt: a text, or chat messages with `role` and `content`.

        Raises:
            Refused: the model cannot take this kind of prompt.
        """

    def stream(self, tokens: Sequence[int], sampling: Sampling) -> AsyncGenerator[Piece]:
        """The answer, piece by piece. Closing the generator frees its place within one step.

        Raises:
            Refused: prompt and answer do not fit.
            Broken: the engine failed in this request.
        """

    async def score(self, tokens: Sequence[int]) -> Scored:
        """How likely the model holds a text.

        Args:
            tokens: two or more.

        Raises:
            Refused: too long.
            Broken: the engine failed.
        """

    async def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Probability by label of each text.

        Raises:
            Refused: a text is too long, or the model is none that classifies.
            Broken: the engine failed.
        """
