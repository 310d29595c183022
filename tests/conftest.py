"""What tests share."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
FULL = EXAMPLES / "support-assistant" / "mlops.yaml"
SMALLEST = EXAMPLES / "docstrings" / "mlops.yaml"

# Tests run side by side, one a core: threads of theirs would wait for one another. And no one is to be asked, or told.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(HF_HUB_OFFLINE="1", MLFLOW_DISABLE_TELEMETRY="true", DVC_NO_ANALYTICS="1")

# A shell that starts the tests in the background has them, and all that they start, ignore both.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def mlopsgen(tmp_path: Path) -> Run:
    """Runs the real command in `tmp_path`, or in `cwd`."""

    def run(*arguments: str, cwd: Path | None = None, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mlopsgen", *arguments],
            cwd=cwd or tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **options,  # type: ignore[call-overload]
        )

    return run


def tool(name: str) -> str:
    """Path of a tool of the test environment; a missing one is a failure, not a skip."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} is not installed: pip install -e '.[test]'"
    return found


def count_of_files(spec: Path) -> int:
    """How many files the targets want for a spec."""
    from mlopsgen.project.resolve import resolve
    from mlopsgen.spec.load import parse
    from mlopsgen.targets import built_in

    project = resolve(parse(spec.read_text(encoding="utf-8"), spec.name)).project
    return sum(1 for _, target in built_in(project) for _ in target.files(project))
