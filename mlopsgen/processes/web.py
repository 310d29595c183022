"""The status page: static files and one JSON document on the loopback address, without any resource of the network."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mlopsgen.processes.errors import Refused
from mlopsgen.processes.plan import HOST
from mlopsgen.processes.status import Status

FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
POLICY += "form-action 'none'; frame-ancestors 'none'"
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""A report is a document: nothing in it runs."""


class Page:
    """A server of the page, in threads of its own."""

    def __init__(self, port: int) -> None:
        try:
            self._server = ThreadingHTTPServer((HOST, port), _Handler)
        except OSError as error:
            raise Refused(f"the status page cannot listen at port {port}: {error.strerror}") from None
        self._server.daemon_threads = True
        self._server.port = port  # type: ignore[attr-defined]

    def start(self, status: Status) -> None:
        """Answer from now on."""
        self._server.status = status  # type: ignore[attr-defined]
        threading.Thread(target=self._server.serve_forever, args=(0.2,), daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "mlopsgen", ""
    timeout = 10

    def do_GET(self) -> None:
        port = self.server.port  # type: ignore[attr-defined]
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            # A page of another site may have made its own name lead here.
            self._send(421, "text/plain; charset=utf-8", b"This is the status page of this machine only.\n")
            return
        status: Status = self.server.status  # type: ignore[attr-defined]
        path = self.path.partition("?")[0]
        if path in FILES:
            name, kind = FILES[path]
            self._send(200, kind, _content(os.path.join(os.path.dirname(os.path.abspath(__file__)), name)))
        elif path == "/api/status.json":
            self._send(200, "application/json", json.dumps(status.document()).encode())
        elif path == "/report" and (report := status.report()) is not None:
            self._send(200, "text/html; charset=utf-8", _content(report), REPORT_POLICY)
        else:
            self._send(404, "text/plain; charset=utf-8", b"There is nothing here.\n")

    def _send(self, code: int, kind: str, content: bytes, policy: str = POLICY) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: who looks at the page is no news."""


def _content(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()
