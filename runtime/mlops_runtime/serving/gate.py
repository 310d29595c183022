"""The gate that every request passes, in and out: id, token, rate, error bodies, headers, counting, log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from mlops_runtime.serving import callers, logs, problems
from mlops_runtime.serving.calls import Call, Gone, Message, Receive, Send
from mlops_runtime.serving.engines.base import Broken, Refused
from mlopsgen.contract import ports

if TYPE_CHECKING:
    from mlops_runtime.serving.service import Service

ASKING = (ports.PREDICT, ports.COMPLETIONS, ports.CHAT)
"""Paths that ask the model; they are counted and limited."""

SCHEMA = "/openapi.json"
OPEN = (ports.HEALTH, ports.READY, ports.METRICS, ports.VERSION, SCHEMA)
"""Paths that need no token: probes and Prometheus have none, and nothing there is secret."""

QUIET = (ports.HEALTH, ports.READY, ports.METRICS)
"""Paths that are asked every few seconds and not logged."""

REQUEST_ID, ANSWER_ID, VARIANT = b"x-request-id", b"x-response-id", b"x-variant"

Application = Callable[[Any, Receive, Send], Awaitable[None]]


class Gate:
    """ASGI middleware.

    Args:
        app: behind it.
        service: what is served.
    """

    def __init__(self, app: Application, service: Service) -> None:
        self._app, self._service = app, service
        self._variant = service.settings.variant.encode()
        self._limit = service.settings.rate_limit
        self._callers = callers.Callers(self._limit) if self._limit is not None else None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Let one request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = Call(scope["method"], scope["path"], dict(scope["headers"]), self._service.settings.timeout)
        call.counted = call.path in ASKING and call.method == "POST"
        scope["call"] = call

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
                message["headers"] = [*message["headers"], *self._headers(call)]
            await send(message)

        span = self._service.traces.begin(call) if self._service.traces is not None else None
        try:
            self._admit(call, scope)
            await self._app(scope, receive, sending)
        except Gone:
            call.gone = True
        except asyncio.CancelledError:
            call.gone = True
            raise
        except Exception as error:
            await self._failed(call, error, sending)
        finally:
            self._ended(call, span)

    def _admit(self, call: Call, scope: Any) -> None:
        if self._service.drain.closing:
            raise problems.draining()
        if call.path not in QUIET:
            self._service.drain.last = call.begin
        if self._service.token is not None and call.path not in OPEN:
            self._service.token.check(call.headers.get(b"authorization"))
        if self._callers is not None and self._limit is not None and call.counted:
            peer = scope["client"][0] if scope.get("client") else ""
            self._callers.count(callers.caller(call.headers, peer, self._limit.by))

    async def _failed(self, call: Call, error: Exception, send: Send) -> None:
        problem = explained(error)
        if problem.code == "internal_error":
            logs.failed(call, error)
        call.problem = problem
        if call.status:
            return
        body = problem.encoded()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
        await send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await send({"type": "http.response.body", "body": body if call.method != "HEAD" else b""})

    def _headers(self, call: Call) -> list[tuple[bytes, bytes]]:
        found = [(REQUEST_ID, call.request_id.encode()), (VARIANT, self._variant)]
        if call.answers:
            found.append((ANSWER_ID, call.answers[0].encode()))
        if self._service.drain.started:
            found.append((b"connection", b"close"))
        return found

    def _ended(self, call: Call, span: Any) -> None:
        if call.counted:
            self._count(call)
        if call.path not in QUIET:
            logs.ended(call, self._service)
            logs.outcome(call, self._service)
        if span is not None and self._service.traces is not None:
            self._service.traces.end(span, call)

    def _count(self, call: Call) -> None:
        metrics, outcome = self._service.metrics, call.outcome
        metrics.requests[outcome].inc()
        if call.problem is not None and call.problem.reason is not None and outcome == "rejected":
            metrics.rejected[call.problem.reason].inc()
        if outcome in ("success", "timeout"):
            metrics.duration.observe(call.seconds)


def explained(error: BaseException) -> problems.Problem:
    """What a caller is told about an error."""
    if isinstance(error, problems.Problem):
        return error
    if isinstance(error, Refused):
        return problems.invalid(str(error))
    if isinstance(error, Broken):
        return problems.broken()
    return problems.internal()
