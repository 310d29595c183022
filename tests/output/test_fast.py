from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlopsgen.output.fast import up_to_date

from .helpers import VERSION, Project, rendered

WANTED = [
    rendered("dvc.yaml", "stages: {}\n"),
    rendered("deploy/staging/a b.yaml", "kind: Deployment\n"),
    rendered("//.github/workflows/ml-ci.yaml", "on: push\n"),
    rendered("deploy/staging/release.yaml", "image: none\n", keep=True),
]


@pytest.fixture
def built(project: Project) -> Project:
    project.build(WANTED)
    return project


def test_counts_files_when_nothing_is_to_be_done(built: Project) -> None:
    before = built.everything()
    assert built.fast(WANTED) == 4
    assert built.everything() == before


def test_nothing_at_all_is_up_to_date_too(project: Project) -> None:
    assert project.fast([]) is None
    project.build([])
    assert project.fast([]) == 0


def test_line_ends_and_edits_of_kept_files_do_not_count(built: Project) -> None:
    for name in ("dvc.yaml", "mlops.lock"):
        path = built.folder / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (built.folder / "deploy/staging/release.yaml").write_bytes(b"image: mine\n")
    assert built.fast(WANTED) == 4


def test_a_kept_file_may_be_a_link(built: Project) -> None:
    path = built.folder / "deploy/staging/release.yaml"
    path.unlink()
    path.symlink_to("elsewhere")
    assert built.fast(WANTED) == 4


def _replace(path: Path, by: Callable[[Path], object]) -> None:
    path.unlink()
    by(path)


DOUBTS: dict[str, Callable[[Path], object]] = {
    "an edited file": lambda f: (f / "dvc.yaml").write_bytes(b"stages: {a: 1}\n"),
    "a missing file": lambda f: (f / "dvc.yaml").unlink(),
    "a missing file of the repository": lambda f: (f / "../.github/workflows/ml-ci.yaml").unlink(),
    "a missing kept file": lambda f: (f / "deploy/staging/release.yaml").unlink(),
    "a folder for a kept file": lambda f: _replace(f / "deploy/staging/release.yaml", Path.mkdir),
    "a folder for a file": lambda f: _replace(f / "dvc.yaml", Path.mkdir),
    "a fifo for a file": lambda f: _replace(f / "dvc.yaml", os.mkfifo),
    "a fifo for the lock": lambda f: _replace(f / "mlops.lock", os.mkfifo),
    "a fifo for a kept file": lambda f: _replace(f / "deploy/staging/release.yaml", os.mkfifo),
    "no lock": lambda f: (f / "mlops.lock").unlink(),
    "a link for the lock": lambda f: ((f / "mlops.lock").rename(f / "x"), (f / "mlops.lock").symlink_to("x")),
    "a link for a file": lambda f: ((f / "dvc.yaml").rename(f / "x"), (f / "dvc.yaml").symlink_to("x")),
    "a link for a folder": lambda f: ((f / "deploy").rename(f / "x"), (f / "deploy").symlink_to("x")),
    "a damaged lock": lambda f: (f / "mlops.lock").write_bytes(b"\xff"),
    "a lock with markers": lambda f: (f / "mlops.lock").write_bytes((f / "mlops.lock").read_bytes() + b"=======\n"),
    "two digests": lambda f: (f / "mlops.lock").write_bytes(
        (f / "mlops.lock").read_bytes() + b"file " + b"0" * 32 + b" dvc dvc.yaml\n"
    ),
    "a lock that was being written": lambda f: (f / ".mlops.lock.mlopsgen~").write_bytes(b""),
}


@pytest.mark.parametrize("doubt", DOUBTS.values(), ids=DOUBTS)
def test_any_doubt_is_a_no(built: Project, doubt: Callable[[Path], object]) -> None:
    doubt(built.folder)
    assert built.fast(WANTED) is None


def test_another_version_or_other_inputs_are_a_no(built: Project) -> None:
    place, inputs = (str(built.folder), str(built.repository)), built.inputs(WANTED)
    assert up_to_date(*place, VERSION, inputs) == 4
    assert up_to_date(*place, "0.2.0", inputs) is None
    assert up_to_date(*place, VERSION, "0" * 32) is None


def test_no_inputs_never_match_the_lock_of_a_killed_build(built: Project) -> None:
    lock = built.folder / "mlops.lock"
    lock.write_bytes(lock.read_bytes().replace(built.inputs(WANTED).encode(), b""))
    assert built.lock.inputs == ""
    assert up_to_date(str(built.folder), str(built.repository), VERSION, "") is None


def test_starts_with_next_to_nothing() -> None:
    code = (
        "import os, sys; before = set(sys.modules); import mlopsgen.output.fast, mlopsgen.output.repository;"
        "print(*sorted(set(sys.modules) - before))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=root, capture_output=True, text=True, check=True)
    ours = {f"mlopsgen.output.{name}" for name in ("digest", "fast", "lock", "paths", "repository")}
    assert set(done.stdout.split()) <= ours | {"mlopsgen", "mlopsgen.output", "_sha256", "_sha2", "__future__"}
