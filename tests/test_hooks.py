"""The pre-commit hooks and the GitHub action, tried in scratch repositories."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import EXAMPLES, ROOT, tool


def git(repository: Path, *arguments: str) -> None:
    """Run git with a fixed identity."""
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=repository, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with the smallest example in it, all committed."""
    folder = tmp_path / "project"
    shutil.copytree(EXAMPLES / "docstrings", folder, ignore=shutil.ignore_patterns("__pycache__", "data"))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "start")
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository as others see it: one commit of the working tree."""
    folder = tmp_path_factory.mktemp("mlopsgen") / "source"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", ".demo", ".*_cache"))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "release")
    return folder


@pytest.mark.slow
def test_the_hook_builds_and_stops_the_commit(project: Path, source: Path, tmp_path: Path) -> None:
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=source, capture_output=True, text=True, check=True
    ).stdout.strip()
    hooks = [{"id": "mlopsgen-build"}, {"id": "mlopsgen-validate"}]
    config = {"repos": [{"repo": str(source), "rev": head, "hooks": hooks}]}
    (project / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    git(project, "add", "--all")
    environment = os.environ | {"PRE_COMMIT_HOME": str(tmp_path / "cache")}

    def run() -> subprocess.CompletedProcess[str]:
        command = [tool("pre-commit"), "run", "--all-files"]
        return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, env=environment)

    assert run().returncode == 0
    spec = project / "mlops.yaml"
    spec.write_text(spec.read_text() + "training: {epochs: 3}\n")
    git(project, "add", "--all")
    changed = run()
    assert changed.returncode == 1
    assert "params.yaml" in changed.stdout
    assert "epochs: 3" in (project / "params.yaml").read_text()
    git(project, "add", "--all")
    assert run().returncode == 0
    spec.write_text(spec.read_text() + "trainin: {}\n")
    git(project, "add", "--all")
    broken = run()
    assert broken.returncode == 1
    assert "E101" in broken.stdout


class Runner:
    """Runs the steps of our composite action as GitHub does: expressions resolved, steps until one fails."""

    def __init__(self, source: Path, workspace: Path, temporary: Path) -> None:
        self.action: dict[str, Any] = yaml.safe_load((source / "action.yml").read_text())
        self.source, self.workspace, self.temporary = source, workspace, temporary
        temporary.mkdir(exist_ok=True)

    def __call__(self, **inputs: str) -> subprocess.CompletedProcess[str]:
        values = {f"inputs.{name}": str(item.get("default", "")) for name, item in self.action["inputs"].items()}
        values |= {f"inputs.{name}": value for name, value in inputs.items()} | {"github.action_path": str(self.source)}
        done = None
        for step in self.action["runs"]["steps"]:
            given = {k: re.sub(r"\$\{\{ (.*?) \}\}", lambda m: values[m[1]], v) for k, v in step["env"].items()}
            environment = os.environ | given | {"RUNNER_TEMP": str(self.temporary)}
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            done = subprocess.run(
                command, cwd=self.workspace, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                break
        assert done is not None
        return done


@pytest.mark.slow
def test_the_action(project: Path, source: Path, tmp_path: Path) -> None:
    run = Runner(source, project, tmp_path / "runner")
    good = run(python=sys.executable)
    assert good.returncode == 0, good.stderr
    (project / "params.yaml").write_text("data: {}\n")
    edited = run(python=sys.executable)
    assert edited.returncode == 2
    assert "::error title=E302::" in edited.stdout
    git(project, "checkout", "params.yaml")
    spec = project / "mlops.yaml"
    spec.write_text(spec.read_text() + "training: {epochs: 3}\n")
    stale = run(python=sys.executable)
    assert stale.returncode == 1
    assert "run mlopsgen build and commit the result" in stale.stdout
    spec.write_text(spec.read_text() + "registry: {keeep: 3}\n")
    wrong = run(python=sys.executable, command="validate")
    assert wrong.returncode == 2
    assert "::error file=mlops.yaml,line=8,col=12," in wrong.stdout
    assert "did you mean `keep`?" in wrong.stdout
    assert run(python=sys.executable, command="; echo").returncode == 2


def test_the_action_interpolates_nothing_into_its_scripts(source: Path) -> None:
    action = yaml.safe_load((source / "action.yml").read_text())
    assert all("${{" not in step["run"] for step in action["runs"]["steps"])
    done = subprocess.run(
        [tool("check-jsonschema"), "--builtin-schema", "vendor.github-actions", source / "action.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
