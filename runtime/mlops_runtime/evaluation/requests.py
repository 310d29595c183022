"""Requests as users would send them, from the validation part."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from mlops_runtime.serving.engines.base import Engine
from mlops_runtime.training import examples
from mlopsgen.contract import files

Item = TypeVar("Item")


class Request(NamedTuple):
    """What one user sends.

    Attributes:
        task: of the model.
        content: a prompt, a chat up to the answer, or a text to classify or to go on with.
    """

    task: str
    content: str | list[dict[str, str]]


def chosen(rendering: Mapping[str, Any], count: int) -> list[Request]:
    """Requests made of records of the validation part: a sample that is the same each time, or all.

    Args:
        rendering: identity of the model's.
        count: most requests.

    Raises:
        Mistaken: there is no validation part, or a line of it is no record.
    """
    task, roles = rendering["task"], rendering["roles"]
    return [Request(task, _content(record, roles)) for record in sampled(examples.read(files.VALIDATION), count)]


def sampled(items: Iterable[Item], count: int, seed: int = 0) -> list[Item]:
    """A uniform sample of a stream (algorithm R: Vitter, ACM TOMS 11, 1985); memory holds the sample only."""
    generator = random.Random(seed)  # noqa: S311
    found: list[Item] = []
    for number, item in enumerate(items):
        if number < count:
            found.append(item)
        elif (place := generator.randrange(number + 1)) < count:
            found[place] = item
    return found


async def prepared(engine: Engine, request: Request, new: int) -> str | Sequence[int]:
    """What the engine takes: the text to classify, or the tokens of a prompt.

    Of a text that a model goes on with, the first half is the prompt. Of a prompt that leaves no room for `new` tokens,
    the end is kept.

    Raises:
        Refused: the model cannot take this kind of prompt.
    """
    if request.task == "text-classification":
        return str(request.content)
    tokens = await engine.encode(request.content)
    if request.task == "causal-lm":
        tokens = tokens[: max(1, len(tokens) // 2)]
    return tokens[-max(1, engine.longest - new) :]


def _content(record: Mapping[str, Any], roles: Mapping[str, str]) -> Any:
    if "messages" not in roles:
        return record[roles["prompt" if "prompt" in roles else "text"]]
    messages = record[roles["messages"]]
    last = max((at for at, message in enumerate(messages) if message["role"] != "assistant"), default=-1)
    return messages[: last + 1]
