"""Clients: one request, many at once, a steady load."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from itertools import count
from typing import IO, NamedTuple

from tests.traffic.programs import HOST, PATIENCE
from tests.traffic.upstreams import Upstream

BATCH = 200
"""Requests sent over one connection before their answers are read."""

USER = "x-user-id"
"""Header that users are told apart by, unless a test says otherwise."""


class Answer(NamedTuple):
    """An answer; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: str


def ask(
    port: int, headers: Mapping[str, str] | None = None, path: str = "/", body: str = "", patience: float = PATIENCE
) -> Answer:
    """One request over a connection of its own.

    Raises:
        OSError: there was no whole answer.
    """
    with socket.create_connection((HOST, port), patience) as connection:
        connection.sendall(_request({**(headers or {}), "Connection": "close"}, path, body))
        with connection.makefile("rb") as stream:
            return _answer(stream)


def ask_all(port: int, requests: Sequence[Mapping[str, str]], path: str = "/") -> list[Answer]:
    """Many requests, given by their headers, over few connections.

    Raises:
        OSError: there was no whole answer to one.
    """
    answers: list[Answer] = []
    for start in range(0, len(requests), BATCH):
        batch = requests[start : start + BATCH]
        with socket.create_connection((HOST, port), PATIENCE) as connection:
            connection.sendall(b"".join(_request(headers, path) for headers in batch))
            with connection.makefile("rb") as stream:
                answers += [_answer(stream) for _ in batch]
    return answers


def streams(port: int, upstream: Upstream, path: str = "/stream") -> bool:
    """Whether the first part of an answer comes before the last one was sent."""
    with socket.create_connection((HOST, port), PATIENCE) as connection, connection.makefile("rb") as stream:
        connection.sendall(_request({}, path))
        connection.settimeout(1)
        try:
            while stream.readline() not in (b"\r\n", b""):
                pass
            early = [stream.readline(), stream.readline()]
        except TimeoutError:
            early = []
        upstream.release.set()
        return early == [b"5\r\n", b"first\r\n"]


def _request(headers: Mapping[str, str], path: str, body: str = "") -> bytes:
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", "Host: test"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode("latin-1")


def _answer(stream: IO[bytes]) -> Answer:
    status = stream.readline().split()
    if len(status) < 2:
        raise ConnectionResetError("the connection was closed before an answer")
    headers: dict[str, str] = {}
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while (size := int(stream.readline() or b"-1", 16)) > 0:
            body += stream.read(size + 2)[:-2]
        if size < 0:
            raise ConnectionResetError("the connection was closed within an answer")
        stream.readline()
    else:
        size = int(headers.get("content-length", 0))
        body = stream.read(size)
        if len(body) < size:
            raise ConnectionResetError("the connection was closed within an answer")
    return Answer(int(status[1]), headers, body.decode("latin-1"))


class Load:
    """Clients that send one request after the other until the block ends, over new connections or over one that they keep.

    Attributes:
        answers: how often each status and body came.
        lost: what went wrong where there was no whole answer.
    """

    def __init__(self, port: int, clients: int = 3, keep: bool = False) -> None:
        self.answers: Counter[tuple[int, str]] = Counter()
        self.lost: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        send = self._send_kept if keep else self._send
        self._threads = [threading.Thread(target=send, args=(port, n)) for n in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def sent(self) -> int:
        """Requests so far."""
        return sum(self.answers.values()) + len(self.lost)

    def _send(self, port: int, client: int) -> None:
        for user in self._users(client):
            try:
                answer = ask(port, {USER: user})
            except OSError as error:
                self._lose(error)
            else:
                self._count(answer.status, answer.body)

    def _send_kept(self, port: int, client: int) -> None:
        connection = HTTPConnection(HOST, port, timeout=PATIENCE)
        for user in self._users(client):
            try:
                connection.request("POST", "/predict", "{}", {USER: user})
                with connection.getresponse() as answer:
                    self._count(answer.status, answer.read().decode())
            except (OSError, HTTPException) as error:
                self._lose(error)
                connection.close()
        connection.close()

    def _users(self, client: int) -> Iterator[str]:
        for number in count():
            if self._stop.is_set():
                return
            yield f"{client}-{number}"

    def _count(self, status: int, body: str) -> None:
        with self._lock:
            self.answers[status, body] += 1

    def _lose(self, error: Exception) -> None:
        with self._lock:
            self.lost.append(repr(error))
