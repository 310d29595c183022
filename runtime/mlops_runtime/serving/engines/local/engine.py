"""The engine as the app sees it: a loaded model, and a thread that computes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from mlops_runtime.serving.engines.base import Broken, Piece, Refused, Sampling, Scored

if TYPE_CHECKING:
    from mlops_runtime.models import Loaded
    from mlops_runtime.serving.engines.local.classification import Classification
    from mlops_runtime.serving.engines.local.generation import Generation

LOG = logging.getLogger(__name__)

PREFILL, PREFILL_GPU = 256, 2048
"""Tokens of prompts in a step: about as long as a step of 32 answers takes."""

PLACES = 2048
"""Tokens of a request where neither the model nor the caller sets a limit."""


class LocalEngine:
    """A model in this process, on a CPU or one GPU. As `Engine`.

    Greedy answers are those of transformers' `generate`; what a generation configuration says beyond its end tokens,
    such as penalties, is left to the caller.

    Args:
        folder: such as `models/model`, as `mlops-runtime train` leaves it.
        device: of torch; `auto` is a GPU where there is one.
        dtype: of the weights: `float32`, `bfloat16`, `float16`; as stored when not given.
        slots: requests that are computed at the same time.
        longest: most tokens of prompt and answer together; no more than the model has places for.
        prefill: tokens of prompts that are computed between two tokens of running answers.
        threads: of torch; as torch has it when not given.
    """

    def __init__(
        self,
        folder: str,
        *,
        device: str = "auto",
        dtype: str | None = None,
        slots: int = 32,
        longest: int | None = None,
        prefill: int | None = None,
        threads: int | None = None,
    ) -> None:
        self._folder, self._device, self._dtype = folder, device, dtype
        self._slots, self._longest, self._prefill, self._threads = slots, longest, prefill, threads
        self._loaded: Loaded | None = None
        self._generation: Generation | None = None
        self._classification: Classification | None = None
        self._vocabulary, self._ends = 0, frozenset[int]()
        self._tokenizer: Any = None

    async def start(self) -> None:
        """Load, try, warm up.

        Raises:
            Mistaken: no such model, or its cache does not fit in memory.
        """
        await asyncio.to_thread(self._load)
        assert self._worker is not None
        self._worker.start()
        if self._classification is not None:
            await self.classify(["a"])
            return
        size = max(1, min(self._prefill or 1, self.longest - 2))
        async with aclosing(self.stream([0] * size, Sampling(2))) as pieces:
            async for _ in pieces:
                pass

    async def close(self) -> None:
        """Stop; requests in flight end with `Broken`."""
        if self._worker is not None:
            await asyncio.to_thread(self._worker.close)

    @property
    def healthy(self) -> bool:
        """Whether the engine can answer now."""
        return self._worker is not None and self._worker.healthy

    @property
    def longest(self) -> int:
        """Most tokens of prompt and answer together; known after `start`."""
        return self._longest or PLACES

    @property
    def slots(self) -> int:
        """Requests that are computed at the same time."""
        return self._slots

    @property
    def cache_bytes(self) -> int:
        """Memory of the cache, fixed at the start."""
        return self._generation.network.bytes if self._generation else 0

    async def encode(self, prompt: str | Sequence[Mapping[str, str]]) -> list[int]:
        """Token ids of a prompt as the model was trained to see it.

        Raises:
            Refused: the model cannot take this kind of prompt.
        """
        from mlops_runtime.serving.engines.local.prompts import encoded

        return await encoded(self._ready(), prompt)

    async def stream(self, tokens: Sequence[int], sampling: Sampling) -> AsyncGenerator[Piece]:
        """The answer, piece by piece.

        Raises:
            Refused: prompt and answer do not fit.
            Broken: the engine failed in this request.
        """
        from mlops_runtime.serving.engines.local.jobs import Answer

        generation = self._writer(tokens)
        if len(tokens) + sampling.max_tokens > self.longest:
            raise Refused(
                f"{len(tokens)} tokens of prompt and up to {sampling.max_tokens} of answer are more than the "
                f"{self.longest} that fit"
            )
        answer = Answer(tokens, sampling, self._tokenizer, self._ends)
        generation.submit(answer)
        try:
            while True:
                piece: Piece = await answer.result()
                yield piece
                if piece.finish:
                    return
        finally:
            answer.cancelled = True

    async def score(self, tokens: Sequence[int]) -> Scored:
        """How likely the model holds a text.

        Raises:
            Refused: too long, or shorter than two tokens.
            Broken: the engine failed.
        """
        from mlops_runtime.serving.engines.local.jobs import Score

        generation = self._writer(tokens)
        if not 2 <= len(tokens) <= self.longest:
            raise Refused(f"{len(tokens)} tokens cannot be scored: 2 to {self.longest} fit")
        score = Score(tokens)
        generation.submit(score)
        try:
            found: Scored = await score.result()
            return found
        finally:
            score.cancelled = True

    async def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Probability by label of each text.

        Raises:
            Refused: a text is too long or empty, or the model is none that classifies.
            Broken: the engine failed.
        """
        from mlops_runtime.serving.engines.local.classification import Texts
        from mlops_runtime.serving.engines.local.prompts import classified

        loaded = self._ready()
        if self._classification is None:
            raise Refused("this model writes, it does not classify")
        rows = await classified(loaded, texts)
        for number, row in enumerate(rows, 1):
            if not 0 < len(row) <= self.longest:
                raise Refused(f"text {number} has {len(row)} tokens: 1 to {self.longest} fit")
        job = Texts(rows)
        self._classification.submit(job)
        try:
            return [await job.result() for _ in rows]
        finally:
            job.cancelled = True

    @property
    def _worker(self) -> Generation | Classification | None:
        return self._generation or self._classification

    def _ready(self) -> Loaded:
        if self._loaded is None or self._worker is None:
            raise Broken("the engine has not started")
        return self._loaded

    def _writer(self, tokens: Sequence[int]) -> Generation:
        """The loop, for tokens that the network knows."""
        self._ready()
        if self._generation is None:
            raise Refused("this model classifies texts, it does not write")
        if not tokens:
            raise Refused("the prompt is empty")
        if min(tokens) < 0 or max(tokens) >= self._vocabulary:
            raise Refused(f"a token is beyond the vocabulary of {self._vocabulary}")
        return self._generation

    def _load(self) -> None:
        from mlops_runtime.models import load
        from mlops_runtime.serving.engines.local.classification import Classification
        from mlops_runtime.serving.engines.local.generation import Generation
        from mlops_runtime.serving.engines.local.loading import network

        loaded = load(self._folder, self._device, self._dtype)
        model, self._tokenizer = loaded.model, loaded.tokenizer.backend_tokenizer
        # A call brings the tokenizer into the state that later calls only read, from whatever thread.
        loaded.rendering.tokenizer("a")
        config = model.config.get_text_config()
        classifies = loaded.rendering.task == "text-classification"
        places = getattr(config, "max_position_embeddings", None) or self._longest or PLACES
        wanted = self._longest or (loaded.rendering.max_length if classifies else places)
        self._longest = min(wanted, places)
        self._prefill = self._prefill or (PREFILL_GPU if model.device.type == "cuda" else PREFILL)
        self._vocabulary = model.get_input_embeddings().weight.shape[0]
        if classifies:
            pad = loaded.tokenizer.pad_token_id
            labels = loaded.rendering.labels
            self._classification = Classification(model, labels, pad, self._slots, self._threads)
        else:
            self._ends = _ends(model, loaded.tokenizer)
            computed = network(model, self._slots, self._longest)
            self._generation = Generation(computed, self._slots, self._prefill, self._vocabulary, self._threads)
        self._loaded = loaded


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end an answer: the generation configuration's and the tokenizer's."""
    given = getattr(model.generation_config, "eos_token_id", None)
    listed = given if isinstance(given, list) else [given]
    return frozenset(one for one in [*listed, tokenizer.eos_token_id] if one is not None)
