"""`/v1/completions`: texts or token ids in; answers, or how likely the texts themselves are."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from fastapi import Request, Response

from mlops_runtime.serving import answers, problems
from mlops_runtime.serving.answers import Asked
from mlops_runtime.serving.calls import Call
from mlops_runtime.serving.engines.base import Piece, Scored
from mlops_runtime.serving.replies import Events, event, reply
from mlops_runtime.serving.routes import generation
from mlops_runtime.serving.schemas import Completion, parsed
from mlops_runtime.serving.service import Service


class _Prompt:
    """One prompt: what was sent, and its tokens."""

    def __init__(self, given: str | list[int], tokens: list[int], text: str) -> None:
        self.given, self.tokens, self.text = given, tokens, text


async def completions(service: Service, request: Request) -> Response:
    """Answer as OpenAI does."""
    call: Call = request.scope["call"]
    body = parsed(Completion, await call.body(request.receive, service.body))
    generation.demand(service, body)
    if body.max_tokens == 0 and not body.echo:
        raise problems.invalid("max_tokens is 0; at least 1, unless `echo` is set", "max_tokens")
    scoring = body.max_tokens == 0
    if body.stream and (scoring or (body.echo and body.logprobs is not None)):
        raise problems.invalid("`echo` with `logprobs` cannot be streamed: leave `stream` out", "stream")
    async with call.alive(request.receive):
        prompts = [await _encoded(service, body, number) for number in range(len(body.prompts))]
    head: dict[str, Any] = {
        "id": call.named("cmpl-"),
        "object": "text_completion",
        "created": int(time.time()),
        "model": service.model.name,
    }
    if body.stream:
        return Events(call, _streamed(service, call, body, prompts, head))
    async with call.alive(request.receive):
        found = await (_scored if scoring else _answered)(service, call, body, prompts)
    if not scoring:
        service.feedback.issued(head["id"])
    inputs = sum(len(prompt.tokens) for prompt in prompts)
    return reply({**head, "choices": found, "usage": generation.usage(inputs, call.output_tokens)})


async def _encoded(service: Service, body: Completion, number: int) -> _Prompt:
    given = body.prompts[number]
    name = "prompt" if len(body.prompts) == 1 else f"prompt.{number}"
    if isinstance(given, str):
        return _Prompt(given, await service.encoded(given, name), given)
    service.demand_length(given, name)
    text = service.model.text
    if text is not None and max(given) >= text.size:
        raise problems.invalid(f"{name} holds the token {max(given)}; the largest is {text.size - 1}", name)
    return _Prompt(given, given, text.decode(given, special=True) if text is not None else "")


def _asked(service: Service, body: Completion, prompts: Sequence[_Prompt]) -> list[Asked]:
    """`n` answers to each prompt, in order."""
    found = []
    for prompt in prompts:
        most = service.room(prompt.tokens, body.max_tokens)
        for sampling in generation.samplings(body, most, body.logprobs is not None):
            found.append(Asked(prompt.tokens, sampling, prompt.given if isinstance(prompt.given, str) else None))
    return found


async def _answered(service: Service, call: Call, body: Completion, prompts: Sequence[_Prompt]) -> list[dict[str, Any]]:
    asked, count = _asked(service, body, prompts), body.n or 1
    with service.admission.entered(len(asked), call.deadline) as tickets:
        works = [answers.whole(service, call, ticket, one) for ticket, one in zip(tickets, asked, strict=True)]
        found = await answers.together(works)
    choices = []
    for index, answer in enumerate(found):
        prompt = prompts[index // count]
        scored = await _likely(service, prompt) if body.echo and body.logprobs is not None else None
        places = [*(_of_prompt(prompt, scored) if scored else ()), *_of_answer(answer.tokens, answer.logprobs)]
        text = prompt.text + answer.text if body.echo else answer.text
        logprobs = _logprobs(service, body, places, text) if body.logprobs is not None else None
        choices.append({"index": index, "text": text, "logprobs": logprobs, "finish_reason": answer.finish})
    return choices


async def _scored(service: Service, call: Call, body: Completion, prompts: Sequence[_Prompt]) -> list[dict[str, Any]]:
    with service.admission.entered(len(prompts), call.deadline) as tickets:

        async def one(ticket: Any, prompt: _Prompt) -> Scored | None:
            async with service.admission.place(ticket):
                return await _likely(service, prompt) if body.logprobs is not None else None

        found = await answers.together([one(*pair) for pair in zip(tickets, prompts, strict=True)])
    choices = []
    for index, (prompt, scored) in enumerate(zip(prompts, found, strict=True)):
        logprobs = _logprobs(service, body, _of_prompt(prompt, scored), prompt.text) if scored is not None else None
        choices.append({"index": index, "text": prompt.text, "logprobs": logprobs, "finish_reason": "length"})
        call.input_tokens += len(prompt.tokens)
        service.metrics.input_tokens.observe(len(prompt.tokens))
    return choices


async def _likely(service: Service, prompt: _Prompt) -> Scored:
    """How likely a prompt is; of a single token nothing is known."""
    return await service.engine.score(prompt.tokens) if len(prompt.tokens) > 1 else Scored((), (), ())


class _Place(NamedTuple):
    """A token where it stands: its log-probability, and the likeliest token there with its own; None if not known."""

    token: int
    value: float | None = None
    first: int | None = None
    best: float | None = None


def _of_prompt(prompt: _Prompt, scored: Scored) -> list[_Place]:
    return [_Place(prompt.tokens[0]), *map(_Place, prompt.tokens[1:], scored.logprobs, scored.first, scored.best)]


def _of_answer(tokens: Sequence[int], values: Sequence[float]) -> list[_Place]:
    """An engine that does not tell its tokens may count more of them than it tells probabilities of."""
    return [_Place(token, value, token, value) for token, value in zip(tokens, values, strict=False)]


def _logprobs(service: Service, body: Completion, places: Sequence[_Place], text: str) -> dict[str, Any]:
    """As OpenAI has them; of answers, whose likeliest tokens are not asked for, `top_logprobs` has what was drawn."""
    by_id = bool(body.return_tokens_as_token_ids)
    shown = generation.names(service, [place.token for place in places], text, by_id)
    likely = generation.names(service, [place.first or 0 for place in places], text, by_id)
    top = [
        None if place.first is None else {own: place.value} | ({} if place.first == place.token else {best: place.best})
        for place, own, best in zip(places, shown, likely, strict=True)
    ]
    offsets, offset = [], 0
    for name in shown:
        offsets.append(offset)
        offset += 0 if by_id else len(name)
    values = [place.value for place in places]
    return {"tokens": shown, "token_logprobs": values, "top_logprobs": top, "text_offset": offsets}


async def _streamed(
    service: Service, call: Call, body: Completion, prompts: Sequence[_Prompt], head: dict[str, Any]
) -> AsyncIterator[bytes]:
    asked, count = _asked(service, body, prompts), body.n or 1
    counted = body.stream_options is not None and body.stream_options.include_usage
    more = {"usage": None} if counted else {}
    with service.admission.entered(len(asked), call.deadline) as tickets:
        streams = [answers.pieces(service, call, ticket, one) for ticket, one in zip(tickets, asked, strict=True)]
        begun: set[int] = set()
        async with aclosing(answers.merged(streams)) as merged:
            async for index, piece in merged:
                text = piece.text
                if body.echo and index not in begun:
                    text = prompts[index // count].text + text
                begun.add(index)
                yield event({**head, "choices": [_choice(service, body, index, text, piece)], **more})
    service.feedback.issued(head["id"])
    if counted:
        inputs = sum(len(prompt.tokens) for prompt in prompts)
        yield event({**head, "choices": [], "usage": generation.usage(inputs, call.output_tokens)})


def _choice(service: Service, body: Completion, index: int, text: str, piece: Piece) -> dict[str, Any]:
    logprobs = None
    if body.logprobs is not None and piece.tokens:
        logprobs = _logprobs(service, body, _of_answer(piece.tokens, piece.logprobs), piece.text)
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": piece.finish}
