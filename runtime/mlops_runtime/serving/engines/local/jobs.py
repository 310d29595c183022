"""What a network can be asked for, and how far each has come."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mlops_runtime.serving.engines.base import Broken, Finish, Piece, Sampling, Scored
from mlops_runtime.serving.engines.local.sampling import Draw
from mlops_runtime.serving.engines.local.text import Text
from mlops_runtime.serving.engines.local.worker import Job


class Answer(Job):
    """An answer to a prompt.

    Attributes:
        prompt: tokens that are to be in the slot before the first one is drawn.
        length: tokens that the slot holds.
        token: drawn last.

    Args:
        tokens: of the prompt.
        sampling: how to draw.
        tokenizer: of tokenizers (Rust).
        ends: tokens that end an answer.
    """

    def __init__(self, tokens: Sequence[int], sampling: Sampling, tokenizer: Any, ends: frozenset[int]) -> None:
        super().__init__()
        self.prompt, self.length, self.token = list(tokens), 0, 0
        self._sampling, self._ends, self._made = sampling, ends, 0
        self._seed = secrets.randbits(64) if sampling.seed is None else sampling.seed
        self._text = Text(tokenizer, sampling.stop)
        self._waiting: list[Piece] = []

    def draw(self) -> Draw:
        """How the next token is drawn."""
        how = self._sampling
        return Draw(how.temperature, how.top_p, self._seed, self._made, how.logprobs)

    def take(self, token: int, logprob: float) -> Piece | None:
        """One more token, and what it makes of the answer; None where more may come together with it."""
        self.token, self._made = token, self._made + 1
        ended = token in self._ends
        text = "" if ended else self._text.add(token)
        finish: Finish | None = None
        if ended or self._text.stopped or self._made == self._sampling.max_tokens:
            text += self._text.rest()
            finish = "stop" if ended or self._text.stopped else "length"
        piece = Piece(text, (token,), (logprob,) if self._sampling.logprobs else (), finish)
        if self._sampling.together == 1:
            return piece
        self._waiting.append(piece)
        if finish is None and self._made > 1 and len(self._waiting) < self._sampling.together:
            return None
        waited, self._waiting = self._waiting, []
        return joined(waited)


def joined(pieces: Sequence[Piece]) -> Piece:
    """Pieces that follow each other as one."""
    return Piece(
        "".join(piece.text for piece in pieces),
        tuple(token for piece in pieces for token in piece.tokens),
        tuple(logprob for piece in pieces for logprob in piece.logprobs),
        pieces[-1].finish,
    )


class Score(Job):
    """How likely a text is; its last token is only looked up.

    Attributes:
        prompt: tokens that go through the network.
        length: tokens that the slot holds.

    Args:
        tokens: of the text.
    """

    def __init__(self, tokens: Sequence[int]) -> None:
        super().__init__()
        self.prompt, self.length = list(tokens[:-1]), 0
        self._wanted = list(tokens[1:])
        self._logprobs: list[float] = []
        self._first: list[int] = []
        self._best: list[float] = []

    def take(self, logits: Tensor) -> Scored | None:
        """Logits of the next positions; the result after the last one.

        Raises:
            Broken: they are no numbers.
        """
        import torch

        done = len(self._first)
        wanted = torch.tensor(self._wanted[done : done + len(logits)], device=logits.device)
        mass = logits.logsumexp(1)
        if not bool(mass.isfinite().all()):
            raise Broken("the model computed something that is no number")
        self._logprobs += (logits.gather(1, wanted[:, None])[:, 0] - mass).tolist()
        best, first = logits.max(1)
        self._first += first.tolist()
        self._best += (best - mass).tolist()
        if len(self._first) < len(self._wanted):
            return None
        return Scored(tuple(self._logprobs), tuple(self._first), tuple(self._best))
