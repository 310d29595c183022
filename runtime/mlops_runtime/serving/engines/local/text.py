"""From drawn tokens to text as it comes: characters over several tokens, and stop texts over several pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Text:
    """The text of one answer.

    Args:
        tokenizer: of tokenizers (Rust).
        stops: texts that end the answer; no part of one is ever given out.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[str]) -> None:
        from tokenizers.decoders import DecodeStream

        self.stopped = False
        self._tokenizer, self._stops = tokenizer, [stop for stop in stops if stop]
        self._stream = DecodeStream(skip_special_tokens=True)
        self._tokens: list[int] = []
        self._decoded, self._held = "", ""

    def add(self, token: int) -> str:
        """Text that is certain after one more token; empty while a character or a stop text may be incomplete."""
        self._tokens.append(token)
        return self._released(self._stream.step(self._tokenizer, token) or "")

    def rest(self) -> str:
        """What is left when no token comes any more; an incomplete character is U+FFFD.

        Where the tokenizer would now decode differently what was given out already, nothing is added.
        """
        if self.stopped:
            return ""
        whole: str = self._tokenizer.decode(self._tokens, skip_special_tokens=True)
        found = self._released(whole[len(self._decoded) :] if whole.startswith(self._decoded) else "")
        if not self.stopped:
            found, self._held = found + self._held, ""
        return found

    def _released(self, more: str) -> str:
        self._decoded += more
        if not self._stops:
            return more
        if self.stopped:
            return ""
        text, self._held = self._held + more, ""
        ends = [at for at in (text.find(stop) for stop in self._stops) if at >= 0]
        if ends:
            self.stopped = True
            return text[: min(ends)]
        cut = len(text) - max(_overlap(text, stop) for stop in self._stops)
        self._held = text[cut:]
        return text[:cut]


def _overlap(text: str, stop: str) -> int:
    """Characters at the end of a text with which a stop text begins."""
    most = min(len(text), len(stop) - 1)
    return next((size for size in range(most, 0, -1) if text.endswith(stop[:size])), 0)
