"""A small HTTP server beside a part that works: what it exports, whether it is alive, what it takes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mlops_runtime.errors import Mistaken
from mlops_runtime.exposition import TEXT
from mlopsgen.contract import ports

LARGEST = 1 << 20
"""Bytes of a body that are read."""

LINGER = 16 * LARGEST
"""Bytes of a body that is refused which are thrown away, so that its sender comes to read the answer."""

Taker = Callable[[Mapping[str, str], bytes], tuple[int, bytes]]
"""From headers, by name in lower case, and a body to a status and JSON."""


@contextmanager
def listening(
    text: Callable[[], bytes],
    port: int,
    host: str = ports.EVERYWHERE,
    takers: Mapping[str, Taker] | None = None,
) -> Iterator[int]:
    """Answer `/metrics`, `/healthz` and the paths of `takers` until the block ends.

    Args:
        text: gives what is exported, in Prometheus' text format.
        port: 0 for any.
        host: address to listen at.
        takers: what answers POST, by path.

    Yields:
        The port.

    Raises:
        Mistaken: the port is taken.
    """
    handler = type("_Handler", (_Handler,), {"text": staticmethod(text), "takers": dict(takers or {})})
    try:
        server = ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        raise Mistaken(f"port {port} cannot be listened at ({error.strerror}): is another one running?") from None
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    timeout = 30
    text: Callable[[], bytes]
    takers: Mapping[str, Taker]

    def do_GET(self) -> None:
        """What is exported, and whether the process is alive."""
        path = self.path.partition("?")[0]
        if path == ports.METRICS:
            self._answer(200, self.text(), TEXT)
        elif path == ports.HEALTH:
            self._answer(200, b'{"status":"ok"}')
        else:
            self._answer(405 if path in self.takers else 404, b'{"status":"not found"}')

    def do_POST(self) -> None:
        """What a taker makes of it."""
        taker = self.takers.get(self.path.partition("?")[0])
        length = self.headers.get("Content-Length", "")
        if taker is None:
            self._answer(404, b'{"status":"not found"}')
        elif not length.isdecimal():
            self._answer(411, b'{"status":"a Content-Length is needed"}')
        elif int(length) > LARGEST:
            self._answer(413, b'{"status":"the body is too large"}')
        else:
            body = self.rfile.read(int(length))
            self._answer(*taker({name.lower(): value for name, value in self.headers.items()}, body))

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        # What is left of a body that was not read would be taken for the next request.
        self.close_connection = self.close_connection or status >= 400
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.close_connection:
            self._linger()

    def _linger(self) -> None:
        """Let the answer arrive: closed over what was not read, a connection is reset (RFC 9112, section 9.6)."""
        self.wfile.flush()
        left, until = LINGER, time.monotonic() + 2
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(1)
            while left > 0 and time.monotonic() < until and (read := self.connection.recv(min(left, 1 << 16))):
                left -= len(read)

    def log_message(self, *_: Any) -> None:
        """Scrapes and probes are not worth a line."""
