"""A served model over HTTP, for commands that ask it one thing after the other."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple

TIMEOUT = 120.0
"""Seconds that an answer may take; the server ends requests before."""

PROMPT = 20.0
"""Seconds that an answer may take for which nothing is computed."""

SHOWN = 200
"""Characters of a body in messages."""


class Unanswered(Exception):
    """No answer, or one that cannot be used; the text says where and why, and holds no prompt.

    Attributes:
        reason: why nobody answers; None where somebody did.
    """

    def __init__(self, text: str, reason: object = None) -> None:
        super().__init__(text)
        self.reason = reason


class Reply(NamedTuple):
    """An answer.

    Attributes:
        status: of HTTP.
        body: as it came.
        headers: by name in lower case.
        seconds: from sending to the last byte.
        place: method and address.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]
    seconds: float
    place: str

    def json(self) -> Any:
        """The body of a success, as JSON.

        Raises:
            Unanswered: another status, or no JSON.
        """
        if self.status != 200:
            raise Unanswered(f"{self.place} answered {self.said}")
        try:
            return json.loads(self.body)
        except ValueError:
            raise Unanswered(f"{self.place} answered no JSON: {self.said}") from None

    @property
    def code(self) -> str:
        """What an error calls itself; empty where it does not."""
        try:
            return str(json.loads(self.body)["error"]["code"])
        except (ValueError, KeyError, TypeError):
            return ""

    @property
    def said(self) -> str:
        """Status, and what an error says for itself or the beginning of the body."""
        text = self.body.decode(errors="replace")
        try:
            text = str(json.loads(text)["error"]["message"])
        except (ValueError, KeyError, TypeError):
            text = text if self.status != 200 else ""
        text = " ".join(text.split())
        return f"{self.status} {text if len(text) <= SHOWN else f'{text[:SHOWN]}...'}".strip()


class Endpoint:
    """An address and how to ask it.

    Args:
        url: without the paths of `mlopsgen.contract.ports`; `http` or `https`.
        token: bearer token; None where none is asked for.
        headers: more of them, sent with every request.
    """

    def __init__(self, url: str, token: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        self.url = url.rstrip("/")
        self._headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}

    def get(self, path: str, timeout: float = PROMPT) -> Reply:
        """What GET of a path answers, whatever its status.

        Raises:
            Unanswered: nobody answers.
        """
        return self._ask("GET", path, None, timeout)

    def post(self, path: str, body: object, timeout: float = TIMEOUT) -> Reply:
        """What POST answers, whatever its status: of bytes as they are, of anything else as JSON.

        Raises:
            Unanswered: nobody answers.
        """
        return self._ask("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode(), timeout)

    def _ask(self, method: str, path: str, body: bytes | None, timeout: float) -> Reply:
        place, begin = f"{method} {self.url}{path}", time.monotonic()
        headers = {"Content-Type": "application/json", **self._headers}
        request = urllib.request.Request(f"{self.url}{path}", body, headers, method=method)  # noqa: S310
        try:
            with _OPENER.open(request, timeout=timeout) as reply:
                return _reply(reply.status, reply.read(), reply.headers, begin, place)
        except urllib.error.HTTPError as error:
            return _reply(error.code, error.read(), error.headers, begin, place)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error) or type(error).__name__
            raise Unanswered(f"{place}: no answer: {reason}", reason) from None


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: a token goes where it was meant to go, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """None to follow; the redirection itself is the answer."""


_OPENER = urllib.request.build_opener(_Straight)


def _reply(status: int, body: bytes, headers: Any, begin: float, place: str) -> Reply:
    return Reply(status, body, {k.lower(): v for k, v in headers.items()}, time.monotonic() - begin, place)
