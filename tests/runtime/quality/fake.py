"""An HTTP server that answers as a test says, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Asked(NamedTuple):
    """A request: method, path, query, JSON of its body, headers in lower case."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


Answer = tuple[int, Any] | tuple[int, Any, Mapping[str, str]]
"""Status, body (bytes, or an object as JSON), headers."""

Page = Answer | Callable[[Asked], Answer]


class Fake:
    """A running server.

    Attributes:
        url: of it.
        pages: what it answers, by path; can be changed at any time. Paths that are not there are 404.
        asked: every request so far.
    """

    def __init__(self, url: str, pages: dict[str, Page]) -> None:
        self.url, self.pages = url, pages
        self.asked: list[Asked] = []

    def of(self, path: str) -> list[Asked]:
        """Requests for a path."""
        return [one for one in self.asked if one.path == path]


@contextmanager
def fake(pages: dict[str, Page] | None = None, host: str = "127.0.0.1", port: int = 0) -> Iterator[Fake]:
    """Answer until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            split = urlsplit(self.path)
            size = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            query = {name: values[0] for name, values in parse_qs(split.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, split.path, query, body, headers)
            found.asked.append(asked)
            page = found.pages.get(split.path, (404, {"error": {"code": "not_found", "message": "nothing here"}}))
            status, content, *more = page(asked) if callable(page) else page
            encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(encoded)), **(more[0] if more else {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(encoded)

        do_GET = do_POST = handle_any  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    found = Fake(f"http://{host}:{server.server_address[1]}", pages or {})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
