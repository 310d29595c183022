"""A scratch repository with an example in it, and this repository as others see it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import EXAMPLES, ROOT


def git(repository: Path, *arguments: str) -> str:
    """Run git with a fixed identity; returns what it says."""
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with the smallest example in it, all committed."""
    folder = tmp_path / "project"
    shutil.copytree(EXAMPLES / "docstrings", folder, ignore=shutil.ignore_patterns("__pycache__", "data"))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "start")
    return folder


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository as others see it: one commit of the working tree."""
    folder = tmp_path_factory.mktemp("mlopsgen") / "source"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".demo", ".*_cache"))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "release")
    return folder
