"""A deployed endpoint, asked over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from mlops_runtime import endpoint
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
    """An address and how to ask it; a test fails where nobody answers.

    Args:
        url: without the paths of `mlopsgen.contract.ports`.
        token: bearer token; None where the endpoint asks for none.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self._endpoint = endpoint.Endpoint(url, token)

    def get(self, path: str) -> Reply:
        """What GET of a path answers."""
        return _answered(f"GET {self._endpoint.url}{path}", lambda: self._endpoint.get(path, TIMEOUT))

    def post(self, path: str, body: object) -> Reply:
        """What POST answers: of bytes as they are, of anything else as JSON."""
        return _answered(f"POST {self._endpoint.url}{path}", lambda: self._endpoint.post(path, body, TIMEOUT))


def _answered(place: str, ask: Callable[[], endpoint.Reply]) -> Reply:
    try:
        found = ask()
    except endpoint.Unanswered as error:
        fail("endpoint", expected="an answer", found=error.reason, at=[place])
    return Reply(found.status, found.body.decode(errors="replace"), found.place)
