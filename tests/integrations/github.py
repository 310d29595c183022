"""What stands in for GitHub: a runner of composite actions, and the few calls of its API that comments need."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

LONGEST = 65_536
"""Characters of a comment."""

TOKENS = {"writer": True, "reader": False}
"""Whether a token may write. A pull request of a fork gets a reader."""


class Comments:
    """The comments of one repository, and who may change them.

    Attributes:
        rows: as the API gives them.
        calls: method and path of each request.
        failures: statuses that the next requests get instead of an answer.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str]] = []
        self.failures: list[int] = []
        self.url = ""

    def add(self, body: str, owner: str = "writer") -> dict[str, Any]:
        row = {"id": 100 + len(self.rows), "body": body, "owner": owner}
        self.rows.append(row)
        return row

    @property
    def bodies(self) -> list[str]:
        return [row["body"] for row in self.rows]

    def answer(self, method: str, path: str, token: str, content: Any) -> tuple[int, Any]:
        self.calls.append((method, path))
        if self.failures:
            return self.failures.pop(0), {"message": "Server Error"}
        if token not in TOKENS:
            return 401, {"message": "Bad credentials"}
        if method != "GET" and not TOKENS[token]:
            return 403, {"message": "Resource not accessible by integration"}
        if method != "GET" and len(content["body"]) > LONGEST:
            return 422, {"message": "Body is too long (maximum is 65536 characters)"}
        if listed := re.fullmatch(r"/repos/acme/shop/issues/7/comments\?per_page=(\d+)&page=(\d+)", path):
            size, page = int(listed[1]), int(listed[2])
            return 200, self.rows[size * (page - 1) : size * page]
        if method == "POST" and path == "/repos/acme/shop/issues/7/comments":
            return 201, self.add(content["body"], token)
        if method == "PATCH" and (one := re.fullmatch(r"/repos/acme/shop/issues/comments/(\d+)", path)):
            row = next(row for row in self.rows if row["id"] == int(one[1]))
            if row["owner"] != token:
                return 403, {"message": "Resource not accessible by integration"}
            row["body"] = content["body"]
            return 200, row
        return 404, {"message": "Not Found"}


@contextmanager
def api() -> Iterator[Comments]:
    """The API on a port of this machine."""
    comments = Comments()

    class Handler(BaseHTTPRequestHandler):
        def __getattr__(self, name: str) -> Any:
            if name in ("do_GET", "do_POST", "do_PATCH"):
                return self._answer
            raise AttributeError(name)

        def _answer(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            status, answer = comments.answer(self.command, self.path, token, content)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    comments.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield comments
    finally:
        server.shutdown()
        server.server_close()


def event(fork: bool = False, **shas: str) -> dict[str, Any]:
    """What GitHub says of a pull request, as far as it is read."""
    owner = "someone" if fork else "acme"
    head = {"repo": {"full_name": f"{owner}/shop"}, "sha": shas.get("head", "")}
    return {"pull_request": {"number": 7, "head": head, "base": {"sha": shas.get("base", "")}}}


def flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """A context as the expressions of an action name it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flat(f"{name}.{key}", item)
    else:
        yield name, str(value)


class Runner:
    """Runs the steps of our composite action as GitHub does: expressions resolved, steps until one fails.

    What a pull request of a fork gets is what it gets from GitHub: a token that reads, and no secret.
    """

    def __init__(self, source: Path, temporary: Path, url: str = "http://127.0.0.1:9") -> None:
        self.action: dict[str, Any] = yaml.safe_load((source / "action.yml").read_text())
        self.source, self.temporary, self.url = source, temporary, url
        temporary.mkdir(exist_ok=True)

    @property
    def summary(self) -> str:
        return (self.temporary / "summary.md").read_text()

    def __call__(
        self, workspace: Path, given: dict[str, Any] | None = None, token: str = "reader", **inputs: str
    ) -> subprocess.CompletedProcess[str]:
        happened = given or {"ref": "refs/heads/main"}
        (self.temporary / "event.json").write_text(json.dumps(happened))
        (self.temporary / "summary.md").write_text("")
        known = {"github.action_path": str(self.source), "github.token": token, **dict(flat("github.event", happened))}
        defaults = {name: str(item.get("default", "")) for name, item in self.action["inputs"].items()}
        known |= {f"inputs.{name}": self._resolved(value, known) for name, value in defaults.items()}
        known |= {f"inputs.{name.replace('_', '-')}": value for name, value in inputs.items()}
        environment = os.environ | {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.url,
            "GITHUB_EVENT_PATH": str(self.temporary / "event.json"),
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_RUN_ID": "5",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_STEP_SUMMARY": str(self.temporary / "summary.md"),
            "RUNNER_TEMP": str(self.temporary),
        }
        return self._steps(workspace, environment, known)

    def _steps(
        self, workspace: Path, environment: dict[str, str], known: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        done, said = None, ["", ""]
        for step in self.action["runs"]["steps"]:
            if step["name"].startswith("Install") and (self.temporary / "mlopsgen").exists():
                continue
            own = {name: self._resolved(value, known) for name, value in step["env"].items()}
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            done = subprocess.run(
                command, cwd=workspace, env=environment | own, capture_output=True, text=True, check=False
            )
            said = [said[0] + done.stdout, said[1] + done.stderr]
            if done.returncode:
                break
        assert done is not None
        return subprocess.CompletedProcess(done.args, done.returncode, *said)

    def _resolved(self, text: str, known: dict[str, str]) -> str:
        # An expression of something that is not there is empty.
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: known.get(found[1], ""), text)
