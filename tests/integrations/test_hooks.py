"""The pre-commit hooks, run by pre-commit in a scratch repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import tool

from .conftest import git


@pytest.mark.slow
def test_the_hook_builds_and_stops_the_commit(project: Path, source: Path, tmp_path: Path) -> None:
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=source, capture_output=True, text=True, check=True
    ).stdout.strip()
    hooks = [{"id": "mlopsgen-build"}, {"id": "mlopsgen-validate"}, {"id": "mlopsgen-check"}]
    config = {"repos": [{"repo": str(source), "rev": head, "hooks": hooks}]}
    (project / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    git(project, "add", "--all")
    environment = os.environ | {"PRE_COMMIT_HOME": str(tmp_path / "cache")}

    def run(*files: str) -> subprocess.CompletedProcess[str]:
        command = [tool("pre-commit"), "run", *(["--files", *files] if files else ["--all-files"])]
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

    # A commit that touches no input pays for the check alone, which sees what was edited by hand.
    git(project, "checkout", "--force", "HEAD", ".")
    untouched = run("collect.py")
    assert untouched.returncode == 0
    assert untouched.stdout.count("(no files to check)Skipped") == 2
    (project / "dvc.yaml").write_text("stages: {}\n")
    git(project, "add", "--all")
    edited = run("dvc.yaml")
    assert edited.returncode == 1
    assert "E302" in edited.stdout
