"""A Kubernetes API in this process: objects by path, JSON and merge patches, resource versions that are enforced.

It is no API server: no schemas, no admission, no authorization, no watches. What it holds to is optimistic concurrency:
a patch that names a resource version, or tests it, fails with 409 or 422 once the object has another one.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jsonpatch
from mlops_runtime.rollout.places.api import MERGE, Absent
from mlops_runtime.rollout.places.base import Conflict

Objects = dict[str, dict[str, Any]]


class Memory:
    """Stands in for `mlops_runtime.rollout.places.api.Api`.

    Args:
        objects: by path, without resource versions.
        before: called with method and path before each call, as what comes between.
    """

    def __init__(self, objects: Objects, before: Callable[[str, str], None] = lambda *_: None) -> None:
        self.objects: Objects = {}
        self._count, self.before = 0, before
        self.calls: list[tuple[str, str]] = []
        for path, content in objects.items():
            self.store(path, content)

    def store(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """Write an object as the server does."""
        self._count += 1
        made = copy.deepcopy(content)
        made.setdefault("metadata", {})["resourceVersion"] = str(self._count)
        before = self.objects.get(path)
        if before is None or before.get("spec") != made.get("spec"):
            made["metadata"]["generation"] = int(made["metadata"].get("generation") or 0) + 1
        self.objects[path] = made
        return copy.deepcopy(made)

    def get(self, path: str) -> dict[str, Any]:
        """See `Api`."""
        self._called("GET", path)
        if path not in self.objects:
            raise Absent(path)
        return copy.deepcopy(self.objects[path])

    def patch(self, path: str, body: Any, form: str = MERGE) -> dict[str, Any]:
        """See `Api`."""
        self._called("PATCH", path)
        path, scaled = path.removesuffix("/scale"), path.endswith("/scale")
        if path not in self.objects:
            raise Absent(path)
        now = copy.deepcopy(self.objects[path])
        if form != MERGE:
            try:
                return self.store(path, jsonpatch.apply_patch(now, body))
            except jsonpatch.JsonPatchTestFailed as error:
                raise Conflict(str(error)) from None
        assert not scaled or set(body) == {"spec"}
        asked = (body.get("metadata") or {}).get("resourceVersion")
        if asked is not None and asked != now["metadata"]["resourceVersion"]:
            raise Conflict(path)
        return self.store(path, _merged(now, body))

    def create(self, path: str, body: Any) -> dict[str, Any]:
        """See `Api`."""
        self._called("POST", path)
        name = body["metadata"].get("name") or f"{body['metadata']['generateName']}{self._count}"
        if f"{path}/{name}" in self.objects:
            raise Conflict(name)
        return self.store(f"{path}/{name}", body)

    def _called(self, method: str, path: str) -> None:
        self.calls.append((method, path))
        self.before(method, path)


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = _merged(found.get(key), value)
    return found


@contextmanager
def served(memory: Memory) -> Iterator[str]:
    """The same over HTTP, with the status codes of an API server."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, call: Callable[[], Any]) -> None:
            try:
                status, content = 200, call()
            except Absent:
                status, content = 404, {"kind": "Status", "message": "not found"}
            except Conflict as error:
                kind = self.headers.get("Content-Type", "")
                status = 422 if "json-patch" in kind else 409
                content = {"kind": "Status", "message": f"testing value in test operation failed: {error}"}
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _body(self) -> Any:
            return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

        def do_GET(self) -> None:
            self._answer(lambda: memory.get(self.path))

        def do_PATCH(self) -> None:
            body = self._body()
            self._answer(lambda: memory.patch(self.path, body, self.headers["Content-Type"]))

        def do_POST(self) -> None:
            body = self._body()
            self._answer(lambda: memory.create(self.path, body))

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
