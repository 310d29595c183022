"""What a caller is told when a request cannot be answered: one shape everywhere, that of the OpenAI API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

Rejection = str
"""A value of `mlopsgen.contract.metrics.REJECTED`."""


class Problem(Exception):
    """A request that ends with an error.

    Args:
        status: of HTTP.
        message: what is wrong, with limit and found value, for the caller.
        code: for programs.
        kind: `type` of the error body.
        param: field of the request that is wrong.
        outcome: how the request is counted, a value of `mlopsgen.contract.metrics.STATUS`.
        reason: why it was refused, where `outcome` is `rejected`.
        headers: more of them.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        outcome: str = "rejected",
        reason: Rejection | None = "invalid",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.kind, self.param = status, message, code, kind, param
        self.outcome, self.reason = outcome, reason if outcome == "rejected" else None
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The error as the OpenAI API has it."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}

    def encoded(self) -> bytes:
        """`body` as JSON."""
        return orjson.dumps(self.body())


def invalid(message: str, param: str | None = None, code: str = "invalid_value") -> Problem:
    """The caller's request makes no sense: 400."""
    return Problem(400, message, code, param=param)


def too_long(message: str, param: str | None = None, status: int = 400) -> Problem:
    """Prompt or body beyond its limit: 400, or 413 for a body."""
    return Problem(status, message, "context_length_exceeded", param=param, reason="too_long")


def unauthorized() -> Problem:
    """No token, or a wrong one: 401. Both read the same."""
    return Problem(
        401,
        "a valid bearer token is needed: `Authorization: Bearer TOKEN`",
        "invalid_api_key",
        kind="authentication_error",
        reason="unauthorized",
        headers={"WWW-Authenticate": "Bearer"},
    )


def busy(message: str, code: str, reason: str, wait: int) -> Problem:
    """Too many requests: 429, with the seconds after which a retry makes sense."""
    return Problem(
        429, message, code, kind="rate_limit_error", reason=reason, headers={"Retry-After": str(max(1, wait))}
    )


def draining() -> Problem:
    """The server is stopping: 503, another one will answer."""
    return Problem(
        503,
        "this server is stopping: send the request again",
        "draining",
        kind="service_unavailable_error",
        reason="draining",
        headers={"Retry-After": "1"},
    )


def late(seconds: float) -> Problem:
    """The deadline passed: 504."""
    return Problem(
        504, f"no answer within {seconds:g} s", "timeout", kind="timeout_error", outcome="timeout", reason=None
    )


def broken(message: str = "the engine cannot answer at the moment: try again") -> Problem:
    """The engine failed or is not there: 503."""
    return Problem(
        503,
        message,
        "engine_unavailable",
        kind="service_unavailable_error",
        outcome="error",
        reason=None,
        headers={"Retry-After": "1"},
    )


def internal() -> Problem:
    """Our own fault: 500; the log knows more."""
    return Problem(
        500,
        "the server failed with this request; its log knows why, by the request id",
        "internal_error",
        kind="server_error",
        outcome="error",
        reason=None,
    )
