"""`mlops-runtime smoke`: does a deployed model answer as callers need it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mlops_runtime.endpoint import PROMPT, Endpoint, Unanswered
from mlops_runtime.errors import Mistaken
from mlops_runtime.terminal import table
from mlopsgen.contract import environment, ports
from mlopsgen.contract.metrics.serving import GENERATE

PROMPTS = "tests/smoke.jsonl"
"""Prompts of the project's own: an object with `prompt` a line."""

DEFAULTS = (
    "Hello! What can you help me with?",
    "Name three things that one should know before starting.",
    "Summarise in one sentence: the order arrived late, and the customer asks for a refund.",
)

DEADLINE = 120.0
"""Seconds in which the server must become ready."""

POLL = 1.0

TOKENS = 16
"""Most tokens of an answer."""

CHATS = "instruction-tuning"
"""Task whose models take messages."""


class Step(NamedTuple):
    """What one request showed.

    Attributes:
        name: of the step.
        seconds: that it took.
        found: what is worth knowing.
        failure: why it failed; empty when it did not.
    """

    name: str
    seconds: float
    found: str
    failure: str = ""


def smoke(url: str, headers: Mapping[str, str], deadline: float = DEADLINE) -> int:
    """Wait until the server is ready, send the smoke prompts and what OpenAI's clients send, and print what came of it.

    The bearer token stands in `MLOPS_AUTH_TOKEN`. Prompts are those of `tests/smoke.jsonl` where there is one.

    Args:
        url: of the server or the gateway in front of it.
        headers: sent with every request, such as what leads testers to the canary.
        deadline: seconds in which the server must become ready.

    Returns:
        1 when something failed, else 0.

    Raises:
        Mistaken: no URL, or prompts that are none.
    """
    if not url.startswith(("http://", "https://")):
        raise Mistaken(f"{url!r} is no URL: such as https://api.acme.dev")
    texts = prompts()
    endpoint = Endpoint(url, os.environ.get(environment.AUTH_TOKEN, "").strip() or None, headers)
    steps = _steps(endpoint, texts, deadline)
    table(
        ("step", "seconds", "found"),
        [(step.name, f"{step.seconds:.3f}", step.failure or step.found) for step in steps],
        ["bold red" if step.failure else "" for step in steps],
    )
    failed = [step for step in steps if step.failure]
    print(f"{len(failed)} of {len(steps)} failed" if failed else f"{endpoint.url} answers")
    return 1 if failed else 0


def prompts() -> list[str]:
    """What is sent.

    Raises:
        Mistaken: a line of the project's file is no prompt, or it has none.
    """
    if not os.path.exists(PROMPTS):
        return list(DEFAULTS)
    found = []
    with open(PROMPTS, encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            try:
                text = json.loads(line)["prompt"] if line.strip() else None
            except (ValueError, KeyError, TypeError):
                text = ""
            if text is not None:
                if not isinstance(text, str) or not text:
                    raise Mistaken(f'{PROMPTS}:{number}: expected {{"prompt": "..."}}')
                found.append(text)
    if not found:
        raise Mistaken(f"{PROMPTS} holds no prompt: write some, or remove it for the runtime's own")
    return found


def _steps(endpoint: Endpoint, texts: list[str], deadline: float) -> list[Step]:
    """The steps, up to the first one without which the others say nothing."""
    ready = _tried("ready", lambda: _ready(endpoint, deadline))
    about: dict[str, Any] = {}
    steps = [ready]
    if not ready.failure:
        steps.append(_tried("version", lambda: _version(endpoint, about)))
    if steps[-1].failure:
        return steps
    generates = about.get("task") in GENERATE
    answer = _generated if generates else _classified
    for number, text in enumerate(texts, 1):
        steps.append(_tried(f"prompt {number}", lambda text=text: answer(endpoint, text)))  # type: ignore[misc]
    if generates:
        steps.append(_tried("completion", lambda: _completion(endpoint, str(about["model"]), texts[0])))
    if about.get("task") == CHATS:
        steps.append(_tried("chat", lambda: _chat(endpoint, str(about["model"]), texts[0])))
    return [*steps, _metrics(endpoint)]


def _tried(name: str, ask: Callable[[], str]) -> Step:
    begin = time.monotonic()
    try:
        return Step(name, 0.0, ask())._replace(seconds=time.monotonic() - begin)
    except Unanswered as error:
        failure = str(error)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        failure = f"the answer is not what it should be: {error!r}"
    return Step(name, time.monotonic() - begin, "", failure)


def _ready(endpoint: Endpoint, deadline: float) -> str:
    end = time.monotonic() + deadline
    while True:
        try:
            reply = endpoint.get(ports.READY, max(0.1, min(PROMPT, end - time.monotonic())))
            if reply.status == 200:
                return "ready"
            said = f"{reply.place} answered {reply.said}"
        except Unanswered as error:
            said = str(error)
        if time.monotonic() + POLL > end:
            raise Unanswered(f"not ready within {deadline:g} s: {said}")
        time.sleep(POLL)


def _version(endpoint: Endpoint, about: dict[str, Any]) -> str:
    about |= endpoint.get(ports.VERSION).json()
    return f"{about['model']} {about['version']}, {about['task']}, {about.get('variant')}"


def _generated(endpoint: Endpoint, text: str) -> str:
    found = endpoint.post(ports.PREDICT, {"prompt": text, "max_tokens": TOKENS}).json()
    count = found["output_tokens"]
    if not isinstance(found["generated_text"], str) or count < 1:
        raise Unanswered("the answer is empty")
    return f"{found['input_tokens']} tokens in, {count} out"


def _classified(endpoint: Endpoint, text: str) -> str:
    found = endpoint.post(ports.PREDICT, {"prompt": text}).json()
    label, total = found["label"], sum(found["scores"].values())
    if label not in found["scores"] or not abs(total - 1) <= 1e-3:
        raise Unanswered(f"the label is {label!r}, and its scores add up to {total:g}")
    return f"label {label}, {found['scores'][label]:.1%}"


def _completion(endpoint: Endpoint, model: str, text: str) -> str:
    body = {"model": model, "prompt": text, "max_tokens": TOKENS, "temperature": 0}
    found = endpoint.post(ports.COMPLETIONS, body).json()
    count = found["usage"]["completion_tokens"]
    if not isinstance(found["choices"][0]["text"], str) or count < 1:
        raise Unanswered("the completion is empty")
    return f"{count} tokens, {found['choices'][0]['finish_reason']}"


def _chat(endpoint: Endpoint, model: str, text: str) -> str:
    messages = [{"role": "user", "content": text}]
    body = {"model": model, "messages": messages, "max_tokens": TOKENS, "temperature": 0}
    found = endpoint.post(ports.CHAT, body).json()
    count, choice = found["usage"]["completion_tokens"], found["choices"][0]
    if not isinstance(choice["message"]["content"], str) or count < 1:
        raise Unanswered("the message is empty")
    return f"{count} tokens, {choice['finish_reason']}"


def _metrics(endpoint: Endpoint) -> Step:
    """Gateways may keep `/metrics` to the cluster: that is told, and no failure."""
    begin = time.monotonic()
    try:
        reply = endpoint.get(ports.METRICS)
        found = "reachable" if reply.status == 200 else f"not reachable from here ({reply.status})"
    except Unanswered:
        found = "not reachable from here"
    return Step("metrics", time.monotonic() - begin, found)
