"""A pin that a bot bumps in a generated file stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlopsgen.contract.pins import ACTIONS
from tests.conftest import EXAMPLES, SMALLEST, Run, count_of_files

CHECKOUT = ACTIONS["actions/checkout"]
OURS = f"actions/checkout@{CHECKOUT.digest} # {CHECKOUT.version}"
NEWER = f"actions/checkout@{'a' * 40} # v9.1.0"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "docstrings"
    shutil.copytree(EXAMPLES / "docstrings", folder, ignore=shutil.ignore_patterns("__pycache__", "data"))
    return folder


def bump(project: Path, old: str, new: str, name: str = ".github/workflows/ml-ci.yaml") -> Path:
    path = project / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_a_bumped_action_is_adopted_everywhere(project: Path, mlopsgen: Run) -> None:
    path = bump(project, OURS, NEWER)
    bumped = path.read_text()
    check = mlopsgen("build", "--check", cwd=project)
    assert check.returncode == 1
    assert "actions/checkout v9.1.0" in check.stdout
    assert mlopsgen("build", cwd=project).returncode == 0
    assert path.read_text() == bumped
    for workflow in (project / ".github/workflows").iterdir():
        assert OURS not in workflow.read_text()
    assert f"pin actions/checkout v9.1.0 {'a' * 40}\n" in (project / "mlops.lock").read_text()
    again = mlopsgen("build", "--check", cwd=project)
    assert (again.returncode, again.stdout) == (0, f"mlops.yaml: {count_of_files(SMALLEST)} files up to date\n")


def test_a_moved_digest_of_an_image_is_adopted(project: Path, mlopsgen: Run) -> None:
    text = (project / "docker/train.Dockerfile").read_text()
    old = next(word for word in text.split() if word.startswith("python:3.11-slim-bookworm@"))
    new = "python:3.11-slim-bookworm@sha256:" + "b" * 64
    bump(project, old, new, "docker/train.Dockerfile")
    assert mlopsgen("build", cwd=project).returncode == 0
    assert new in (project / "docker/serve.Dockerfile").read_text()


@pytest.mark.parametrize(
    "other",
    [
        f"actions/checkout@{'a' * 40} # v1.0.0",  # older
        f"actions/checkout@{'a' * 40}",  # no version to compare
        "actions/checkout@v9",  # not pinned
        f"acme/checkout@{'a' * 40} # v9.1.0",  # another action
    ],
)
def test_other_edits_of_a_pin_are_hand_edits(other: str, project: Path, mlopsgen: Run) -> None:
    path = bump(project, OURS, other)
    edited = path.read_text()
    done = mlopsgen("build", cwd=project)
    assert done.returncode == 2
    assert "E302" in done.stderr
    assert path.read_text() == edited


def test_an_adopted_pin_gives_way_to_a_newer_one_of_ours(project: Path, mlopsgen: Run) -> None:
    lock = project / "mlops.lock"
    lock.write_text(lock.read_text() + f"pin actions/checkout v1.0.0 {'c' * 40}\n")
    assert mlopsgen("build", cwd=project).returncode == 0
    assert "v1.0.0" not in lock.read_text()
    assert OURS in (project / ".github/workflows/ml-ci.yaml").read_text()
