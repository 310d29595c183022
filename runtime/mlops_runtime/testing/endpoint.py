"""A deployed endpoint, asked over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any, NamedTuple

from mlops_runtime.testing.verdict import fail

TIMEOUT = 60.0
"""Seconds that an answer may take."""


class Reply(NamedTuple):
    """An answer of the endpoint.

    Attributes:
        status: of HTTP.
        text: the body.
        place: method and address.
    """

    status: int
    text: str
    place: str

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; the test fails where it is none."""
        try:
            value = json.loads(self.text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            fail("body", expected="a JSON object", found=self.shown, at=[self.place])
        return value

    @property
    def shown(self) -> str:
        """Status and the body's beginning."""
        body = " ".join(self.text.split())
        return f"{self.status} {body if len(body) <= 200 else f'{body[:200]}...'}".strip()


class Endpoint:
    """An address and how to ask it.

    Args:
        url: without the paths of `mlopsgen.contract.ports`.
        token: bearer token; None where the endpoint asks for none.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str) -> Reply:
        """What GET of a path answers."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: object) -> Reply:
        """What POST answers: of bytes as they are, of anything else as JSON."""
        return self._ask("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> Reply:
        place = f"{method} {self.url}{path}"
        headers = {"Content-Type": "application/json", **self._headers}
        request = urllib.request.Request(f"{self.url}{path}", body, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:  # noqa: S310
                return Reply(reply.status, reply.read().decode(errors="replace"), place)
        except urllib.error.HTTPError as error:
            return Reply(error.code, error.read().decode(errors="replace"), place)
        except OSError as error:
            fail("endpoint", expected="an answer", found=getattr(error, "reason", error), at=[place])
