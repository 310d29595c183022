from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlopsgen.cli.main import run
from tests.conftest import SMALLEST

ENVIRONMENT = {
    **os.environ,
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


SMALL = (
    "targets: {github: false, docker: false, prometheus: false, alertmanager: false, grafana: false, local: false, "
    "docs: false}\n"
)
"""Pipeline and manifests only, which takes a third of the time."""


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, env=ENVIRONMENT)
    return done.stdout.strip()


class Repository:
    """A repository of git with a spec in it, and the real command in the same process."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.patch = patch
        self.capture = capture
        patch.chdir(folder)

    def git(self, *arguments: str) -> str:
        return git(self.folder, *arguments)

    def commit(self, message: str = "x") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def edit(self, text: str, path: str = "mlops.yaml") -> None:
        """Put lines at the end of a file."""
        file = self.folder / path
        file.write_text(file.read_text() + text)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        self.capture.readouterr()
        code = run(list(arguments))
        told = self.capture.readouterr()
        assert "Traceback" not in told.err
        return code, told.out, told.err

    def json(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        code, out, _ = self.run(*arguments, "--format", "json")
        return code, json.loads(out)

    def codes(self, *arguments: str) -> tuple[int, list[str]]:
        code, told = self.json(*arguments)
        return code, [row["code"] for row in told["diagnostics"]]


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Repositories to copy: `empty` with a spec only, `whole` and `small` with everything built and committed."""
    found = {}
    for name, more in (("empty", ""), ("whole", ""), ("small", SMALL)):
        found[name] = folder = tmp_path_factory.mktemp(name)
        git(folder, "init", "--quiet", "--initial-branch=main")
        (folder / "mlops.yaml").write_text(SMALLEST.read_text() + more)
        if name != "empty":
            assert run(["build", "-q", str(folder)]) == 0
            git(folder, "add", "--all")
            git(folder, "commit", "--quiet", "--message", "x")
    return found


Copy = Callable[[str], Repository]


@pytest.fixture
def copy(
    originals: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Copy:
    def make(name: str) -> Repository:
        folder = tmp_path / "project"
        shutil.copytree(originals[name], folder, symlinks=True)
        return Repository(folder, monkeypatch, capsys)

    return make


@pytest.fixture
def repository(copy: Copy) -> Repository:
    """With a spec, before the first build and commit."""
    return copy("empty")


@pytest.fixture
def built(copy: Copy) -> Repository:
    """With everything built and committed."""
    return copy("whole")


@pytest.fixture
def small(copy: Copy) -> Repository:
    """With pipeline and manifests only, built and committed."""
    return copy("small")
