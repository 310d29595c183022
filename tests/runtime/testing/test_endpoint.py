"""The end-to-end level against a server that behaves, and against one that misbehaves in one way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mlopsgen.contract.metrics import serving
from tests.runtime.testing.conftest import Project

TOKEN = "a-token"
EXPOSITION = "".join(f"# HELP {f.name} {f.help}\n# TYPE {f.name} {f.kind}\n" for f in serving.FAMILIES)
VERSION = {"model": "tiny", "version": "7"}

Answer = tuple[int, Any]


def answer(path: str, body: bytes | None) -> Answer:
    """What a good server says: status, and JSON or text."""
    fixed: dict[str, Any] = {"/healthz": {}, "/readyz": {}, "/version": VERSION, "/metrics": EXPOSITION}
    if path in fixed:
        return 200, fixed[path]
    try:
        given = json.loads(body or b"")
        assert isinstance(given["prompt"], str)
    except (ValueError, TypeError, KeyError, AssertionError):
        return 422, {"error": {"message": "no prompt"}}
    if path == "/predict":
        return 200, {"generated_text": "two three", "label": "long", "latency_seconds": 0.1}
    assert given["model"] == "tiny"
    assert path == "/v1/completions"
    return 200, {"choices": [{"text": "two"}], "usage": {"completion_tokens": 4}}


class Server:
    """A server whose answers can be changed."""

    def __init__(self) -> None:
        self.answer: Callable[[str, bytes | None], Answer] = answer
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(None)

            def do_POST(self) -> None:
                self._reply(self.rfile.read(int(self.headers["Content-Length"])))

            def _reply(self, body: bytes | None) -> None:
                outer.asked.append(f"{self.command} {self.path}")
                right = self.headers["Authorization"] == f"Bearer {TOKEN}"
                status, found = outer.answer(self.path, body) if right else (401, {"error": {"message": "no token"}})
                content = found.encode() if isinstance(found, str) else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    thread = threading.Thread(target=found.http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    found.http.shutdown()
    found.http.server_close()
    thread.join()


def judged(project: Project, server: Server, *arguments: str, token: str = TOKEN) -> Any:
    """The level `end_to_end`, against a server."""
    return project.suite("-m", "end_to_end", "--endpoint", f"{server.url}/", *arguments, MLOPS_AUTH_TOKEN=token)


@pytest.mark.parametrize(("kind", "skipped"), [("project", 0), ("classifier", 1)])
def test_a_good_endpoint_passes(kind: str, skipped: int, server: Server, request: pytest.FixtureRequest) -> None:
    project: Project = request.getfixturevalue(kind)
    for folder in ("models", "data"):
        (project.path / folder).rename(project.path / f"no-{folder}")
    found = judged(project, server, "--model-version", "7")
    assert found.code == 0, found.text
    assert (found.count("passed"), found.count("skipped")) == (12 - skipped, skipped)
    assert server.asked.count("POST /predict") == 7
    assert "not run" not in found.text


def _other(path: str, status: int, said: Any, prompt: bool = True) -> Callable[[str, bytes | None], Answer]:
    """A server that is good but on one path; `prompt`: only to requests that are right."""

    def changed(asked: str, body: bytes | None) -> Answer:
        found = answer(asked, body)
        return (status, said) if asked == path and (found[0] == 200) == prompt else found

    return changed


@pytest.mark.parametrize(
    ("behaviour", "check", "said"),
    [
        (_other("/healthz", 500, "down"), "test_is_up", "status: expected 200, found 500 down\n  at GET {url}/healthz"),
        (_other("/readyz", 503, {}), "test_is_up", "status: expected 200, found 503 {}\n  at GET {url}/readyz"),
        (_other("/version", 200, {**VERSION, "model": "other"}), "test_serves_the_model", "`model` that is served: expected tiny, found other"),
        (_other("/version", 200, {**VERSION, "version": "6"}), "test_serves_the_model", "`version` that is served: expected 7, found 6"),
        (_other("/version", 200, "tiny 7"), "test_serves_the_model", "body: expected a JSON object, found 200 tiny 7"),
        (_other("/predict", 504, "x" * 999), "test_predicts", f"status: expected 200, found 504 {'x' * 200}..."),
        (_other("/predict", 200, {"generated_text": None}), "test_predicts", "answer: expected a text under `generated_text`"),
        (_other("/predict", 200, [1]), "test_predicts", "body: expected a JSON object, found 200 [1]"),
        (_other("/v1/completions", 404, {}), "test_completes", "status: expected 200, found 404 {}"),
        (_other("/v1/completions", 200, {"choices": []}), "test_completes", "completion: expected a text under `choices[0].text`"),
        (_other("/v1/completions", 200, {"choices": [{"text": "a"}], "usage": {"completion_tokens": 5}}), "test_completes", "with max_tokens=4: expected at most 4, found 5"),
        (_other("/metrics", 200, EXPOSITION.replace("model_queue_depth gauge", "model_queue_depth counter")), "test_exports_metrics", "expected 10 families, found 1 not there\n  at model_queue_depth (gauge)"),
        (_other("/predict", 500, "oops", False), "test_refuses_malformed_requests", "malformed request: expected a refusal, such as 422, found 500 oops"),
        (_other("/predict", 200, {"generated_text": ""}, False), "test_refuses_malformed_requests", "malformed request: expected a refusal, such as 422, found 200"),
        (_other("/predict", 429, "busy", False), "test_refuses_malformed_requests", "malformed request: expected a refusal, such as 422, found 429"),
    ],
)  # fmt: skip
def test_a_misbehaving_endpoint(
    behaviour: Callable[[str, bytes | None], Answer], check: str, said: str, project: Project, server: Server
) -> None:
    server.answer = behaviour
    found = judged(project, server, "--model-version", "7")
    assert found.failed == {check}, found.text
    assert said.replace("{url}", server.url) in found.message
    assert "Traceback" not in found.text
    assert found.code == 1


@pytest.mark.parametrize("status", [403, 404])
def test_an_address_that_keeps_metrics_to_the_cluster_is_none_the_worse(
    status: int, project: Project, server: Server
) -> None:
    server.answer = _other("/metrics", status, "RBAC: access denied")
    found = judged(project, server, "-k", "metrics")
    assert (found.code, found.count("skipped")) == (0, 1), found.text


def test_a_wrong_token_is_told(project: Project, server: Server) -> None:
    found = judged(project, server, "-k", "test_predicts", token="another")
    assert found.count("failed") == 3
    assert 'status: expected 200, found 401 {"error"' in found.message
    assert "another" not in found.text


def test_nobody_listens(project: Project) -> None:
    free = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    url = f"http://127.0.0.1:{free.server_port}"
    free.server_close()
    found = project.suite("-k", "test_is_up", "--endpoint", url)
    assert found.code == 1
    assert "endpoint: expected an answer, found [Errno 111] Connection refused\n  at GET " in found.message
    assert "Traceback" not in found.text


def test_any_version_is_right_where_none_is_named(project: Project, server: Server) -> None:
    found = judged(project, server, "-k", "test_serves_the_model")
    assert found.code == 0, found.text
