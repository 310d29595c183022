"""What is sent: prompts, longest answers and arrival times, all of them by seed."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mlops_runtime.errors import Mistaken

WORDS = (
    "the order arrived late and customer asks for a refund while support team looks up what was promised when it left "
    "warehouse because invoice says something else than contract so please explain how long this will take who decides "
    "which documents are needed where they must be sent"
)
"""What built-in prompts are made of."""

LENGTHS = (8, 16, 32, 64, 128, 256)
"""Words of built-in prompts, each as often as the others."""

SHARED = 256
"""Built-in prompts; they differ from their first word on, so that no cache of prefixes helps."""

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


class Request(NamedTuple):
    """One request.

    Attributes:
        prompt: a text.
        max_tokens: of its answer.
    """

    prompt: str
    max_tokens: int


class Plan:
    """Requests by number.

    Args:
        prompts: texts, one or more.
        tokens: least and most value of `max_tokens`; drawn evenly between them.
        seed: of all draws.
    """

    def __init__(self, prompts: Sequence[str], tokens: tuple[int, int], seed: int) -> None:
        self._prompts, self._tokens, self._seed = prompts, tokens, seed

    def __getitem__(self, number: int) -> Request:
        draw = random.Random(f"{self._seed} request {number}")  # noqa: S311
        return Request(draw.choice(self._prompts), draw.randint(*self._tokens))

    def arrivals(self, rate: float) -> Iterator[float]:
        """Seconds after the start at which requests come: a Poisson process of `rate` a second, without end."""
        draw, now = random.Random(f"{self._seed} arrivals"), 0.0  # noqa: S311
        while True:
            now += draw.expovariate(rate)
            yield now


def builtin(seed: int) -> list[str]:
    """Prompts of mixed lengths."""
    draw = random.Random(f"{seed} prompts")  # noqa: S311
    words = WORDS.split()
    return [" ".join(draw.choices(words, k=LENGTHS[index % len(LENGTHS)])) for index in range(SHARED)]


def read(path: str) -> list[str]:
    """Prompts of a file: JSON lines with `prompt` or `text`, such as a processed part, or one text a line.

    Raises:
        Mistaken: no file, or no prompt in it.
    """
    if not os.path.exists(path):
        raise Mistaken(f"there is no {path}: `--prompts` names a file of prompts, one a line")
    found = []
    with open(path, encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            if not path.endswith(".jsonl"):
                found.append(line.strip())
                continue
            try:
                record = json.loads(line)
                found.append(str(record["prompt"] if "prompt" in record else record["text"]))
            except (ValueError, KeyError, TypeError):
                raise Mistaken(f"{path}:{number}: expected an object with `prompt` or `text`") from None
    if not found:
        raise Mistaken(f"{path} holds no prompt")
    return found


def tokens(text: str) -> tuple[int, int]:
    """`64` or `16-256` as least and most.

    Raises:
        Mistaken: neither.
    """
    match = _RANGE.fullmatch(text)
    least, most = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= least <= most:
        raise Mistaken(f"`--max-tokens` is {text!r}: a number such as 64, or a range such as 16-256")
    return least, most
