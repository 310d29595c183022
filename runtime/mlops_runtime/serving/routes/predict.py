"""`/predict`: prompts in, answers or classes out."""

from __future__ import annotations

import time
from typing import Any

from fastapi import Request, Response

from mlops_runtime.serving import answers, problems
from mlops_runtime.serving.answers import Asked
from mlops_runtime.serving.calls import Call
from mlops_runtime.serving.engines.base import Sampling
from mlops_runtime.serving.gate import explained
from mlops_runtime.serving.replies import reply
from mlops_runtime.serving.schemas import Prediction, parsed
from mlops_runtime.serving.service import GENERATING, Service


async def predict(service: Service, request: Request) -> Response:
    """Answer one prompt with an object, several with a list of them; one that fails among several says so itself."""
    call: Call = request.scope["call"]
    body = parsed(Prediction, await call.body(request.receive, service.body))
    if (body.prompt is None) == (body.prompts is None):
        raise problems.invalid("give either `prompt` or `prompts`", "prompt")
    service.demand_engine()
    prompts = [body.prompt] if body.prompt is not None else list(body.prompts or ())
    names = ["prompt"] if body.prompt is not None else [f"prompts.{number}" for number in range(len(prompts))]
    async with call.alive(request.receive):
        if service.settings.task in GENERATING:
            found = await _generated(service, call, body, prompts, names)
        else:
            found = await _classified(service, call, prompts, names)
    return reply(found[0] if body.prompt is not None else found)


async def _generated(
    service: Service, call: Call, body: Prediction, prompts: list[str], names: list[str]
) -> list[dict[str, Any]]:
    tokens = [await service.encoded(prompt, name) for prompt, name in zip(prompts, names, strict=True)]
    asked = []
    for number, prompt in enumerate(prompts):
        sampling = Sampling(
            max_tokens=service.room(tokens[number], body.max_tokens),
            temperature=body.temperature or 0.0,
            top_p=body.top_p or 1.0,
            seed=None if body.seed is None else body.seed + number,
            stop=body.stops,
        )
        asked.append(Asked(tokens[number], sampling, prompt))
    with service.admission.entered(len(asked), call.deadline) as tickets:
        works = [_one(service, call, ticket, one) for ticket, one in zip(tickets, asked, strict=True)]
        found = await (answers.together(works) if len(works) == 1 else answers.apart(works))
    return _told(call, found)


async def _one(service: Service, call: Call, ticket: Any, asked: Asked) -> dict[str, Any]:
    begin = time.monotonic()
    answer = await answers.whole(service, call, ticket, asked)
    name = call.named("pred-")
    service.feedback.issued(name)
    return {
        "id": name,
        "generated_text": answer.text,
        "latency_seconds": time.monotonic() - begin,
        "input_tokens": len(asked.tokens),
        "output_tokens": len(answer.tokens),
        "finish_reason": answer.finish,
    }


def _told(call: Call, found: list[Any]) -> list[dict[str, Any]]:
    """Results, with what is said of an error in its place; when all failed, the first error is that of the request."""
    failed = [explained(one) for one in found if isinstance(one, BaseException)]
    if failed:
        if len(failed) == len(found):
            raise failed[0]
        call.problem = failed[0]
    return [explained(one).body() if isinstance(one, BaseException) else one for one in found]


async def _classified(service: Service, call: Call, prompts: list[str], names: list[str]) -> list[dict[str, Any]]:
    tokens = [await service.encoded(prompt, name) for prompt, name in zip(prompts, names, strict=True)]
    begin = time.monotonic()
    with service.admission.entered(1, call.deadline) as tickets:
        async with service.admission.place(tickets[0]):
            scores = await service.engine.classify(prompts)
    taken, result = time.monotonic() - begin, []
    for prompt, ids, found in zip(prompts, tokens, scores, strict=True):
        name = call.named("pred-")
        service.feedback.issued(name)
        service.metrics.input_tokens.observe(len(ids))
        service.remember(prompt)
        call.input_tokens += len(ids)
        label = max(found, key=lambda label: found[label])
        result.append({"id": name, "label": label, "scores": found, "latency_seconds": taken, "input_tokens": len(ids)})
    return result
