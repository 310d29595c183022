"""Bodies on their way out: JSON, and events as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import orjson
from starlette.responses import Response

from mlops_runtime.serving import logs
from mlops_runtime.serving.calls import Call, Gone, Receive, Send
from mlops_runtime.serving.gate import explained

DONE = b"data: [DONE]\n\n"


def reply(content: Any, status: int = 200) -> Response:
    """A JSON response."""
    return Response(orjson.dumps(content), status, media_type="application/json")


def event(content: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(content) + b"\n\n"


class Events(Response):
    """Server-sent events until `[DONE]`.

    The first event is awaited before the status is sent, so that what fails until then is told by it; what fails later
    is told by an event with an `error`, without `[DONE]`.

    Args:
        call: that they answer; its deadline and its client's presence hold for all of them.
        events: encoded.
    """

    media_type = "text/event-stream"

    def __init__(self, call: Call, events: AsyncIterator[bytes]) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._call, self._events = call, events

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Send them."""
        begun = False
        events: Any = self._events
        try:
            async with self._call.alive(receive), aclosing(events):
                async for part in events:
                    if not begun:
                        begun = True
                        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": DONE, "more_body": True})
        except Gone:
            raise
        except Exception as error:
            if not begun:
                raise
            self._call.problem = problem = explained(error)
            if problem.code == "internal_error":
                logs.failed(self._call, error)
            await send({"type": "http.response.body", "body": event(problem.body()), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
