"""Stands for vLLM's server, or for any OpenAI-compatible one: the same protocol, letters as tokens.

Started as `vllm serve MODEL --port PORT --served-model-name NAME …`. A prompt that holds `!fail` is answered 500,
`!refuse` 400, `!tear` is broken off after two tokens; with `slow` in it a token takes 0.1 s.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import uvicorn

NAME = sys.argv[sys.argv.index("--served-model-name") + 1] if "--served-model-name" in sys.argv else "upstream"
METRICS = """# HELP vllm:num_requests_running Requests.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="/tmp/model"} 1.0
# TYPE vllm:own gauge
vllm:own{model_name="/tmp/model"} 1.0
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="/tmp/model"} 5.0
vllm:generation_tokens_created{engine="0",model_name="/tmp/model"} 1.7e9
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 1.0
"""


class Torn(Exception):
    """The connection is broken off."""


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI application."""
    if scope["type"] != "http":
        return
    body = b""
    while scope["method"] == "POST":
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    asked = json.loads(body or b"{}")
    await answer(scope["path"], asked, send)


async def answer(path: str, asked: dict[str, Any], send: Any) -> None:
    """One answer."""
    if path == "/health":
        await whole(send, 200, b"")
    elif path == "/metrics":
        await whole(send, 200, METRICS.encode())
    elif path == "/v1/models":
        await whole(send, 200, json.dumps({"data": [{"id": NAME}]}).encode())
    elif path == "/classify":
        data = [{"index": i, "probs": [0.25, 0.75]} for i, _ in enumerate(asked["input"])]
        await whole(send, 200, json.dumps({"data": data[::-1]}).encode())
    elif asked.get("model") != NAME:
        await whole(send, 404, b'{"error": {"message": "no such model"}}')
    else:
        await generated(path, asked, send)


async def generated(path: str, asked: dict[str, Any], send: Any) -> None:
    """An answer with tokens."""
    chat = path.endswith("/chat/completions")
    prompt: Any = asked["messages"][-1]["content"] if chat else asked["prompt"]
    ids = [ord(letter) for letter in prompt] if isinstance(prompt, str) else prompt
    text = "".join(map(chr, ids))
    if "!fail" in text:
        await whole(send, 500, b'{"error": {"message": "out of memory"}}')
    elif "!refuse" in text:
        await whole(send, 400, b'{"error": {"message": "not this one"}}')
    elif asked.get("echo"):
        tops = [None, *({f"token_id:{i}": -0.25, "token_id:65": -0.125} for i in ids[1:])]
        logprobs = {"tokens": [f"token_id:{i}" for i in ids], "token_logprobs": [None, *[-0.25] * (len(ids) - 1)]}
        choice = {"text": text, "logprobs": {**logprobs, "top_logprobs": tops}}
        await whole(send, 200, json.dumps({"choices": [choice]}).encode())
    else:
        assert asked["stream"]
        await streamed(chat, text, asked, send)


async def streamed(chat: bool, text: str, asked: dict[str, Any], send: Any) -> None:
    """Events."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    said = f"<{text}>"
    for number, letter in enumerate(said[: asked["max_tokens"]]):
        await asyncio.sleep(0.1 if "slow" in text else 0)
        if number == 2 and "!tear" in text:
            raise Torn
        last = number + 1 == len(said)
        finish = "stop" if last else "length" if number + 1 == asked["max_tokens"] else None
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
        choice |= {"delta": {"content": letter}} if chat else {"text": letter}
        if asked.get("return_token_ids"):
            choice["token_ids"] = [ord(letter)]
        if asked.get("logprobs") is not None:
            values = {"content": [{"logprob": -0.5}]} if chat else {"token_logprobs": [-0.5]}
            choice["logprobs"] = values
        await event(send, {"choices": [choice]})
    if (asked.get("stream_options") or {}).get("include_usage"):
        usage = {"prompt_tokens": 2 * len(text), "completion_tokens": len(said[: asked["max_tokens"]]) + 1}
        await event(send, {"choices": [], "usage": usage})
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


async def event(send: Any, content: Any) -> None:
    """One event."""
    await send({"type": "http.response.body", "body": f"data: {json.dumps(content)}\n\n".encode(), "more_body": True})


async def whole(send: Any, status: int, body: bytes) -> None:
    """A whole response."""
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[sys.argv.index("--port") + 1]), log_level="critical")
