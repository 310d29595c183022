"""A target of another package, which knows nothing but the public protocol."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mlopsgen.diagnostics.catalogue.code import SMALLEST
from tests.conftest import tool

GOOD = """
from collections.abc import Iterable

from pydantic import BaseModel

from mlopsgen.project.model import Project
from mlopsgen.render.files import File


class Component(BaseModel):
    kind: str = "Component"
    name: str


def files(project: Project) -> Iterable[File]:
    yield File(path="catalog/info.yaml", data=Component(name=project.name).model_dump())
    yield File(path="catalog/notes.txt", text="mine\\n", keep=True)
"""


@pytest.fixture
def build(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Installs a package with a target beside a spec that asks for it, and runs the command."""
    packages, project = tmp_path / "packages", tmp_path / "project"
    information = packages / "acme-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[mlopsgen.targets]\nacme-catalog = acme_catalog\n")
    (project / ".git").mkdir(parents=True)
    (project / "mlops.yaml").write_text(SMALLEST + "targets: {others: [acme-catalog]}\n")

    def run(code: str) -> subprocess.CompletedProcess[str]:
        (packages / "acme_catalog.py").write_text(code)
        environment = os.environ | {"PYTHONPATH": str(packages)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [tool("mlopsgen"), "build"]
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)

    run.project = project  # type: ignore[attr-defined]
    return run


def test_its_files_come_out_with_ours(build) -> None:  # type: ignore[no-untyped-def]
    for _ in range(2):  # the second time in light mode, where pydantic was only entered
        done = build(GOOD)
        assert done.returncode == 0, done.stderr
    assert (build.project / "catalog/info.yaml").read_text() == "kind: Component\nname: docs\n"
    lock = (build.project / "mlops.lock").read_text()
    assert "acme-catalog catalog/info.yaml\n" in lock
    assert "keep acme-catalog catalog/notes.txt\n" in lock
    assert build(GOOD.replace('"Component"', '"API"')).stdout.startswith("~ catalog/info.yaml\n")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def files(project): return 1 / 0\n", "ZeroDivisionError: division by zero"),
        ("def files(project): yield project.no_such_thing\n", "AttributeError"),
        ("nothing = 1\n", "AttributeError"),
        ("def files(project): yield {}\n", "AttributeError"),
        (
            "from mlopsgen.render.files import File\ndef files(project): yield File(path='a.yaml', data=object())\n",
            "TypeError",
        ),
        ("import no_such_module\n", "ModuleNotFoundError"),
    ],
)
def test_its_faults_are_not_ours(code: str, reason: str, build) -> None:  # type: ignore[no-untyped-def]
    done = build(code)
    assert done.returncode == 2, done.stderr
    assert "mlops.yaml:5:20: error E231" in done.stderr
    assert reason in done.stderr
    assert sorted(path.name for path in build.project.iterdir()) == [".git", "mlops.yaml"]
