"""What people install: a wheel that builds the examples from anywhere, and drags in nothing of the runtime's."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.conftest import EXAMPLES, ROOT

HEAVY = {"torch", "mlflow", "dvc", "kubernetes", "transformers", "scipy", "numpy", "pandas"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the commands of an empty environment into which the wheel was installed."""
    base = tmp_path_factory.mktemp("wheel")
    source = base / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", ".demo"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", base, source], check=True, cwd=base
    )
    venv.create(base / "env", with_pip=True)
    commands = base / "env" / "bin"
    wheel = next(base.glob("*.whl"))
    subprocess.run([commands / "pip", "install", "--quiet", wheel], check=True, cwd=base)
    return commands


def test_the_generator_installs_light(installed: Path) -> None:
    listed = subprocess.run([installed / "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True)
    names = {line.partition("==")[0].lower() for line in listed.stdout.splitlines()}
    assert not names & HEAVY
    assert len(names) <= 20, sorted(names)


@pytest.mark.parametrize("example", sorted(p.name for p in EXAMPLES.iterdir() if p.is_dir()))
def test_the_wheel_builds_the_examples_as_committed(installed: Path, example: str, tmp_path: Path) -> None:
    project = tmp_path / example
    shutil.copytree(EXAMPLES / example, project, ignore=shutil.ignore_patterns("__pycache__", "data"))
    committed = tree(project)
    for path in generated(project):
        path.unlink()
    (project / "mlops.lock").unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [installed / "mlopsgen", "build", project], cwd=elsewhere, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert tree(project) == committed
    again = subprocess.run(
        [installed / "mlopsgen", "build", project], cwd=elsewhere, capture_output=True, text=True, check=False
    )
    assert again.stdout.endswith("files up to date\n")
    assert list(elsewhere.iterdir()) == []


def test_a_build_with_nothing_to_do_imports_neither_pydantic_nor_jinja2_nor_click(
    installed: Path, tmp_path: Path
) -> None:
    project = tmp_path / "docstrings"
    shutil.copytree(EXAMPLES / "docstrings", project)
    for arguments in (["build", str(project)], ["build", "--check", str(project)]):
        code = (
            "import sys\nfrom mlopsgen.cli.fast import main\n"
            f"assert main({arguments!r}) == 0\n"
            "heavy = {'pydantic', 'pydantic_core', 'jinja2', 'click', 'yaml'}\n"
            "print(sorted({m.partition('.')[0] for m in sys.modules} & heavy))"
        )
        done = subprocess.run(
            [installed / "python", "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "[]"


def tree(project: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(project)): p.read_bytes() for p in sorted(project.rglob("*")) if p.is_file()}


def generated(project: Path) -> list[Path]:
    """Files that the lock says are ours, the ones written once included."""
    rows = (project / "mlops.lock").read_text().splitlines()
    keys = [row.split(" ", 3)[3] for row in rows if row.startswith("file ")]
    keys += [row.split(" ", 2)[2] for row in rows if row.startswith("keep ")]
    return [project / key.removeprefix("//") for key in keys]
