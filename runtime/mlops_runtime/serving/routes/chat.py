"""`/v1/chat/completions`: messages in, the assistant's next one out."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from fastapi import Request, Response

from mlops_runtime.serving import answers
from mlops_runtime.serving.answers import Asked
from mlops_runtime.serving.calls import Call
from mlops_runtime.serving.replies import Events, event, reply
from mlops_runtime.serving.routes import generation
from mlops_runtime.serving.schemas import Chat, parsed
from mlops_runtime.serving.service import Service


async def chat(service: Service, request: Request) -> Response:
    """Answer as OpenAI does."""
    call: Call = request.scope["call"]
    body = parsed(Chat, await call.body(request.receive, service.body))
    generation.demand(service, body)
    messages = [message.plain for message in body.messages]
    async with call.alive(request.receive):
        tokens = await service.encoded(messages, "messages")
    newer = body.max_completion_tokens is not None
    limit = "max_completion_tokens" if newer else "max_tokens"
    most = service.room(tokens, body.max_completion_tokens if newer else body.max_tokens, limit)
    asked = [Asked(tokens, one, messages) for one in generation.samplings(body, most, bool(body.logprobs))]
    head: dict[str, Any] = {"id": call.named("chatcmpl-"), "created": int(time.time()), "model": service.model.name}
    if body.stream:
        return Events(call, _streamed(service, call, body, asked, head))
    async with call.alive(request.receive):
        with service.admission.entered(len(asked), call.deadline) as tickets:
            works = [answers.whole(service, call, ticket, one) for ticket, one in zip(tickets, asked, strict=True)]
            found = await answers.together(works)
    service.feedback.issued(head["id"])
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": answer.text, "refusal": None},
            "logprobs": _logprobs(service, answer.tokens, answer.logprobs, answer.text) if body.logprobs else None,
            "finish_reason": answer.finish,
        }
        for index, answer in enumerate(found)
    ]
    usage = generation.usage(len(tokens), call.output_tokens)
    return reply({**head, "object": "chat.completion", "choices": choices, "usage": usage})


async def _streamed(
    service: Service, call: Call, body: Chat, asked: Sequence[Asked], head: dict[str, Any]
) -> AsyncIterator[bytes]:
    head = {**head, "object": "chat.completion.chunk"}
    counted = body.stream_options is not None and body.stream_options.include_usage
    more = {"usage": None} if counted else {}
    with service.admission.entered(len(asked), call.deadline) as tickets:
        streams = [answers.pieces(service, call, ticket, one) for ticket, one in zip(tickets, asked, strict=True)]
        begun: set[int] = set()
        async with aclosing(answers.merged(streams)) as merged:
            async for index, piece in merged:
                delta = {"content": piece.text} if index in begun else {"role": "assistant", "content": piece.text}
                begun.add(index)
                logprobs = None
                if body.logprobs and piece.tokens:
                    logprobs = _logprobs(service, piece.tokens, piece.logprobs, piece.text)
                choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": piece.finish}
                yield event({**head, "choices": [choice], **more})
    service.feedback.issued(head["id"])
    if counted:
        usage = generation.usage(len(asked[0].tokens), call.output_tokens)
        yield event({**head, "choices": [], "usage": usage})


def _logprobs(service: Service, tokens: Sequence[int], values: Sequence[float], text: str) -> dict[str, Any]:
    tokens = tokens[: len(values)]
    shown = generation.names(service, tokens, text, False)
    content = [
        {"token": name, "logprob": value, "bytes": list(name.encode()), "top_logprobs": []}
        for name, value in zip(shown, values, strict=True)
    ]
    return {"content": content, "refusal": None}
