"""Servers behind a proxy."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.traffic.programs import HOST, PATIENCE, PROXIES, free_ports, listens, nginx, running


@contextmanager
def named_upstreams(folder: Path, *names: str) -> Iterator[dict[str, int]]:
    """Fast upstreams, an nginx, that answer with their name: name and port."""
    folder.mkdir(parents=True, exist_ok=True)
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    servers = "".join(
        f'server {{ listen {HOST}:{port}; keepalive_requests 1000000; location / {{ return 200 "{name}"; }} }}\n'
        for name, port in ports.items()
    )
    temporary = "".join(f"{each}_temp_path {folder}/{each};\n" for each in ("client_body", *PROXIES))
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr;\n"
        f"events {{ worker_connections 2048; }}\nhttp {{ access_log off; {temporary}{servers} }}\n",
        encoding="utf-8",
    )
    with running(nginx(folder / "nginx.conf"), folder, lambda: all(map(listens, ports.values()))):
        yield ports


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hung up is no news."""


class Upstream:
    """A slow upstream that does as the path says, and counts.

    `/fail` hangs up without an answer, `/slow` answers once `release` is set, `/stream` sends one part at once and one
    then; everything else answers at once with the headers of the request as JSON.
    """

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self.release = threading.Event()
        self._server = _Server((HOST, 0), self._handler())
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Upstream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def both(self) -> dict[str, int]:
        """This upstream as champion and as canary."""
        return {"champion": self.port, "canary": self.port}

    def _handler(upstream) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                upstream.hits[self.path] += 1
                if self.path == "/fail":
                    self.close_connection = True
                elif self.path == "/stream":
                    self._stream()
                else:
                    if self.path == "/slow":
                        upstream.release.wait(PATIENCE)
                    self._answer(json.dumps({name.lower(): value for name, value in self.headers.items()}))

            do_POST = do_GET  # noqa: N815

            def _answer(self, text: str) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(200)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def _stream(self) -> None:
                self.send_response(200)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"5\r\nfirst\r\n")
                self.wfile.flush()
                upstream.release.wait(PATIENCE)
                self.wfile.write(b"4\r\nlast\r\n0\r\n\r\n")

            def log_message(self, *_: object) -> None:
                pass

        return Handler
