"""A project of stand-in processes, the real command on it, and what may be left of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

MARK = "MLOPSGEN_TEST_RUN"
PATIENCE = 30.0

SERVER = """
import http.server, os, signal, subprocess, sys, threading
port, *options = sys.argv[1:]
print("begins", os.environ.get("MLOPS_MODEL_URI", ""), flush=True)
if "dies" in options:
    sys.exit("a reason to die")
if "dies-once" in options and not os.path.exists("died"):
    open("died", "w").close()
    sys.exit(7)
if "stubborn" in options:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "parent" in options:
    for session in (False, True):
        subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"],
                         start_new_session=session)
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = {"/ready": b"ok", "/model": os.environ.get("MLOPS_MODEL_URI", "").encode(),
                 "/alias": open("alias.json", "rb").read() if os.path.exists("alias.json") else None}
        content = known.get(self.path.partition("?")[0])
        self.send_response(404 if content is None or "mute" in options else 200)
        self.end_headers()
        self.wfile.write(content or b"")
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Answers).serve_forever()
"""
"""Stands for any part: answers on a port, and has the faults that its options name."""

BASE = 12000
"""Ports of a stand-in project begin here; `--port-offset auto` moves them where they are free."""


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """What the condition gave as soon as that was true; fails when that is not in time."""
    start = time.monotonic()
    while not (found := condition()):
        assert time.monotonic() - start < patience, f"not within {patience:g} s: {what}"
        time.sleep(0.05)
    return found


class Project:
    """A folder with a plan of stand-ins."""

    def __init__(self, folder: Path, *parts: tuple[str, dict[str, Any]], **more: Any) -> None:
        self.folder, self.mark = folder, f"{os.getpid()}-{time.monotonic_ns()}"
        self.runs: list[subprocess.Popen[str]] = []
        (folder / "server.py").write_text(SERVER, encoding="utf-8")
        (folder / "local").mkdir()
        names = ["page", *(name for name, _ in parts)]
        ports = {name: BASE + number for number, name in enumerate(names)}
        processes = [self._process(name, ports[name], dict(given)) for name, given in parts]
        self.write({"project": "stand-ins", "ports": ports, "processes": processes, **more})

    @staticmethod
    def _process(name: str, port: int, given: dict[str, Any]) -> dict[str, Any]:
        options = given.pop("options", [])
        found = {"name": name, "command": [sys.executable, "server.py", f"port={port}".removeprefix("port="), *options]}
        found["command"] = [
            "sh",
            "-c",
            f'exec {sys.executable} server.py "${{1#--port=}}" {" ".join(options)}',
            "sh",
            f"--port={port}",
        ]
        return {**found, "ports": [name], "ready": f"http://127.0.0.1:{port}/ready", "pause": 0.05, "grace": 3, **given}

    def write(self, plan: dict[str, Any]) -> None:
        """Write the plan."""
        (self.folder / "local/processes.yaml").write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        """Of everything that runs here; the mark finds it again."""
        return {**os.environ, MARK: self.mark}

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        command = [sys.executable, "-m", "mlopsgen", *arguments]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **options,
        )

    def up(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Begin `mlopsgen up` at free ports; its output goes to a file."""
        with self.output.open("a", encoding="utf-8") as output:
            command = [sys.executable, "-m", "mlopsgen", "up", "--port-offset", "auto", *arguments]
            given = {
                "cwd": self.folder,
                "env": self.environment,
                "stdout": output,
                "stderr": output,
                "text": True,
                **options,
            }
            self.runs.append(subprocess.Popen(command, **given))
        return self.runs[-1]

    @property
    def output(self) -> Path:
        """What `up` prints."""
        return self.folder / "output.txt"

    def said(self, pattern: str) -> bool:
        """Whether `up` printed something."""
        return (
            self.output.exists()
            and re.search(pattern, self.output.read_text(encoding="utf-8"), re.MULTILINE) is not None
        )

    def says(self, pattern: str, patience: float = PATIENCE) -> None:
        """Wait until `up` has printed something."""
        until(lambda: self.said(pattern) or self._over(pattern), f"{pattern} in {self._text()}", patience)

    def _over(self, pattern: str) -> bool:
        if all(each.poll() is not None for each in self.runs) and not self.said(pattern):
            raise AssertionError(f"ended without {pattern!r}: {self._text()}")
        return False

    def _text(self) -> str:
        return self.output.read_text(encoding="utf-8") if self.output.exists() else ""

    def status(self) -> dict[str, Any]:
        """What the page's document says."""
        page = json.loads((self.folder / ".mlops/run/pids.json").read_text(encoding="utf-8"))["page"]
        with urllib.request.urlopen(f"{page}/api/status.json", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def process(self, name: str) -> dict[str, Any]:
        """What is said of one process."""
        return next(each for each in self.status()["processes"] if each["name"] == name)

    def marked(self) -> dict[int, str]:
        """Living processes that carry the mark: all that this project ever started, by their command line."""
        found = {}
        wanted = f"{MARK}={self.mark}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if wanted in (entry / "environ").read_bytes().split(b"\0"):
                        found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue
        return found

    def alone(self, patience: float = 15.0) -> None:
        """Nothing is left."""
        until(lambda: not self.marked(), f"nothing is left of {self.folder}: {self.marked()}", patience)

    def close(self) -> None:
        """End all by force, whatever a test left."""
        for pid in self.marked():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        for run in self.runs:
            run.wait(10)


def made(folder: Path) -> Iterator[Callable[..., Project]]:
    """Makes projects below a folder, and sees that nothing stays."""
    projects: list[Project] = []

    def make(*parts: tuple[str, dict[str, Any]], **more: Any) -> Project:
        where = folder / f"project-{len(projects)}"
        where.mkdir()
        projects.append(Project(where, *parts, **more))
        return projects[-1]

    yield make
    left = {pid: text for each in projects for pid, text in each.marked().items()}
    for each in projects:
        each.close()
    assert not left, f"left behind: {left}"
