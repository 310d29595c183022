"""A full disk, and state that cannot be written: said, and everything ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.processes.project import Project

pytestmark = pytest.mark.slow

Make = Callable[..., Project]

UNSHARED = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not UNSHARED, reason="needs a mount namespace, and this system gives none")
@pytest.mark.parametrize("size", ["1m", "20k"], ids=["by a log", "from the start"])
def test_a_full_disk_is_said_and_ends_everything(project: Make, size: str) -> None:
    flood = {"command": [sys.executable, "-c", "while True: print('x' * 1000)"], "ready": None}
    given = project(("server", {"options": ["parent"]}), ("flood", {"after": ["server"], **flood}))
    (given.folder / ".mlops").mkdir()
    mount = f'mount -t tmpfs -o size={size} tmpfs .mlops && exec "$@"'
    command = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        mount,
        "sh",
        sys.executable,
        "-m",
        "mlopsgen",
        "up",
        "--port-offset",
        "auto",
    ]
    done = subprocess.run(
        command, cwd=given.folder, env=given.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "No space left on device" in done.stderr
    assert "nothing runs any more" in done.stderr
    given.alone(1)


def test_state_that_cannot_be_written_ends_everything(project: Make) -> None:
    given = project(("server", {"options": ["parent"]}))
    (given.folder / ".mlops/run/pids.json").mkdir(parents=True)
    done = given.run("up", "--port-offset", "auto")
    assert done.returncode == 2
    assert "Is a directory" in done.stderr
    given.alone(1)


def test_a_folder_of_state_that_is_a_file(project: Make) -> None:
    given = project(("server", {}))
    (given.folder / ".mlops").write_text("", encoding="utf-8")
    done = given.run("up", "--port-offset", "auto")
    assert done.returncode == 2
    assert ".mlops" in done.stderr
    assert "Traceback" not in done.stderr
