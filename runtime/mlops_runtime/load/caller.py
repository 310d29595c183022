"""One request to the server, and when what came back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
import orjson

from mlops_runtime.errors import Mistaken
from mlops_runtime.load.plan import Request
from mlopsgen.contract import ports
from mlopsgen.contract.metrics.serving import GENERATE

TIMEOUT = 300.0
"""Seconds after which a request is given up."""

OK = "ok"
"""Outcome of an answered request; of others: the status of HTTP and what the error calls itself, such as
`429 queue_full`, or `timeout`, `connection` or `broken`."""

_LINE = 1 << 20
_DATA, _DONE = b"data:", b"[DONE]"


class Sample(NamedTuple):
    """What became of a request; times are seconds since the start.

    Attributes:
        due: when it was meant to be sent.
        sent: when it was.
        first: when the first token came; None without one.
        end: when it was over.
        tokens: of the answer.
        outcome: `OK` or why there is no answer.
        wait: seconds that the server asked to wait before the next try.
    """

    due: float
    sent: float
    first: float | None
    end: float
    tokens: int
    outcome: str
    wait: float = 0.0

    @property
    def latency(self) -> float:
        """Seconds from when it was meant to be sent."""
        return self.end - self.due


class Caller:
    """Sends requests over as many connections as are in use at a time.

    Args:
        url: of the server.
        headers: with every request.

    Attributes:
        begun: requests that were sent so far.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url.rstrip("/")
        self._headers = dict(headers)
        self._session: aiohttp.ClientSession | None = None
        self._generates, self._model = True, ""
        self._begin = time.perf_counter()
        self.begun = 0

    async def __aenter__(self) -> Caller:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=20.0),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT, sock_connect=10.0),
            headers={**self._headers, "Content-Type": "application/json"},
            read_bufsize=_LINE,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        try:
            await self._look()
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(self, *_: Any) -> None:
        assert self._session is not None
        await self._session.close()

    @property
    def served(self) -> str:
        """Name of the model that is asked."""
        return self._model

    def start(self) -> None:
        """Let the time begin."""
        self._begin = time.perf_counter()

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._begin

    async def ask(self, request: Request, due: float) -> Sample:
        """Send a request and read its answer.

        Args:
            request: what to send.
            due: when it was meant to be sent.
        """
        self.begun += 1
        sent, first, tokens, wait = self.now, None, 0, 0.0
        try:
            if self._generates:
                first, tokens, outcome, wait = await self._streamed(request)
            else:
                outcome, wait = await self._classified(request)
        except (TimeoutError, aiohttp.ServerTimeoutError):
            outcome = "timeout"
        except aiohttp.ClientPayloadError:
            outcome = "broken"
        except (aiohttp.ClientError, OSError):
            outcome, wait = "connection", 1.0
        except (ValueError, KeyError, TypeError, IndexError):
            outcome = "broken"
        return Sample(due, sent, first if outcome == OK else None, self.now, tokens, outcome, wait)

    async def _streamed(self, request: Request) -> tuple[float | None, int, str, float]:
        body = {
            "model": self._model,
            "prompt": request.prompt,
            "max_tokens": request.max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        assert self._session is not None
        first, tokens, finished = None, 0, False
        async with self._session.post(self._url + ports.COMPLETIONS, data=orjson.dumps(body)) as response:
            if response.status != 200:
                return None, 0, await _refusal(response), _wait(response)
            async for line in response.content:
                if not line.startswith(_DATA):
                    continue
                data = line[len(_DATA) :].strip()
                if data == _DONE:
                    return first, tokens, OK if finished else "broken", 0.0
                event = orjson.loads(data)
                if "error" in event:
                    return None, 0, "broken", 0.0
                for choice in event["choices"]:
                    first = self.now if first is None else first
                    finished = finished or choice.get("finish_reason") is not None
                if event.get("usage"):
                    tokens = int(event["usage"]["completion_tokens"])
        return None, 0, "broken", 0.0

    async def _classified(self, request: Request) -> tuple[str, float]:
        assert self._session is not None
        body = orjson.dumps({"prompt": request.prompt})
        async with self._session.post(self._url + ports.PREDICT, data=body) as response:
            if response.status != 200:
                return await _refusal(response), _wait(response)
            await response.read()
            return OK, 0.0

    async def _look(self) -> None:
        """What is served there: our app says its task; any other server generates."""
        model = await self._json(ports.MODELS)
        about = await self._json(ports.VERSION)
        try:
            self._model = str(model["data"][0]["id"])
        except (TypeError, KeyError, IndexError):
            raise Mistaken(f"{self._url}{ports.MODELS} names no model: is it the address of a served model?") from None
        task = about.get("task") if isinstance(about, dict) else None
        self._generates = task is None or task in GENERATE

    async def _json(self, path: str) -> Any:
        """Body of a GET; None where there is nothing.

        Raises:
            Mistaken: nobody answers, or the token is wrong.
        """
        assert self._session is not None
        try:
            async with self._session.get(self._url + path, timeout=aiohttp.ClientTimeout(total=20.0)) as response:
                if response.status in (401, 403):
                    raise Mistaken(f"{self._url} asks for another token ({response.status}): set MLOPS_AUTH_TOKEN")
                return orjson.loads(await response.read()) if response.status == 200 else None
        except ValueError:
            return None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Mistaken(f"{self._url} does not answer: {error or type(error).__name__}") from None


async def _refusal(response: aiohttp.ClientResponse) -> str:
    body = await response.read()
    try:
        code = orjson.loads(body)["error"]["code"]
    except (ValueError, KeyError, TypeError):
        code = None
    return f"{response.status} {code}" if isinstance(code, str) else str(response.status)


def _wait(response: aiohttp.ClientResponse) -> float:
    asked = response.headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else 0.0
